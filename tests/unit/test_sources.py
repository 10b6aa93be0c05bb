"""Sources: archives opened, shapefile sets put together, layers found."""

import io
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

import pytest

from libs.ledger.records import Delivery
from libs.models.errors import SourceError
from libs.models.version import Warn
from libs.pipeline.kinds.sources import FoundLayer, find_layers
from libs.pipeline.state import Fetched, FetchedFile, Intake
from libs.pipeline.workbench import Workbench
from libs.spatial_utils.layers import Problem, SourceDescription
from tests.dbf import DbfColumn, dbf_bytes
from tests.unit.examples import BUCKET, NOON, layer, manifest
from tests.unit.fakes import FakeGdal


def described(*layers: str, driver: str = "GPKG", problems: tuple[str, ...] = ()) -> Any:
    return SourceDescription(
        driver=driver,
        layers=tuple(layer(name) for name in layers),
        problems=tuple(Problem(is_error=False, number=1, message=text) for text in problems),
    )


SHAPEFILE = described("roads", driver="ESRI Shapefile")


def packed(*names: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in names:
            archive.writestr(name, part(name, name.encode()))
    return target.getvalue()


def part(name: str, content: bytes) -> bytes:
    """Return a file's content; that of a .dbf inside a table."""
    if not name.lower().endswith(".dbf"):
        return content
    return dbf_bytes([DbfColumn(b"content", width=40)], [(content,)])


class Drop:
    """Fetched files and the descriptions that GDAL gives of them."""

    def __init__(self, bench: Workbench) -> None:
        self.bench = bench
        self.gdal = FakeGdal({})

    def find(
        self,
        files: dict[str, bytes],
        descriptions: Mapping[str, SourceDescription | SourceError],
        hints: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
        **fields: Any,
    ) -> tuple[list[FoundLayer], list[Warn]]:
        """Return what is found; `fields` are of every file, `hints` of the file they name."""
        self.gdal = FakeGdal(descriptions)
        for name in ("sources", "unpacked"):
            shutil.rmtree(self.bench.folder / name, ignore_errors=True)
        request = manifest(
            files=[
                {"path": f"s3://{BUCKET}/{key}", "type": "vector", **fields, **hints.get(key, {})}
                for key in files
            ]
        )
        fetched = []
        for number, file in enumerate(request.files):
            folder = self.bench.subfolder(f"files/{number}")
            path = folder / file.name
            path.write_bytes(part(file.key, files[file.key]))
            fetched.append(FetchedFile(file, path, "a" * 64, len(files[file.key])))
        delivery = Delivery(key="manifests/a.json", etag="m1", received_at=NOON)
        intake = Intake("d1", 1, "run1", request, "transport/roads", (), delivery, ())
        bench = replace(self.bench, clients=replace(self.bench.clients, gdal=self.gdal))
        return find_layers(bench, Fetched(intake, tuple(fetched), "c" * 64, None))

    def refusal(self, *args: Any, **fields: Any) -> SourceError:
        with pytest.raises(SourceError) as caught:
            self.find(*args, **fields)
        return caught.value


@pytest.fixture
def drop(bench: Workbench) -> Drop:
    return Drop(bench)


def names(layers: list[FoundLayer]) -> list[tuple[str, str, bool]]:
    return [(item.candidate.path.name, item.layer.name, item.is_only) for item in layers]


def test_layers_come_in_the_manifests_order(drop: Drop) -> None:
    layers, warnings = drop.find(
        {"b.gpkg": b"", "a.gpkg": b""},
        {"a.gpkg": described("x"), "b.gpkg": described("y", "z")},
    )
    assert names(layers) == [("b.gpkg", "y", False), ("b.gpkg", "z", False), ("a.gpkg", "x", True)]
    assert warnings == []


def test_a_file_is_opened_by_the_driver_of_its_name_only(drop: Drop) -> None:
    drop.find({"a.geojson": b""}, {"a.geojson": described("a", driver="GeoJSON")})
    assert drop.gdal.asked == [("a.geojson", "GeoJSON", ())]


def test_a_file_whose_name_tells_nothing_is_opened_by_the_driver_of_its_content(
    drop: Drop,
) -> None:
    content = b'{"type": "FeatureCollection", "features": []}'
    drop.find({"roads": content}, {"roads": described("a")})
    assert drop.gdal.asked == [("roads", "GeoJSON", ())]


def test_a_file_that_tells_nothing_at_all_is_refused_naming_what_is_read(drop: Drop) -> None:
    error = drop.refusal({"roads.docx": b"text"}, {})
    assert error.reason.code == "source.unknown_format"
    assert "FlatGeobuf (.fgb)" in error.reason.message


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Value 'abcdef' of field a has been truncated to 'abc'", "source.values_changed"),
        ("Non closed ring detected", "source.values_changed"),
        ("Invalid value type found in record 2 for field lon", "source.values_changed"),
        ("Ignoring one or more of entity 'VIEWPORT'", "source.values_changed"),
        ("non-conformant content, successfully parsed", "source.gdal_warning"),
    ],
)
def test_a_warning_that_means_a_loss_has_a_code_of_its_own(
    drop: Drop, message: str, code: str
) -> None:
    _, warnings = drop.find({"x.gpkg": b""}, {"x.gpkg": described("a", problems=(message,))})
    assert [warning.code for warning in warnings] == [code]


