"""What is measured in Arrow and in PostGIS is the same, for every type and any value."""

import datetime as dt
import uuid
from collections.abc import Iterator

import pyarrow as pa
import pytest
import shapely

from libs.compute.loading import LoadOrder, arrow_schema, load_batches, raw_shape
from libs.compute.measure import measure_hop
from libs.compute.postgis import PostGIS
from libs.compute.tables import TableShape
from libs.fidelity.columns import checksum
from libs.fidelity.tally import TableTally
from libs.models.errors import SourceError
from libs.models.fidelity import HopFacts
from libs.models.version import Column
from tests.integration.line import Line

NOON = dt.datetime(2026, 11, 21, 12, 30, 59, 123456)
VALUES = {
    "smallint": [0, -1, 32767, -32768],
    "integer": [0, -1, 2**31 - 1, -(2**31)],
    "bigint": [0, -1, 2**63 - 1, -(2**63), 2**32, -(2**32)],
    "boolean": [True, False],
    "real": [0.0, -0.0, 1.5, float("nan"), float("-inf"), 3.4028234663852886e38],
    "double": [0.0, -0.0, 1 / 3, 5e-324, 1.7976931348623157e308, float("nan"), float("inf")],
    "text": ["", "a", "elf Zeichen", "zwölf ist 12", "x" * 1000, "日本", "a\n\t\\N"],
    "json": ['{"a": [1, 2.50]}', "null", '"\\u00e9"'],
    "uuid": [str(uuid.UUID(int=n)) for n in (0, 2**128 - 1)],
    "binary": [b"", b"\x00\xff", b"12 bytes ab.."],
    "date": [dt.date(1, 1, 1), dt.date(1969, 12, 31), dt.date(9999, 12, 31)],
    "time": [dt.time(0, 0), dt.time(23, 59, 59, 999999)],
    "timestamp": [NOON, dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999)],
    "timestamptz": [NOON.replace(tzinfo=dt.UTC)],
    "integer[]": [[], [1, 2], [2, 1], [None, 7]],
    "bigint[]": [[2**62]],
    "double[]": [[1 / 3, float("nan")], [None]],
    "boolean[]": [[True, False, None]],
    "text[]": [["", "a\\b", '"', "{}", None], []],
}


@pytest.fixture
def schema(line: Line) -> Iterator[tuple[PostGIS, str]]:
    with line.clients.postgis.ephemeral_schema(str(uuid.uuid4())) as name:
        yield line.clients.postgis, name


def load_and_measure(
    postgis: PostGIS, schema: str, shape: TableShape, batches: Iterator[pa.RecordBatch]
) -> HopFacts:
    load_batches(postgis, schema, LoadOrder("t", shape, "f", "l"), batches)
    return measure_hop(postgis, schema, "t", shape)


@pytest.mark.parametrize("type_name", VALUES)
def test_a_column_has_one_checksum_in_arrow_and_in_postgis(
    schema: tuple[PostGIS, str], type_name: str
) -> None:
    postgis, name = schema
    shape = raw_shape((Column(name="a", type=type_name),), has_geometry=False)
    tally = TableTally([type_name], has_geometry=False)
    values = [*VALUES[type_name], None]
    batches = [
        pa.RecordBatch.from_arrays([pa.array(part, field.type)], names=[field.name])
        for field in arrow_schema(shape)
        for part in (values, values[:1], [])
    ]
    loaded = load_and_measure(postgis, name, shape, tally.passing(iter(batches)))
    assert loaded == tally.facts
    assert loaded.columns[0].nulls == 1


@pytest.mark.parametrize(
    ("type_name", "one", "other"),
    [
        ("bigint", [1, 3], [2, 2]),
        ("double", [1 / 3], [0.333333333333333]),
        ("text", ["01001"], ["1001"]),
        ("text", ["ab", "c"], ["a", "bc"]),
        ("text[]", [["a\\b"]], [["ab"]]),
        ("integer[]", [[1, 2]], [[2, 1]]),
        ("timestamptz", [NOON.replace(tzinfo=dt.UTC)], [NOON.replace(tzinfo=dt.timezone.max)]),
    ],
)
def test_other_values_have_another_checksum(
    type_name: str, one: list[object], other: list[object]
) -> None:
    (field,) = arrow_schema(raw_shape((Column(name="a", type=type_name),), has_geometry=False))
    assert checksum(pa.array(one, field.type), type_name) != checksum(
        pa.array(other, field.type), type_name
    )


