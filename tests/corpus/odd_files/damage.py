"""Files that were whole once: cut off, overwritten, empty, with headers that lie."""

import shutil
import struct
from pathlib import Path

from tests.corpus.odd_files.case import (
    case,
    published,
    published_or_rejected,
    register,
    rejected,
)
from tests.corpus.odd_files.writing import edit_database, from_wkt, sample, shapefile

SOUND = {
    "geopackage": "roads.gpkg",
    "flatgeobuf": "roads.fgb",
    "geojson": "roads.geojson",
    "kml": "roads.kml",
    "gml": "roads.gml",
    "gpx": "roads.gpx",
    "sqlite": "roads.sqlite",
}
OPTIONS = {"roads.gpx": ("-nlt", "POINT", "-nln", "waypoints", "-select", "name")}


def _damaged(file: str, keep: float, filling: bytes) -> object:
    def write(folder: Path) -> Path:
        path = sample(folder / file, *OPTIONS.get(file, ()), count=500)
        content = path.read_bytes()
        kept = content[: int(len(content) * keep)]
        path.write_bytes(kept + (filling * len(content))[: len(content) - len(kept)])
        return path

    return write


for _name, _file in SOUND.items():
    register(
        f"cut-off-{_name}",
        _damaged(_file, 0.7, b""),
        rejected("source.*", "crs.*"),
        is_lean=_name in ("flatgeobuf", "geojson"),
    )
    register(f"overwritten-{_name}", _damaged(_file, 0.7, b"\xde\xad"), rejected("source.*"))
    register(f"zeros-{_name}", _damaged(_file, 0, b"\0"), rejected("source.*"))
    register(
        f"no-bytes-{_name}",
        _damaged(_file, 0, b""),
        rejected("source.*"),
        is_lean=_name == "geopackage",
    )


def _shapefile(folder: Path, suffix: str, offset: int, value: bytes) -> list[Path]:
    """Return a shapefile with some bytes of one part replaced."""
    made = shapefile(folder, "cities", [b"one", b"two", b"three"], cpg="UTF-8")
    (part,) = [path for path in made if path.suffix == suffix]
    content = bytearray(part.read_bytes())
    content[offset : offset + len(value)] = value
    part.write_bytes(content)
    return made


@case(published_or_rejected("source.*"))
def shp_header_claims_2_gigabytes(folder: Path) -> list[Path]:
    return _shapefile(folder, ".shp", 24, struct.pack(">i", 2**30))


@case(rejected("source.*"), is_lean=True)
def shx_offset_beyond_the_file(folder: Path) -> list[Path]:
    return _shapefile(folder, ".shx", 108, struct.pack(">i", 2**30))


@case(rejected("source.shapefile_index"))
def shx_offset_into_another_record(folder: Path) -> list[Path]:
    return _shapefile(folder, ".shx", 108, struct.pack(">i", 51))


@case(published("source.shapes_not_indexed", rows=2))
def shp_of_a_later_export(folder: Path) -> list[Path]:
    """It has a third shape, which neither the .shx nor the .dbf know of."""
    made = shapefile(folder, "cities", [b"one", b"two"], cpg="UTF-8")
    (folder / "later").mkdir()
    later = shapefile(folder / "later", "cities", [b"one", b"two", b"three"], cpg="UTF-8")
    made[0].write_bytes(later[0].read_bytes())
    shutil.rmtree(folder / "later")
    return made


@case(rejected("source.*"))
def shp_record_of_another_type(folder: Path) -> list[Path]:
    return _shapefile(folder, ".shp", 108, struct.pack("<i", 5))


@case(published_or_rejected("source.*"))
def shp_header_of_another_type(folder: Path) -> list[Path]:
    return _shapefile(folder, ".shp", 32, struct.pack("<i", 5))


WHOLE = {"rows": 3, "cells": {"NAME": ["one", "two", "three"]}}


@case(published_or_rejected("source.*", **WHOLE), is_lean=True)
def dbf_header_claims_2_billion_rows(folder: Path) -> list[Path]:
    return _shapefile(folder, ".dbf", 4, struct.pack("<i", 2**31 - 1))


@case(published_or_rejected("source.*", **WHOLE))
def dbf_header_claims_no_row(folder: Path) -> list[Path]:
    """Three shapes, and a table that says it is empty."""
    return _shapefile(folder, ".dbf", 4, struct.pack("<i", 0))


@case(rejected("source.*"))
def dbf_row_longer_than_its_fields(folder: Path) -> list[Path]:
    return _shapefile(folder, ".dbf", 10, struct.pack("<H", 60_000))


@case(published_or_rejected("source.*"))
def dbf_field_of_an_unknown_type(folder: Path) -> list[Path]:
    return _shapefile(folder, ".dbf", 43, b"Z")


@case(rejected("source.*"))
def polygon_claims_2_billion_points(folder: Path) -> list[Path]:
    path = from_wkt(folder / "lots.shp", "POLYGON((0 0,1 0,1 1,0 0))")
    content = bytearray(path.read_bytes())
    content[148:152] = struct.pack("<i", 2**31 - 1)
    path.write_bytes(content)
    return [path, *(path.with_suffix(s) for s in (".shx", ".dbf", ".prj"))]


@case(rejected("source.*"))
def wkb_claims_2_billion_points(folder: Path) -> Path:
    path = from_wkt(folder / "lots.gpkg", "LINESTRING(12.5 41.5,1 2,3 4)")
    content = bytearray(path.read_bytes())
    first_point = content.index(struct.pack("<2d", 12.5, 41.5))
    content[first_point - 4 : first_point] = struct.pack("<I", 2**31 - 1)
    path.write_bytes(content)
    return path


@case(rejected("source.*"))
def wkb_of_an_unknown_type(folder: Path) -> Path:
    path = from_wkt(folder / "odd.gpkg", "POINT(12.5 41.5)")
    content = bytearray(path.read_bytes())
    point = content.index(struct.pack("<2d", 12.5, 41.5))
    content[point - 4 : point] = struct.pack("<I", 9999)
    path.write_bytes(content)
    return path


@case(published_or_rejected("source.*"))
def geopackage_extent_lies(folder: Path) -> Path:
    return edit_database(
        sample(folder / "roads.gpkg"),
        "UPDATE gpkg_contents SET min_x=500, max_x=-500, min_y='x'",
    )


@case(published_or_rejected("source.*"))
def geopackage_row_count_lies(folder: Path) -> Path:
    return edit_database(
        sample(folder / "roads.gpkg"),
        "UPDATE gpkg_ogr_contents SET feature_count = 99",
    )


@case(rejected("source.unreadable"), is_lean=True)
def flatgeobuf_cut_off_in_its_index(folder: Path) -> Path:
    """GDAL opens it, reads no feature of the five hundred, and says nothing."""
    path = sample(folder / "roads.fgb", count=500)
    path.write_bytes(path.read_bytes()[:5000])
    return path


@case(rejected("source.unreadable"), is_lean=True)
def flatgeobuf_row_count_lies(folder: Path) -> Path:
    """A header that tells of more features than follow."""
    path = sample(folder / "roads.fgb", count=5)
    content = path.read_bytes()
    assert content.count(struct.pack("<Q", 5)) == 1
    path.write_bytes(content.replace(struct.pack("<Q", 5), struct.pack("<Q", 500)))
    return path