@pytest.mark.parametrize(
    ("keys", "on_disk"),
    [
        (["up/roads.shp", "up/roads.shx", "up/roads.dbf"], "roads.shp"),
        (["up/roads.dbf", "up/roads.prj", "up/roads.shp", "up/roads.shx"], "roads.shp"),
        (["up/ROADS.SHP", "up/ROADS.SHX", "up/ROADS.DBF", "up/ROADS.SHP.XML"], "ROADS.shp"),
        (["up/v1.roads.shp", "up/v1.roads.SHX", "up/v1.roads.Dbf"], "v1.roads.shp"),
    ],
    ids=["in order", "out of order", "upper case", "dots and mixed case"],
)
def test_the_parts_of_a_loose_shapefile_are_one_source(
    drop: Drop, keys: list[str], on_disk: str
) -> None:
    layers, _ = drop.find({key: key.encode() for key in keys}, {on_disk: SHAPEFILE})
    assert names(layers) == [(on_disk, "roads", True)]
    path = layers[0].candidate.path
    beside = {part.name: part.read_bytes().lower() for part in path.parent.iterdir()}
    assert len(beside) == len(keys)
    for name, content in beside.items():
        assert f"up/{name.lower()}".encode() in content


def test_parts_of_one_name_in_other_folders_stay_apart(drop: Drop) -> None:
    keys = [f"{folder}/roads{suffix}" for folder in "ab" for suffix in (".shp", ".shx", ".dbf")]
    layers, _ = drop.find({key: key.encode() for key in keys}, {"roads.shp": SHAPEFILE})
    assert [item.candidate.label for item in layers] == [
        f"s3://{BUCKET}/a/roads.shp",
        f"s3://{BUCKET}/b/roads.shp",
    ]
    tables = [item.candidate.path.with_suffix(".dbf").read_bytes() for item in layers]
    assert b"a/roads.dbf" in tables[0]
    assert b"b/roads.dbf" in tables[1]


def test_a_table_without_its_shapefile_is_a_source_of_its_own(drop: Drop) -> None:
    layers, _ = drop.find({"codes.dbf": b""}, {"codes.dbf": SHAPEFILE})
    assert names(layers) == [("codes.dbf", "roads", True)]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["roads.shp"], ["roads.shx", "roads.dbf"]),
        (["roads.shp", "roads.shx"], ["roads.dbf"]),
        (["roads.shp", "roads.dbf", "roads.prj"], ["roads.shx"]),
        (["roads.mif"], ["roads.mid"]),
        (["ROADS.TAB", "Roads.Dat"], ["ROADS.map"]),
        (["roads.mif", "roads.MID"], []),
        (["roads.gpkg", "roads.gpkg-wal", "roads.gpkg-shm"], []),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("is_packed", [False, True], ids=["loose", "packed"])
