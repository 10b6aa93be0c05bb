"""Archives and sets of files: deep, mixed, incomplete, unsafe, of other kinds than zip."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from tests.corpus.odd_files.case import case, published, published_or_rejected, rejected
from tests.corpus.odd_files.writing import (
    geojson,
    ogr2ogr,
    points,
    sample,
    shapefile,
    shapefile_members,
    zipped,
)

KML = (
    '<kml xmlns="http://www.opengis.net/kml/2.2"><Document><Placemark><name>one</name><Point>'
    "<coordinates>1,2</coordinates></Point></Placemark></Document></kml>"
)


def _geojson_bytes() -> bytes:
    import json

    return json.dumps({"type": "FeatureCollection", "features": points()}).encode()


@case(published(rows=2), is_lean=True)
def zip_with_a_subfolder(folder: Path) -> Path:
    return zipped(folder / "x.zip", shapefile_members(folder, "cities", "data/2026/"))


@case(published(rows=2))
def zip_with_upper_case_names(folder: Path) -> Path:
    members = shapefile_members(folder, "cities")
    return zipped(folder / "X.ZIP", {name.upper(): data for name, data in members.items()})


@case(published(rows=2))
def zip_with_backslashes(folder: Path) -> Path:
    return zipped(folder / "x.zip", shapefile_members(folder, "cities", "data\\2026\\"))


@case(published(rows=2), is_lean=True)
def zip_made_on_a_mac(folder: Path) -> Path:
    members = shapefile_members(folder, "cities", "cities/")
    junk = {f"__MACOSX/cities/._{name.partition('/')[2]}": b"\0\5\x16\7junk" for name in members}
    return zipped(folder / "x.zip", members | junk | {"cities/.DS_Store": b"junk"})


@case(published(rows=5), is_lean=True)
def zip_with_several_datasets(folder: Path) -> Path:
    members = shapefile_members(folder, "cities")
    return zipped(folder / "x.zip", members | {"roads.geojson": _geojson_bytes()})


@case(published(rows=3))
def zip_with_a_readme(folder: Path) -> Path:
    members = {"README.txt": b"hello", "map.pdf": b"%PDF-1.4", "roads.geojson": _geojson_bytes()}
    return zipped(folder / "x.zip", members)


@case(published("source.member_not_read", rows=5))
def zip_with_source_maps(folder: Path) -> Path:
    """The .map of a script, beside a shapefile and by the name of a GeoJSON, is no MapInfo's."""
    maps = {name: b'{"version":3,"mappings":""}' for name in ("js/app.js.map", "roads.map")}
    members = shapefile_members(folder, "cities") | {"roads.geojson": _geojson_bytes()}
    return zipped(folder / "x.zip", members | maps)


@case(rejected("source.unknown_format"))
def zip_with_a_readme_only(folder: Path) -> Path:
    return zipped(folder / "x.zip", {"README.txt": b"hello"})


@case(published_or_rejected("source.incomplete_shapefile", warnings=("*",)))
def zip_without_shx(folder: Path) -> Path:
    return zipped(folder / "x.zip", _without(shapefile_members(folder, "cities"), ".shx"))


@case(published_or_rejected("source.incomplete_shapefile", warnings=("*",)))
def zip_without_dbf(folder: Path) -> Path:
    return zipped(folder / "x.zip", _without(shapefile_members(folder, "cities"), ".dbf"))


@case(rejected("source.lonely_companion"))
def zip_without_shp(folder: Path) -> Path:
    return zipped(folder / "x.zip", _without(shapefile_members(folder, "cities"), ".shp"))


def _without(members: Mapping[str, bytes], suffix: str) -> dict[str, bytes]:
    return {name: data for name, data in members.items() if not name.endswith(suffix)}


@case(published_or_rejected("source.*"))
def zip_in_a_zip(folder: Path) -> Path:
    inner = zipped(folder / "inner.zip", shapefile_members(folder, "cities"))
    outer = zipped(folder / "x.zip", {"inner.zip": inner})
    inner.unlink()
    return outer


@case(rejected("source.*"))
def zip_that_is_empty(folder: Path) -> Path:
    return zipped(folder / "x.zip", {})


@case(rejected("source.unsafe_archive"), is_lean=True)
def zip_that_climbs_out(folder: Path) -> Path:
    return zipped(folder / "x.zip", {"../../../../tmp/out.geojson": _geojson_bytes()})


