"""Feature tables that a GeoPackage does not register, found by what they hold."""

import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import pytest
import shapely

from libs.models.errors import SourceError
from libs.spatial_utils.geopackage_books import register_features

CONTENTS = "CREATE TABLE gpkg_contents (table_name TEXT, data_type TEXT, identifier TEXT UNIQUE, "
CONTENTS += "srs_id INTEGER)"
COLUMNS = "CREATE TABLE gpkg_geometry_columns (table_name TEXT, column_name TEXT, "
COLUMNS += "geometry_type_name TEXT, srs_id INTEGER, z TINYINT, m TINYINT)"
REGISTERED = "INSERT INTO gpkg_geometry_columns VALUES ('roads', 'geom', 'POINT', 25832, 0, 0)"
LISTED = "INSERT INTO gpkg_contents VALUES ('roads', 'features', 'roads', 25832)"


def geometry(srs_id: int, order: str = "<") -> bytes:
    head = b"GP\0" + bytes([order == "<"]) + struct.pack(f"{order}i", srs_id)
    return head + bytes(shapely.to_wkb(shapely.Point(1, 2)))


def made(folder: Path, shapes: list[bytes | None], *statements: str) -> Path:
    path = folder / "a.gpkg"
    with closing(sqlite3.connect(path)) as base:
        for statement in (*statements, "CREATE TABLE roads (n INTEGER, geom BLOB, photo BLOB)"):
            base.execute(statement)
        base.executemany(
            "INSERT INTO roads VALUES (1, ?, x'89504e47')", [[item] for item in shapes]
        )
        base.commit()
    return path


def books(path: Path) -> list[tuple[object, ...]]:
    query = "SELECT table_name, data_type, column_name, g.srs_id FROM gpkg_contents JOIN "
    query += "gpkg_geometry_columns g USING (table_name)"
    with closing(sqlite3.connect(path)) as base:
        return base.execute(query).fetchall()


@pytest.mark.parametrize(
    "statements",
    [
        (),
        (CONTENTS, COLUMNS),
        (CONTENTS, COLUMNS, REGISTERED),
        (CONTENTS, COLUMNS, LISTED),
        (CONTENTS, COLUMNS, REGISTERED, LISTED.replace("'features'", "'attributes'")),
        (CONTENTS, COLUMNS, "CREATE TRIGGER t AFTER INSERT ON gpkg_contents BEGIN DELETE FROM "
         "roads; END"),
    ],
    ids=["no books", "empty", "no contents", "no column", "as attributes", "a trigger"],
)  # fmt: skip
def test_a_table_of_geometries_becomes_one_of_features(
    tmp_path: Path, statements: tuple[str, ...]
) -> None:
    path = made(tmp_path, [geometry(25832), None, geometry(25832, ">")], *statements)
    (warning,) = register_features(str(path))
    assert (warning.code, "'geom'" in warning.message) == ("source.layer_registered", True)
    assert books(path) == [("roads", "features", "geom", 25832)]
    with closing(sqlite3.connect(path)) as base:
        assert base.execute("SELECT count(*) FROM roads").fetchone() == (3,)
    assert register_features(str(path)) == []


def test_what_is_registered_or_holds_no_geometries_is_left_alone(tmp_path: Path) -> None:
    path = made(tmp_path, [geometry(25832)], CONTENTS, COLUMNS, REGISTERED, LISTED)
    with closing(sqlite3.connect(path)) as base:
        base.execute("CREATE TABLE notes AS SELECT n, photo FROM roads")
        base.execute("CREATE VIEW broken AS SELECT * FROM gone")
    assert register_features(str(path)) == []


def test_geometries_of_several_crs_are_refused(tmp_path: Path) -> None:
    path = made(tmp_path, [geometry(25832), geometry(25833)])
    with pytest.raises(SourceError, match="25832, 25833") as caught:
        register_features(str(path))
    assert (caught.value.reason.code, caught.value.reason.layer) == ("source.mixed_crs", "roads")
