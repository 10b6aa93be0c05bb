"""What a layer holds, in a form in which two readers can be compared.

What belongs here: rows, geometries and values made comparable. What does not: reading a source
(`independent`), judging differences (`comparison`).
"""

import json
import math
import struct
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

CURVES = range(8, 13)
AREAS = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)
NAIVE, INSTANT = "time without zone", "instant"


@dataclass(frozen=True)
class Content:
    """The rows of a layer or of a table; `geometry` is WKB, or None for an attribute table."""

    names: tuple[str, ...]
    columns: tuple[list[Any], ...]
    geometry: list[bytes | None] | None
    crs: Any
    rows: int


def content_of(table: pa.Table, geometry: str | None, crs: Any) -> Content:
    """Return the content of an Arrow table; `geometry` names its column of WKB."""
    names = [name for name in table.column_names if name != geometry]
    positions = [n for n, name in enumerate(table.column_names) if name != geometry]
    return Content(
        names=tuple(names),
        columns=tuple(values_of(table.column(n)) for n in positions),
        geometry=wkb_of(table.column(geometry)) if geometry else None,
        crs=crs,
        rows=table.num_rows,
    )


def as_text_table(content: Content) -> Content:
    """Return the content as Python's csv reader sees it: no NULL, and no geometry."""
    columns = tuple(["" if v is None else v for v in column] for column in content.columns)
    return replace(content, columns=columns, geometry=None)


def with_rings_in_order(content: Content) -> Content:
    """Return the content with the rings and parts of its polygons where `shapely.normalize` begins.

    Areas of OpenStreetMap are put together from ways: where a ring begins is the reader's choice.
    """
    if content.geometry is None:
        return content
    shapes = shapely.from_wkb(np.array(content.geometry, dtype=object), on_invalid="ignore")
    geometry = [
        shapely.to_wkb(shapely.normalize(shape)) if is_area else wkb
        for shape, wkb, is_area in zip(
            shapes, content.geometry, np.isin(shapely.get_type_id(shapes), AREAS), strict=True
        )
    ]
    return replace(content, geometry=geometry)


def wkb_of(column: pa.ChunkedArray) -> list[bytes | None]:
    """Return the values of a column of WKB, with or without an extension type."""
    return [bytes(value) if value is not None else None for value in column.to_pylist()]


def values_of(column: pa.ChunkedArray) -> list[Any]:
    """Return comparable values; a timestamp is an instant or a time without zone."""
    if pa.types.is_timestamp(column.type):
        kind, zone = (INSTANT, "UTC") if column.type.tz else (NAIVE, None)
        moments = column.cast(pa.timestamp("us", zone), safe=False).to_pylist()
        return [m and (kind, m.replace(tzinfo=None).isoformat()) for m in moments]
    return [comparable(value) for value in column.to_pylist()]


def comparable(value: Any) -> Any:
    """Return a value that equals what another reader makes of the same cell."""
    if isinstance(value, float | Decimal):
        return _number(float(value))
    if isinstance(value, datetime):
        return instant(value.isoformat())
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return f"bytes {value.hex()}"
    if isinstance(value, list | tuple):
        return tuple(comparable(item) for item in value)
    return json.dumps(value, sort_keys=True, default=str) if isinstance(value, dict) else value


def _number(value: float) -> float | int | str:
    if math.isnan(value):
        return "NaN"
    return int(value) if math.isfinite(value) and value == int(value) else value


def instant(text: str) -> tuple[str, str] | str:
    """Return what a text of a date and time means; the text itself where it is none."""
    try:
        value = datetime.fromisoformat(text.replace("/", "-"))
    except ValueError:
        return text
    if value.tzinfo is None:
        return NAIVE, value.isoformat()
    return INSTANT, value.astimezone(UTC).replace(tzinfo=None).isoformat()


def json_or_text(text: Any) -> Any:
    """Return the canonical form of JSON, and anything else as it is."""
    try:
        return json.dumps(json.loads(text), sort_keys=True) if isinstance(text, str) else text
    except ValueError:
        return text


@dataclass(frozen=True)
class Geometries:
    """The geometries of a layer, taken apart."""

    nulls: int
    types: Counter[str]
    vertices: Counter[int]
    shapes: Any
    unread: int
    """Geometries that GEOS does not take: lines of one point, curves, broken WKB."""


def geometries_of(wkb: list[bytes | None]) -> Geometries:
    """Take geometries apart; what GEOS does not take is counted as unread."""
    linear = [None if value is None or is_curved(value) else value for value in wkb]
    shapes = shapely.from_wkb(np.array(linear, dtype=object), on_invalid="ignore")
    present = [shape for shape in shapes if shape is not None]
    nulls = sum(value is None for value in wkb)
    return Geometries(
        nulls=nulls,
        types=Counter(shape.geom_type for shape in present),
        vertices=Counter(int(n) for n in shapely.get_num_coordinates(present)),
        shapes=np.array(present, dtype=object),
        unread=len(wkb) - nulls - len(present),
    )


def is_curved(wkb: bytes) -> bool:
    """Return whether WKB begins with the type of a curve: 8 to 12, 1000 more a dimension."""
    (number,) = struct.unpack_from("<I" if wkb[0] else ">I", wkb, 1)
    return (number & 0x0FFFFFFF) % 1000 in CURVES


def coordinates_of(shapes: Any, *, with_z: bool) -> Counter[bytes]:
    """Return the multiset of each geometry's coordinates, in their order."""
    return Counter(shapely.get_coordinates(shape, include_z=with_z).tobytes() for shape in shapes)