@case(published(rows=3))
def zip_with_an_absolute_name(folder: Path) -> Path:
    """It is unpacked below the archive's folder as if it had no slash in front."""
    return zipped(folder / "x.zip", {"/etc/out.geojson": _geojson_bytes()})


@case(published_or_rejected("source.*"))
def zip_with_a_symbolic_link(folder: Path) -> Path:
    """Whatever comes of it, /etc/passwd is not read."""
    path = zipped(folder / "x.zip", {"roads.geojson": _geojson_bytes()})
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("link.geojson")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return path


@case(rejected("source.archive_too_large"), is_lean=True)
def zip_bomb(folder: Path) -> Path:
    path = folder / "x.zip"
    zeros = bytes(1024 * 1024)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:  # noqa: SIM117
        with archive.open("zeros.geojson", "w", force_zip64=True) as member:
            for _ in range(300):
                member.write(zeros)
    return path


@case(rejected("source.*"))
def zip_of_overlapping_members(folder: Path) -> Path:
    """Two entries of the directory lead to the same bytes."""
    path = zipped(folder / "x.zip", {"a.geojson": _geojson_bytes(), "b.geojson": _geojson_bytes()})
    data = bytearray(path.read_bytes())
    second = data.rindex(b"PK\x01\x02")
    data[second + 42 : second + 46] = bytes(4)
    path.write_bytes(data)
    return path


@case(rejected("source.*"))
def zip_of_ten_thousand_members(folder: Path) -> Path:
    return zipped(folder / "x.zip", {f"{n}.geojson": b"{}" for n in range(10_001)})


@case(rejected("source.encrypted_archive"))
def zip_encrypted(folder: Path) -> Path:
    path = zipped(folder / "x.zip", {"roads.geojson": _geojson_bytes()})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    return path


@case(rejected("source.broken_archive"))
def zip_with_a_wrong_checksum(folder: Path) -> Path:
    path = zipped(folder / "x.zip", {"roads.geojson": _geojson_bytes()})
    data = bytearray(path.read_bytes())
    data[14] ^= 0xFF
    data[data.rindex(b"PK\x01\x02") + 16] ^= 0xFF
    path.write_bytes(data)
    return path


@case(published(rows=3))
def zip_names_in_cp437(folder: Path) -> Path:
    path = zipped(folder / "x.zip", {"straXen.geojson": _geojson_bytes()})
    path.write_bytes(path.read_bytes().replace(b"straXen", b"stra\xe1en"))
    return path


@case(published_or_rejected("source.*"))
def zip_with_the_same_name_twice(folder: Path) -> Path:
    path = zipped(folder / "x.zip", {"roads.geojson": _geojson_bytes()})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo("roads.geojson"), b'{"type":"FeatureCollection"}')
    return path


@case(published(rows=3))
def zip_called_geojson(folder: Path) -> Path:
    return zipped(folder / "roads.geojson", {"roads.geojson": _geojson_bytes()})


@case(published(rows=3))
def zip_packed_with_lzma(folder: Path) -> Path:
    path = folder / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("roads.geojson", _geojson_bytes())
    return path


@case(published(rows=3), is_lean=True)
def geopackage_in_a_zip(folder: Path) -> Path:
    inner = sample(folder / "roads.gpkg")
    path = zipped(folder / "roads.gpkg.zip", {"roads.gpkg": inner})
    inner.unlink()
    return path


@case(published(rows=3), is_lean=True)
def file_geodatabase_in_a_zip(folder: Path) -> Path:
    return zipped(folder / "roads.gdb.zip", _geodatabase(folder))


@case(published(rows=3))
def file_geodatabase_below_a_folder(folder: Path) -> Path:
    members = {f"deliveries/{name}": path for name, path in _geodatabase(folder).items()}
    return zipped(folder / "delivery.zip", members)


def _geodatabase(folder: Path) -> dict[str, Path]:
    """Written with pyogrio's GDAL: Debian's only reads file geodatabases."""
    import geopandas

    path = folder / "roads.gdb"
    frame = geopandas.GeoDataFrame.from_features(points(), crs="EPSG:4326")
    frame.astype({"n": "int32"}).to_file(path, driver="OpenFileGDB", layer="roads")
    return {f"roads.gdb/{part.name}": part for part in sorted(path.iterdir())}


@case(published(rows=1), is_lean=True)
def kmz(folder: Path) -> Path:
    return zipped(folder / "places.kmz", {"doc.kml": KML.encode(), "files/icon.png": b"\x89PNG"})


