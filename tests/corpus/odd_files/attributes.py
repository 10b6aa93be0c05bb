"""Values: every type at its limits, times with and without zones, what is only half declared."""

import json
from pathlib import Path

from tests.corpus.odd_files.case import (
    Expectation,
    case,
    published,
    published_or_rejected,
    rejected,
)
from tests.corpus.odd_files.writing import (
    dbf_table,
    edit_database,
    feature,
    geojson,
    ogr2ogr,
    points,
    sample,
    shapefile,
)

BIG, SMALL = 2**63 - 1, -(2**63)
EVERY_TYPE = {
    "whole": [1, -1, None],
    "large": [BIG, SMALL, None],
    "real": [1.5, -0.1, None],
    "flag": [True, False, None],
    "text": ["", "a", None],
    "day": ["2026-02-28", "1582-10-15", None],
    "hour": ["23:59:59", "00:00:00", None],
    "moment": ["2026-02-28T12:00:00Z", "2026-02-28T12:00:00+05:30", None],
    "numbers": [[1, 2], [], None],
    "texts": [["a", "b"], ["ü"], None],
    "tree": [{"a": {"b": [1, None]}}, {}, None],
}


@case(Expectation(rows=3, cells={"large": [BIG, SMALL, None]}))
def geojson_every_type(folder: Path) -> Path:
    return geojson(folder / "types.geojson", points(**EVERY_TYPE))


@case(Expectation(rows=3, cells={"large": [BIG, SMALL, None]}))
def geopackage_every_type(folder: Path) -> Path:
    return _converted(folder, "types.gpkg")


@case(
    Expectation(
        rows=3, cells={"large": [BIG, SMALL, None], "hour": ["00:00:00", "23:59:59", None]}
    ),
    is_lean=True,
)
def flatgeobuf_every_type(folder: Path) -> Path:
    return _converted(folder, "types.fgb", without=("numbers", "texts"))


def _converted(folder: Path, name: str, without: tuple[str, ...] = ()) -> Path:
    kept = {column: values for column, values in EVERY_TYPE.items() if column not in without}
    source = geojson(folder / "in.geojson", points(**kept))
    made = ogr2ogr(folder / name, "-nln", "types", source)
    source.unlink()
    return made


@case(Expectation(rows=2, cells={"n": ["18446744073709551615", "1"]}))
def whole_number_beyond_64_bits(folder: Path) -> Path:
    """GDAL makes a double of it, 18446744073709551616: the digits are kept as text."""
    shapes = [feature({"n": n}, {"type": "Point", "coordinates": [1, 2]}) for n in (2**64 - 1, 1)]
    return geojson(folder / "large.geojson", shapes)


@case(Expectation(rows=3, cells={"n": ["1", "two", "3.5"]}))
def geojson_number_or_text(folder: Path) -> Path:
    values = (1, "two", 3.5)
    shapes = [feature({"n": v}, {"type": "Point", "coordinates": [1, 2]}) for v in values]
    return geojson(folder / "mixed.geojson", shapes)


@case(published(rows=2))
def geojson_different_properties(folder: Path) -> Path:
    place = {"type": "Point", "coordinates": [1, 2]}
    return geojson(folder / "ragged.geojson", [feature({"a": 1}, place), feature({"b": 2}, place)])


@case(published(rows=2))
def geojson_properties_null(folder: Path) -> Path:
    path = geojson(folder / "null.geojson", points(2))
    document = json.loads(path.read_text())
    document["features"][0]["properties"] = None
    path.write_text(json.dumps(document))
    return path


@case(Expectation(rows=3, cells={"id": [7, 7, 8]}), is_lean=True)
def geojson_ids_twice(folder: Path) -> Path:
    place = {"type": "Point", "coordinates": [1, 2]}
    return geojson(
        folder / "twice.geojson", [feature({"a": n}, place, id=i) for n, i in enumerate((7, 7, 8))]
    )


@case(Expectation(rows=2, cells={"id": ["road-1", "road-2"]}), is_lean=True)
def geojson_ids_as_text(folder: Path) -> Path:
    place = {"type": "Point", "coordinates": [1, 2]}
    names = ("road-1", "road-2")
    return geojson(folder / "ids.geojson", [feature({"a": 1}, place, id=i) for i in names])


@case(published(rows=2))
def geojson_ids_as_text_and_number(folder: Path) -> Path:
    place = {"type": "Point", "coordinates": [1, 2]}
    return geojson(folder / "ids.geojson", [feature({"a": 1}, place, id=i) for i in ("a", 5)])