def test_what_a_missing_part_means_is_said(
    drop: Drop, keys: list[str], said: list[str], is_packed: bool
) -> None:
    on_disk = PurePosixPath(keys[0]).stem + PurePosixPath(keys[0]).suffix.lower()
    files = {"a.zip": packed(*keys)} if is_packed else dict.fromkeys(keys, b"")
    layers, warnings = drop.find(files, {on_disk: described("roads")})
    place = f"s3://{BUCKET}/a.zip!/{keys[0]}" if is_packed else f"s3://{BUCKET}/{keys[0]}"
    assert layers[0].candidate.label == place
    assert [(warning.code, warning.file) for warning in warnings] == [
        ("source.part_missing", place) for _ in said
    ]
    for warning, missing in zip(warnings, said, strict=True):
        assert warning.message.startswith(f"{missing} is not there")


def test_a_schema_that_is_not_read_is_told(drop: Drop) -> None:
    files = dict.fromkeys(("roads.gml", "roads.xsd", "lots.gml"), b"")
    sources = {"roads.gml": described("roads"), "lots.gml": described("lots")}
    (warning,) = drop.find(files, sources)[1]
    assert (warning.code, warning.file) == ("source.part_not_read", f"s3://{BUCKET}/roads.gml")
    assert warning.message.startswith("roads.xsd was not read: attributes are the text of")


def test_a_mapinfo_table_without_its_data_is_refused(drop: Drop) -> None:
    error = drop.refusal({"roads.tab": b"", "roads.map": b""}, {})
    assert error.reason.code == "source.incomplete"
    assert "expected roads.dat" in error.reason.message


@pytest.mark.parametrize("key", ["roads.shx", "roads.prj", "roads.mid", "roads.shp.xml"])
def test_a_companion_alone_is_refused(drop: Drop, key: str) -> None:
    error = drop.refusal({key: b"", "other.gpkg": b""}, {"other.gpkg": described("a")})
    assert error.reason.code == "source.lonely_companion"
    assert error.reason.file == f"s3://{BUCKET}/{key}"


def test_a_packed_shapefile_without_its_shapes_is_no_table(drop: Drop) -> None:
    table = {"Roads.dbf": described("Roads", driver="ESRI Shapefile")}
    names = ("up/Roads.dbf", "up/ROADS.SHX", "up/Roads.prj")
    error = drop.refusal({"a.zip": packed(*names)}, table)
    assert error.reason.code == "source.lonely_companion"
    assert error.reason.file == f"s3://{BUCKET}/a.zip!/up/Roads.dbf"
    assert "found none" in error.reason.message
    assert "into the archive" in error.reason.remedy
    fonts = packed("up/Roads.dbf", "fonts/roads.shx")
    assert len(drop.find({"b.zip": fonts}, table)[0]) == 1


def test_parts_whose_names_differ_by_case_belong_together(drop: Drop) -> None:
    layers, _ = drop.find(
        {"a.zip": packed("Roads.shp", "ROADS.SHX", "roads.DBF")}, {"Roads.shp": SHAPEFILE}
    )
    beside = sorted(path.name for path in layers[0].candidate.path.parent.iterdir())
    assert beside == ["Roads.dbf", "Roads.shp", "Roads.shx"]


def test_shapefiles_whose_names_differ_by_case_keep_their_own_parts(drop: Drop) -> None:
    names = [stem + suffix for stem in ("a", "A") for suffix in (".shp", ".shx", ".dbf")]
    layers, _ = drop.find({"a.zip": packed(*names)}, {"a.shp": SHAPEFILE, "A.shp": SHAPEFILE})
    tables = [item.candidate.path.with_suffix(".dbf").read_text() for item in layers]
    assert [table.split()[-2] for table in tables] == ["a.dbf", "A.dbf"]