@case(published(rows=1))
def kmz_whose_kml_has_another_name(folder: Path) -> Path:
    return zipped(folder / "places.kmz", {"places.kml": KML.encode()})


@case(rejected("source.*"))
def kmz_without_kml(folder: Path) -> Path:
    return zipped(folder / "places.kmz", {"files/icon.png": b"\x89PNG"})


def _tar(path: Path, members: Mapping[str, bytes], mode: str) -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@case(published(rows=2))
def tar_of_a_shapefile(folder: Path) -> Path:
    return _tar(folder / "x.tar", shapefile_members(folder, "cities", "data/"), "w")


@case(published(rows=2), is_lean=True)
def tar_gz_of_a_shapefile(folder: Path) -> Path:
    return _tar(folder / "x.tar.gz", shapefile_members(folder, "cities"), "w:gz")


@case(published(rows=3))
def tgz_of_a_geojson(folder: Path) -> Path:
    return _tar(folder / "x.tgz", {"roads.geojson": _geojson_bytes()}, "w:gz")


@case(rejected("source.*"))
def tar_that_climbs_out(folder: Path) -> Path:
    return _tar(folder / "x.tar", {"../../out.geojson": _geojson_bytes()}, "w")


@case(published_or_rejected("source.*"))
def tar_with_links_and_devices(folder: Path) -> Path:
    path = _tar(folder / "x.tar", {"roads.geojson": _geojson_bytes()}, "w")
    with tarfile.open(path, "a") as archive:
        for name, kind, target in (
            ("link.geojson", tarfile.SYMTYPE, "/etc/passwd"),
            ("hard.geojson", tarfile.LNKTYPE, "/etc/passwd"),
            ("device.geojson", tarfile.CHRTYPE, ""),
            ("pipe.geojson", tarfile.FIFOTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
    return path


@case(published(rows=3))
def gz_of_a_geojson(folder: Path) -> Path:
    path = folder / "roads.geojson.gz"
    path.write_bytes(gzip.compress(_geojson_bytes()))
    return path


@case(rejected("source.*"))
def gz_bomb(folder: Path) -> Path:
    path = folder / "roads.geojson.gz"
    path.write_bytes(gzip.compress(bytes(300 * 1024 * 1024)))
    return path


@case(rejected("source.*"))
def gz_cut_off(folder: Path) -> Path:
    path = folder / "roads.geojson.gz"
    path.write_bytes(gzip.compress(_geojson_bytes())[:-20])
    return path


@case(rejected("source.unsupported_archive"))
def seven_zip(folder: Path) -> Path:
    path = folder / "roads.7z"
    path.write_bytes(b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(64))
    return path


@case(published(rows=2), is_lean=True)
def loose_shapefile(folder: Path) -> list[Path]:
    return shapefile(folder, "cities", [b"one", b"two"], cpg="UTF-8")


@case(published_or_rejected("source.incomplete_shapefile", warnings=("*",)))
def loose_shapefile_without_shx(folder: Path) -> list[Path]:
    made = shapefile(folder, "cities", [b"one", b"two"])
    return [path for path in made if path.suffix != ".shx"]


@case(rejected("source.*"))
def loose_dbf_without_shp_in_a_vector_drop(folder: Path) -> list[Path]:
    made = shapefile(folder, "cities", [b"one", b"two"])
    return [path for path in made if path.suffix in (".shx", ".prj")]


@case(published(rows=4))
def loose_shapefiles_in_two_folders(folder: Path) -> list[Path]:
    """The same names, told apart by their folders only."""
    made = []
    for part in ("north", "south"):
        (folder / part).mkdir()
        made += shapefile(folder / part, "cities", [b"one", b"two"], cpg="UTF-8")
    return made


@case(published(rows=3))
def loose_tab(folder: Path) -> list[Path]:
    path = sample(folder / "roads.tab", driver="MapInfo File")
    return [path, *(path.with_suffix(s) for s in (".dat", ".map", ".id"))]


@case(published(rows=3))
def loose_mif(folder: Path) -> list[Path]:
    path = sample(folder / "roads.mif", driver="MapInfo File")
    return [path, path.with_suffix(".mid")]


@case(published(rows=3))
def gml_with_its_schema(folder: Path) -> list[Path]:
    source = geojson(folder / "in.geojson", points())
    path = ogr2ogr(folder / "roads.gml", source, driver="GML")
    source.unlink()
    return [path, path.with_suffix(".xsd")]