@case(Expectation(rows=2, cells={"feature_id": ["a", "b"], "id": [1, 2]}))
def geojson_ids_beside_properties(folder: Path) -> Path:
    place = {"type": "Point", "coordinates": [1, 2]}
    shapes = [feature({"id": n}, place, id=i) for n, i in enumerate("ab", 1)]
    return geojson(folder / "ids.geojson", shapes)


@case(Expectation(rows=2, cells={"style": ['{"k": 1}', None]}))
def geojson_members_of_features(folder: Path) -> Path:
    place = {"type": "Point", "coordinates": [1, 2]}
    shapes = [feature({"n": 1}, place, style={"k": 1}), feature({"n": 2}, place)]
    return geojson(folder / "styled.geojson", shapes)


@case(Expectation(rows=3, cells={"t": ["2016-12-31T23:59:60Z", "12:30+02", "2024-02-30"]}))
def geojson_texts_like_times(folder: Path) -> Path:
    times = ["2016-12-31T23:59:60Z", "12:30+02", "2024-02-30"]
    return geojson(folder / "like.geojson", points(t=times))


@case(rejected("source.unreadable"))
def geojson_key_twice(folder: Path) -> Path:
    path = geojson(folder / "twice.geojson", points())
    path.write_text(path.read_text().replace('"n":', '"n": 5, "n":'))
    return path


@case(published(rows=3))
def times_with_zones(folder: Path) -> Path:
    times = ["2026-03-29T01:30:00+01:00", "2026-03-29T01:30:00-08:00", "1969-12-31T23:59:59.999Z"]
    return geojson(folder / "zones.geojson", points(t=times))


@case(
    Expectation(rows=2, cells={"t": [["time without zone", "2026-03-29T02:30:00"]] * 2}),
    is_lean=True,
)
def times_without_zones(folder: Path) -> Path:
    """Kept as they are: which zone they mean, nobody said."""
    return geojson(folder / "naive.geojson", points(2, t=["2026-03-29T02:30:00"] * 2))


@case(published_or_rejected("source.*", "column.*"))
def times_half_with_zones(folder: Path) -> Path:
    times = ["2026-03-29T02:30:00", "2026-03-29T02:30:00Z"]
    return geojson(folder / "half.geojson", points(2, t=times))


@case(published(rows=3))
def dates_at_the_edges(folder: Path) -> Path:
    return geojson(folder / "dates.geojson", points(d=["0001-01-01", "9999-12-31", "1900-02-28"]))


@case(published(rows=2))
def numbers_not_finite(folder: Path) -> Path:
    """An attribute may be NaN or infinite; PostGIS and Parquet hold both."""
    path = folder / "nan.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": points(2, v=[1.5, 2.5])}))
    path.write_text(path.read_text().replace("1.5", "NaN").replace("2.5", "-Infinity"))
    made = ogr2ogr(folder / "nan.fgb", path)
    path.unlink()
    return made


@case(Expectation(rows=3, cells={"data": [b"\x00\x01", b"", None]}), is_lean=True)
def binary_column(folder: Path) -> Path:
    return edit_database(
        sample(folder / "blobs.gpkg"),
        "ALTER TABLE blobs ADD COLUMN data BLOB",
        "UPDATE blobs SET data = x'0001' WHERE fid = 1",
        "UPDATE blobs SET data = x'' WHERE fid = 2",
    )


@case(published_or_rejected("source.*", "column.*", cells={"n": ["abc", "1", "2"]}))
def text_in_a_number_column(folder: Path) -> Path:
    """SQLite lets any cell be of any type: 'abc' is no 0."""
    return edit_database(
        sample(folder / "loose.gpkg"),
        "UPDATE loose SET n = 'abc' WHERE fid = 1",
    )


@case(published_or_rejected("source.*", "column.*", cells={"n": [3_000_000_000, 1, 2]}))
def number_beyond_its_column_type(folder: Path) -> Path:
    """A MEDIUMINT column, 32 bits for GDAL, with 3,000,000,000 in it."""
    return edit_database(
        sample(folder / "loose.gpkg"),
        "UPDATE loose SET n = 3000000000 WHERE fid = 1",
    )


@case(published_or_rejected("source.*", "column.*", cells={"day": ["not a day"]}))
def text_in_a_date_column(folder: Path) -> Path:
    return edit_database(
        sample(folder / "loose.gpkg", "-where", "n = 0"),
        "ALTER TABLE loose ADD COLUMN day DATE",
        "UPDATE loose SET day = 'not a day'",
    )


@case(published(rows=1))
def text_of_one_megabyte(folder: Path) -> Path:
    return geojson(folder / "long.geojson", points(1, t=["long " * 200_000]))


