"""Archives and sets of files through the seven phases: everything in them is published or named."""

import gzip
import io
import subprocess
import tarfile
import zipfile

import geopandas
import pytest
import shapely

from libs.models.errors import SourceError
from libs.models.version import Version
from tests.integration.line import Line, lake_bytes
from tests.support import DATA, geojson, make_manifest, point

SHAPEFILE = {
    suffix: (DATA / f"naturalearth_lowres.{suffix}").read_bytes()
    for suffix in ("shp", "shx", "dbf", "prj", "cpg")
}
PLACES = (DATA / "ne_110m_populated_places.geojson").read_bytes()
KML = """<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2"><Document><name>one</name><Placemark><name>one</name>
<Point><coordinates>8.5,49.5</coordinates></Point></Placemark></Document></kml>"""
Files = dict[str, bytes]
Rows = dict[str, int]


def zipped(files: Files, prefix: str = "") -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo("placeholder")
            info.filename = prefix + name
            archive.writestr(info, content)
    return target.getvalue()


def tarred(files: Files, mode: str = "w") -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return target.getvalue()


def shapefile(name: str, *but: str, is_upper: bool = False) -> Files:
    """Return the parts of the sample, all but some."""
    return {
        f"{name}.{suffix.upper() if is_upper else suffix}": content
        for suffix, content in SHAPEFILE.items()
        if suffix not in but
    }


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Files]:
    """Return the sample in formats of several files: `gdb`, `tab`, `mif`, `gml`."""
    made = {}
    source = str(DATA / "naturalearth_lowres.shp")
    for suffix, driver in (
        ("gdb", "OpenFileGDB"), ("tab", "MapInfo File"), ("mif", "MapInfo File"), ("gml", "GML"),
    ):  # fmt: skip
        folder = tmp_path_factory.mktemp(suffix)
        options = ["-dsco", "FORMAT=MIF"] if suffix == "mif" else []
        target = str(folder / f"Länder.{suffix}")
        subprocess.run(
            ["ogr2ogr", "-f", driver, *options, "-nlt", "PROMOTE_TO_MULTI", "-select",
             "name,iso_a3", target, source],
            check=True,
        )  # fmt: skip
        made[suffix] = {
            str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
    return made


def publish(line: Line, name: str, files: Files) -> Version:
    paths = [line.user.put(f"uploads/{name}/{key}", content) for key, content in files.items()]
    return line.run(name, make_manifest(name, paths))


def assert_is_the_sample(line: Line, version: Version) -> None:
    (table,) = version.tables
    frame = geopandas.read_parquet(io.BytesIO(lake_bytes(line, table, "geoparquet")))
    found = dict(zip(frame["name"], shapely.area(frame.geometry.array), strict=True))
    source = geopandas.read_file(DATA / "naturalearth_lowres.shp")
    expected = dict(zip(source["name"], shapely.area(source.geometry.array), strict=True))
    assert found == pytest.approx(expected, rel=1e-5)
    assert frame.total_bounds == pytest.approx(source.total_bounds, abs=1e-6)


def rows(version: Version, name: str) -> Rows:
    """Return rows by table; the table called after the dataset is called `-`."""
    return {"-" if table.name == name else table.name: table.rows for table in version.tables}


def codes(version: Version) -> list[str]:
    return [warning.code for warning in version.warnings]


MIXED_CASE = shapefile("Roads", "dbf") | {"ROADS.DBF": SHAPEFILE["dbf"]}
WITH_OTHERS = shapefile("eins") | {
    "README.txt": b"?",
    "b/codes.dbf": SHAPEFILE["dbf"],
    "b/codes.cpg": SHAPEFILE["cpg"],
}
OF_ARCHIVES = {"in/a.zip": zipped(shapefile("x")), "b.geojson.gz": gzip.compress(PLACES)}
OF_ONE_NAME = {
    "a/x.geojson": geojson(({"a": 1}, point(1, 2))),
    "b/x.geojson": geojson(({"b": 1}, point(1, 2))),
}
KMZ = {"doc.kml": KML.encode(), "files/icon.png": b"png"}
PART_MISSING, NOT_READ = "source.part_missing", "source.member_not_read"


@pytest.mark.parametrize(
    ("key", "content", "expected", "said"),
    [
        ("a.zip", zipped(shapefile("ROADS", is_upper=True), "Sub\\Folder\\"), {"-": 177}, []),
        ("a.zip", zipped(MIXED_CASE), {"-": 177}, []),
        ("a.shz", zipped(shapefile("x", "shx")), {"-": 177}, [PART_MISSING]),
        ("a.zip", zipped(shapefile("x", "shx", "dbf")), {"-": 177}, [PART_MISSING] * 2),
        ("a.zip", zipped(WITH_OTHERS), {"eins": 177, "codes": 177}, [NOT_READ]),
        ("a.zip", zipped(OF_ARCHIVES), {"x": 177, "b": 243}, []),
        ("a.geojson.gz", gzip.compress(PLACES), {"-": 243}, []),
        ("a.tgz", tarred(shapefile("./d/x"), "w:gz"), {"-": 177}, []),
        ("a.tar.xz", tarred(OF_ONE_NAME, "w:xz"), {"a_x": 1, "b_x": 1}, ["table.renamed"] * 2),
        ("a.kmz", zipped(KMZ), {"-": 1}, [NOT_READ]),
    ],
    ids=["backslashes and upper case", "mixed case", "no shx", "only shp", "readme and lone dbf",
         "zip of archives", "geojson.gz", "tgz", "tar.xz with names that clash", "kmz"],
)  # fmt: skip
def test_what_an_archive_holds_is_published_or_named(
    line: Line, name: str, key: str, content: bytes, expected: Rows, said: list[str]
) -> None:
    version = publish(line, name, {key: content})
    assert rows(version, name) == expected
    assert [code for code in codes(version) if code.startswith(("source.", "table."))] == said


@pytest.mark.parametrize(
    ("form", "is_packed"),
    [("gdb", True), ("tab", True), ("mif", True), ("gml", True), ("gdb", False), ("tab", False)],
)
def test_files_that_make_one_source_are_put_together(
    line: Line, name: str, made: dict[str, Files], form: str, is_packed: bool
) -> None:
    files = made[form]
    if is_packed:
        files = {"a.zip": zipped({part.upper(): files[part] for part in files}, "Daten\\")}
    version = publish(line, name, files)
    assert_is_the_sample(line, version)
    assert NOT_READ not in codes(version)


def test_a_shapefile_without_its_index_has_the_same_content(line: Line, name: str) -> None:
    assert_is_the_sample(line, publish(line, name, shapefile("x", "shx")))


FEWER_RECORDS = SHAPEFILE["dbf"][:4] + b"\x64" + SHAPEFILE["dbf"][5:]
TOO_DEEP = zipped({"1.zip": zipped({"2.zip": zipped({"x.geojson": PLACES})})})


@pytest.mark.parametrize(
    ("content", "code", "place"),
    [
        (zipped({"a/x.geojson": PLACES})[:-4000], "source.broken_archive", "a.zip"),
        (zipped({"../x.geojson": PLACES}), "source.unsafe_archive", "a.zip"),
        (zipped({"x.docx": b"?"}), "source.unknown_format", "a.zip"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(600), "source.unsupported_archive", "a.zip"),
        (zipped({"a/x.geojson": PLACES[:9000]}), "source.unreadable", "a.zip!/a/x.geojson"),
        (TOO_DEEP, "source.nested_archive", "a.zip!/1.zip!/2.zip"),
        (
            zipped(shapefile("x") | {"x.dbf": FEWER_RECORDS}),
            "source.shapefile_counts_differ",
            "a.zip!/x.shp",
        ),
    ],
    ids=["cut", "climbing", "no data", "7z", "broken member", "too deep", "fewer records"],
)
def test_what_cannot_be_read_whole_is_refused_at_its_place(
    line: Line, name: str, content: bytes, code: str, place: str
) -> None:
    with pytest.raises(SourceError) as refused:
        publish(line, name, {"a.zip": content})
    assert refused.value.reason.code == code
    assert (refused.value.reason.file or "").endswith(f"/{name}/{place}")