@pytest.mark.parametrize(
    "names",
    [("roads.shp", "roads.SHP", "roads.dbf"), ("roads.shp", "ROADS.dbf", "Roads.dbf")],
    ids=" ".join,
)
def test_parts_that_may_belong_to_two_are_refused(drop: Drop, names: tuple[str, ...]) -> None:
    error = drop.refusal({"a.zip": packed(*names)}, {})
    assert error.reason.code == "source.ambiguous_companion"


GEODATABASE = ("a00000001.gdbtable", "a00000001.gdbtablx", "gdb", "timestamps")


@pytest.mark.parametrize(
    ("archive", "prefix", "name", "label"),
    [
        ("x.zip", "sub/Roads.gdb/", "Roads.gdb", "x.zip!/sub/Roads.gdb"),
        ("roads.gdb.zip", "", "roads.gdb", "roads.gdb.zip"),
        ("x.zip", "roads/", "roads.gdb", "x.zip!/roads"),
    ],
)
def test_a_folder_with_a_geodatabase_is_one_source(
    drop: Drop, archive: str, prefix: str, name: str, label: str
) -> None:
    members = [prefix + part for part in (*GEODATABASE[:1], *map(str.upper, GEODATABASE[1:]))]
    layers, warnings = drop.find(
        {archive: packed(*members)}, {name: described("roads", "rivers", driver="OpenFileGDB")}
    )
    assert [item.candidate.label for item in layers] == [f"s3://{BUCKET}/{label}"] * 2
    path = layers[0].candidate.path
    assert sorted(part.name for part in path.iterdir()) == sorted(GEODATABASE)
    assert drop.gdal.asked == [(name, "OpenFileGDB", ())]
    assert warnings == []


def test_the_loose_files_of_a_geodatabase_are_one_source(drop: Drop) -> None:
    keys = [f"up/roads.gdb/{part}" for part in GEODATABASE[::-1]]
    layers, _ = drop.find(
        {**dict.fromkeys(keys, b""), "b.gpkg": b""},
        {"roads.gdb": described("roads"), "b.gpkg": described("b")},
    )
    assert names(layers) == [("roads.gdb", "roads", True), ("b.gpkg", "b", True)]
    assert layers[0].candidate.label == f"s3://{BUCKET}/up/roads.gdb"


def test_what_the_manifest_says_of_a_part_holds_for_the_whole(drop: Drop) -> None:
    keys = ("roads.dbf", "roads.shp", "roads.shx")
    hints = {"roads.dbf": {"encoding": "CP1252", "crs": "EPSG:25832"}}
    files = dict.fromkeys(keys, "Zürich".encode("cp1252"))
    layers, _ = drop.find(files, {"roads.shp": SHAPEFILE}, hints=hints)
    assert layers[0].candidate.file.crs == "EPSG:25832"
    assert drop.gdal.asked[0][2] == ("ENCODING=CP1252",)
    hints["roads.shp"] = {"crs": "EPSG:25833"}
    error = drop.refusal(dict.fromkeys(keys, b""), {"roads.shp": SHAPEFILE}, hints=hints)
    assert error.reason.code == "source.parts_contradict"


def test_a_shapefile_with_more_shapes_than_records_is_refused(drop: Drop) -> None:
    files = {"roads.shp": b"", "roads.shx": bytes(100 + 8 * 3), "roads.dbf": b""}
    error = drop.refusal(files, {"roads.shp": SHAPEFILE})
    assert error.reason.code == "source.shapefile_counts_differ"
    assert "found 3 in the .shx and 1 in the .dbf" in error.reason.message


def test_an_archive_holds_several_datasets(drop: Drop) -> None:
    content = packed(
        "sub/roads.shp", "sub/roads.shx", "sub/roads.dbf", "sub/roads.prj", "readme.txt",
        "__MACOSX/sub/._roads.shp", "b.gpkg",
    )  # fmt: skip
    layers, _ = drop.find(
        {"up/all.zip": content}, {"roads.shp": SHAPEFILE, "b.gpkg": described("x", "y")}
    )
    assert names(layers) == [
        ("roads.shp", "roads", False),
        ("b.gpkg", "x", False),
        ("b.gpkg", "y", False),
    ]
    assert layers[0].candidate.label == f"s3://{BUCKET}/up/all.zip!/sub/roads.shp"