@case(published(rows=3), is_lean=True)
def text_with_control_characters(folder: Path) -> Path:
    """What COPY gives a meaning to."""
    return geojson(folder / "control.geojson", points(t=["a\tb\nc\r\n", "\\N", "\\.\x07\u2028"]))


@case(
    Expectation(
        warnings=("column.other_type",),
        rows=2,
        cells={"flag": ["true", "0"], "whole": ["3000000000", "1"], "real": [1.5, 2]},
    ),
    is_lean=True,
)
def kml_values_beyond_their_fields(folder: Path) -> Path:
    """GDAL reads the bool true as 0, and cuts the number to 32 bits."""
    kinds = {"flag": "bool", "whole": "int", "real": "double"}
    rows = (("true", "3000000000", "1.5"), ("0", "1", "2"))
    fields = "".join(f'<SimpleField name="{name}" type="{kind}"/>' for name, kind in kinds.items())
    marks = []
    for row in rows:
        values = (
            f'<SimpleData name="{name}">{value}</SimpleData>'
            for name, value in zip(kinds, row, strict=True)
        )
        data = f'<ExtendedData><SchemaData schemaUrl="#s">{"".join(values)}</SchemaData>'
        point = "<Point><coordinates>1,2</coordinates></Point>"
        marks.append(f"<Placemark>{data}</ExtendedData>{point}</Placemark>")
    path = folder / "typed.kml"
    path.write_text(
        '<kml xmlns="http://www.opengis.net/kml/2.2"><Document><name>typed</name>'
        f'<Schema id="s" name="s">{fields}</Schema>{"".join(marks)}</Document></kml>'
    )
    return path


@case(published(rows=2))
def table_without_geometry(folder: Path) -> Path:
    return sample(folder / "plain.gpkg", "-nlt", "NONE", "-where", "n < 2")


def _typed(folder: Path, fields: list[tuple[bytes, bytes, int, int]], rows: object) -> list[Path]:
    made = shapefile(folder, "typed", [b"a", b"b"], cpg="UTF-8")
    made[2].write_bytes(dbf_table(fields, rows))
    return made


@case(Expectation(rows=2, cells={"N": [12345678901234567, -1]}))
def dbf_numbers_wider_than_32_bits(folder: Path) -> list[Path]:
    return _typed(folder, [(b"N", b"N", 18, 0)], [[b" 12345678901234567"], [b"                -1"]])


@case(published_or_rejected("source.*", "column.*", cells={"N": ["99999999999999999999", "1"]}))
def dbf_numbers_wider_than_64_bits(folder: Path) -> list[Path]:
    return _typed(folder, [(b"N", b"N", 20, 0)], [[b"99999999999999999999"], [b"1".rjust(20)]])


@case(Expectation(rows=2, cells={"N": [None, 1.25]}))
def dbf_number_that_overflowed(folder: Path) -> list[Path]:
    """Writers fill the field with asterisks: the number is not known."""
    return _typed(folder, [(b"N", b"N", 8, 2)], [[b"********"], [b"    1.25"]])


@case(published(rows=2))
def dbf_date_of_zeros(folder: Path) -> list[Path]:
    return _typed(folder, [(b"D", b"D", 8, 0)], [[b"00000000"], [b"20260228"]])


@case(published_or_rejected("source.*", "column.*", warnings=("*",)))
def dbf_date_that_is_none(folder: Path) -> list[Path]:
    return _typed(folder, [(b"D", b"D", 8, 0)], [[b"20261399"], [b"20260228"]])


@case(published(rows=2))
def dbf_logical(folder: Path) -> list[Path]:
    """Text in GDAL 3.6, boolean in later ones: both tell T from not known."""
    return _typed(folder, [(b"L", b"L", 1, 0)], [[b"T"], [b"?"]])


@case(published_or_rejected("source.*", warnings=("*",)))
def dbf_rows_marked_deleted(folder: Path) -> list[Path]:
    """GDAL passes over them; that they were there is worth a word."""
    made = shapefile(folder, "some", [b"a", b"b", b"c"], cpg="UTF-8")
    made[2].write_bytes(dbf_table([(b"NAME", b"C", 4, 0)], [[b"a"], [b"b"], [b"c"]], deleted=[1]))
    return made


@case(rejected("source.*"))
def dbf_with_fewer_rows_than_shapes(folder: Path) -> list[Path]:
    made = shapefile(folder, "some", [b"a", b"b", b"c"])
    made[2].write_bytes(dbf_table([(b"NAME", b"C", 4, 0)], [[b"a"]]))
    return made