GEOMETRIES = [
    "POINT (1 2)", "POINT EMPTY", "POINT Z (1 2 3)", "LINESTRING (0 0, 1 1, 5 -7)",
    "POLYGON ((0 0, 9 0, 9 9, 0 0), (1 0.5, 2 0.5, 2 1, 1 0.5))", "POLYGON EMPTY",
    "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)), EMPTY, ((5 5, 6 5, 6 6, 5 5)))",
    "GEOMETRYCOLLECTION (POINT (7 7), GEOMETRYCOLLECTION (LINESTRING (0 0, 2 2)), POINT EMPTY)",
    "MULTIPOINT Z ((1 2 3), (4 5 6))", "GEOMETRYCOLLECTION EMPTY",
]  # fmt: skip


@pytest.mark.parametrize("times", [1, 40], ids=["one by one", "all together"])
def test_geometries_are_counted_as_postgis_counts_them(
    schema: tuple[PostGIS, str], times: int
) -> None:
    postgis, name = schema
    shape = raw_shape((), has_geometry=True)
    tally = TableTally([], has_geometry=True)
    shapes = [shapely.from_wkt(text) for text in GEOMETRIES]
    wkb = [shapely.to_wkb(item, flavor="iso") for item in shapes] + [None]
    batch = pa.RecordBatch.from_arrays([pa.array(wkb * times, pa.binary())], names=["__geom"])
    loaded = load_and_measure(postgis, name, shape, tally.passing(iter([batch])))
    assert loaded == tally.facts
    assert loaded.geometry is not None
    assert loaded.geometry.vertices == times * shapely.get_num_coordinates(shapes).sum()
    assert (loaded.geometry.nulls, loaded.geometry.empties) == (times, 3 * times)


def test_curves_and_surfaces_are_counted(schema: tuple[PostGIS, str]) -> None:
    postgis, name = schema
    texts = [
        "CIRCULARSTRING (0 0, 1 1, 2 0)",
        "CURVEPOLYGON (COMPOUNDCURVE (CIRCULARSTRING (0 0, 1 1, 2 0), (2 0, 0 0)))",
        "MULTISURFACE (((0 0, 1 0, 1 1, 0 0)))",
        "POLYHEDRALSURFACE Z (((0 0 0, 1 0 0, 1 1 0, 0 0 0)))",
    ]
    rows = postgis.run(
        "SELECT ST_AsBinary(g::geometry, 'NDR') FROM unnest(ARRAY["
        + ", ".join(f"'{text}'" for text in texts)
        + "]) AS g"
    )
    tally = TableTally([], has_geometry=True)
    batch = pa.RecordBatch.from_arrays(
        [pa.array([bytes(row[0]) for row in rows], pa.binary())], names=["__geom"]
    )
    shape = raw_shape((), has_geometry=True)
    assert load_and_measure(postgis, name, shape, tally.passing(iter([batch]))) == tally.facts
    assert tally.facts.geometry is not None
    assert list(tally.facts.geometry.types) == [
        "CircularString", "CurvePolygon", "MultiSurface", "PolyhedralSurface Z",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wkb", "text", "code", "said"),
    [
        (shapely.to_wkb(shapely.Point(1, 2))[:-1], "b", "source.broken_geometry", "WKB"),
        (None, b"caf\xe9", "source.encoding", "'name'"),
    ],
    ids=["geometry", "text"],
)
def test_what_postgis_refuses_is_named_by_row_and_column(
    schema: tuple[PostGIS, str], wkb: bytes | None, text: str | bytes, code: str, said: str
) -> None:
    postgis, name = schema
    shape = raw_shape((Column(name="name", type="text"),), has_geometry=True)
    texts = pa.array(["a", text], pa.binary()).view(pa.string())
    batch = pa.RecordBatch.from_arrays(
        [texts, pa.array([None, wkb], pa.binary())], schema=arrow_schema(shape)
    )
    with pytest.raises(SourceError) as caught:
        load_batches(postgis, name, LoadOrder("t", shape, "s3://f", "l"), iter([batch]))
    reason = caught.value.reason
    assert (reason.code, reason.file, reason.layer, reason.row) == (code, "s3://f", "l", 2)
    assert said in reason.message