def test_an_archive_is_known_by_its_content(drop: Drop) -> None:
    layers, _ = drop.find({"roads.gpkg": packed("x.gpkg")}, {"x.gpkg": described("x")})
    assert names(layers) == [("x.gpkg", "x", True)]


def test_two_archives_with_the_same_members_stay_apart(drop: Drop) -> None:
    layers, _ = drop.find(
        {"a.zip": packed("x.gpkg"), "b.zip": packed("x.gpkg")}, {"x.gpkg": described("x")}
    )
    assert len({item.candidate.path for item in layers}) == 2


def test_an_empty_archive_is_refused(drop: Drop) -> None:
    error = drop.refusal({"a.zip": packed()}, {})
    assert error.reason.code == "source.unknown_format"
    assert "an archive with no file" in error.reason.message


def test_an_archive_without_data_names_what_it_holds(drop: Drop) -> None:
    error = drop.refusal({"a.zip": packed("a.txt", "sub/b.pdf", "c.prj")}, {})
    assert error.reason.code == "source.unknown_format"
    assert "an archive with a.txt, b.pdf, c.prj" in error.reason.message


def test_members_that_are_not_read_are_named_in_one_warning(drop: Drop) -> None:
    content = packed(
        "roads.shp", "roads.shx", "roads.dbf", "roads.sbn", "roads.shp.xml", ".DS_Store",
        "README.txt", "sub/dem.tif", "other.prj", "roads.qml",
    )  # fmt: skip
    _, warnings = drop.find({"a.zip": content}, {"roads.shp": SHAPEFILE})
    (warning,) = warnings
    assert (warning.code, warning.file) == ("source.member_not_read", f"s3://{BUCKET}/a.zip")
    assert warning.message.endswith(": README.txt, sub/dem.tif, other.prj, roads.qml.")


def test_a_member_of_a_shared_suffix_need_not_be_a_source(drop: Drop) -> None:
    other = SourceError("source.unknown_format", "another format", remedy="")
    content = packed("roads.gpkg", "package.json")
    layers, warnings = drop.find(
        {"a.zip": content}, {"roads.gpkg": described("roads"), "package.json": other}
    )
    assert names(layers) == [("roads.gpkg", "roads", True)]
    assert "package.json" in warnings[0].message
    error = drop.refusal({"a.zip": packed("package.json")}, {"package.json": other})
    assert "an archive with package.json" in error.reason.message
    error = drop.refusal({"package.json": b""}, {"package.json": other})
    assert error.reason.message == "another format"


def test_a_table_in_an_archive_is_read_beside_shapefiles(drop: Drop) -> None:
    content = packed("roads.shp", "roads.shx", "roads.dbf", "codes.dbf", "codes.cpg")
    layers, warnings = drop.find(
        {"a.zip": content}, {"roads.shp": SHAPEFILE, "codes.dbf": described("codes")}
    )
    assert names(layers) == [("roads.shp", "roads", False), ("codes.dbf", "codes", False)]
    assert warnings == []


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (None, [("a.geojson", "GeoJSON"), ("b.gpkg", "GPKG")]),
        ("zip", [("a.geojson", "GeoJSON"), ("b.gpkg", "GPKG")]),
        ("gpkg", [("b.gpkg", "GPKG")]),
        ("FlatGeobuf", [("data.bin", "FlatGeobuf")]),
    ],
)
def test_a_declared_format_chooses_members(
    drop: Drop, declared: str | None, expected: list[tuple[str, str]]
) -> None:
    known = {name: described("x") for name in ("a.geojson", "b.gpkg", "data.bin")}
    _, warnings = drop.find({"a.zip": packed(*known)}, known, format=declared)
    assert [(name, driver) for name, driver, _ in drop.gdal.asked] == expected
    assert len(expected) + warnings[0].message.count(",") + 1 == len(known)


@pytest.mark.parametrize(
    ("members", "columns", "expected"),
    [
        (["a/roads.gpkg", "b/roads.gpkg"], ["id", "name"], ["a/roads", "b/roads"]),
        (["a/x.gpkg", "b/x.gpkg"], ["id", "name"], ["a/x/roads", "b/x/roads"]),
        (["roads.gpkg", "roads.fgb"], ["id", "name"], ["roads.gpkg/roads", "roads.fgb/roads"]),
        (["a/roads.gpkg", "b/roads.gpkg"], ["id", "id"], ["roads", "roads"]),
    ],
)
def test_layers_of_one_name_with_other_columns_are_told_apart(
    drop: Drop, members: list[str], columns: list[str], expected: list[str]
) -> None:
    described_as = {
        member: described().model_copy(
            update={"layers": (layer("roads", columns={column: "String"}),)}
        )
        for member, column in zip(members, columns, strict=True)
    }
    layers, _ = drop.find({"a.zip": packed(*members)}, described_as)
    assert [item.name for item in layers] == expected


def test_layers_whose_names_differ_by_case_are_told_apart(drop: Drop) -> None:
    found = {"a/Roads.gpkg": described("Roads"), "b/roads.gpkg": described("roads")}
    layers, _ = drop.find({"a.zip": packed(*found)}, found)
    assert [item.name for item in layers] == ["a/Roads", "b/roads"]


def test_a_member_without_layers_is_said_where_others_have_some(drop: Drop) -> None:
    layers, warnings = drop.find(
        {"a.zip": packed("a.gpkg", "b.gpkg")}, {"a.gpkg": described(), "b.gpkg": described("b")}
    )
    assert names(layers) == [("b.gpkg", "b", True)]
    assert [(w.code, w.file) for w in warnings] == [
        ("source.no_layers", f"s3://{BUCKET}/a.zip!/a.gpkg")
    ]


def test_an_archive_larger_than_allowed_is_refused(drop: Drop) -> None:
    settings = drop.bench.clients.settings.model_copy(update={"max_unpacked_bytes": 3})
    drop.bench = replace(drop.bench, clients=replace(drop.bench.clients, settings=settings))
    error = drop.refusal({"a.zip": packed("roads.gpkg")}, {})
    assert error.reason.code == "source.archive_too_large"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [("b", ["b"]), (["c", "a"], ["a", "c"]), (None, ["a", "b", "c"])],
)
def test_the_layers_asked_for_are_taken(drop: Drop, wanted: Any, expected: list[str]) -> None:
    layers, _ = drop.find({"x.gpkg": b""}, {"x.gpkg": described("a", "b", "c")}, layer=wanted)
    assert [item.layer.name for item in layers] == expected
    assert not any(item.is_only for item in layers)


def test_a_missing_layer_names_those_that_are_there(drop: Drop) -> None:
    error = drop.refusal({"x.gpkg": b""}, {"x.gpkg": described("a", "b")}, layer=["a", "z"])
    assert error.reason.code == "source.no_such_layer"
    assert "expected layer 'z', found a, b" in error.reason.message
    assert error.reason.layer == "z"


def test_a_file_without_a_layer_is_refused(drop: Drop) -> None:
    error = drop.refusal({"x.gpkg": b""}, {"x.gpkg": described()})
    assert error.reason.code == "source.no_layers"


def test_what_gdal_warns_of_is_said_once(drop: Drop) -> None:
    _, warnings = drop.find(
        {"x.gpkg": b""}, {"x.gpkg": described("a", problems=("odd", "odd", "very odd"))}
    )
    assert [(item.code, item.message) for item in warnings] == [
        ("source.gdal_warning", "odd"),
        ("source.gdal_warning", "very odd"),
    ]


def test_the_encoding_of_a_shapefile_is_decided_before_it_is_opened(drop: Drop) -> None:
    files = {"x.shp": b"", "x.shx": b"", "x.dbf": "Zürich".encode("cp1252")}
    layers, _ = drop.find(files, {"x.shp": described("a")}, encoding="windows-1252")
    assert drop.gdal.asked[0][2] == ("ENCODING=CP1252",)
    assert layers[0].candidate.open_options == ("ENCODING=CP1252",)
