"""Geometries of GeoParquet 1.1's native encodings, and of GeoArrow, as little-endian ISO WKB.

A geometry is a position or nested lists of positions; a position is a struct with x, y, z and m, or
a list of a fixed number of doubles.
Source: https://geoarrow.org/format.html, https://geoparquet.org/releases/v1.1.0/.

What belongs here: arrays of one such type. What does not: which column has one
(`geoparquet_reader`), WKB itself (`wkb_layout`).
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from libs.tabular.wkb_layout import DEPTHS, Integers, laid_out, spread

ENCODINGS = {kind.lower(): kind for kind in DEPTHS}
"""What GeoParquet calls an encoding; GeoArrow has `geoarrow.` before it."""
_DIMENSIONS = {"xy": 0, "xyz": 1000, "xym": 2000, "xyzm": 3000}
_BY_WIDTH = {2: "xy", 3: "xyz", 4: "xyzm"}


class NotNativeError(ValueError):
    """An array has not the type that its encoding says, or NULL inside of a geometry."""


def native_wkb(values: pa.Array, encoding: str) -> pa.Array:
    """Return geometries of an encoding as WKB; raises `NotNativeError`."""
    present = values.drop_null()
    if not len(present):
        return pa.nulls(len(values), pa.binary())
    kind = ENCODINGS[encoding]
    levels: list[Integers] = []
    items = present
    for _ in range(DEPTHS[kind]):
        if not (pa.types.is_list(items.type) or pa.types.is_large_list(items.type)):
            raise NotNativeError(f"{values.type}")
        _require_whole(items)
        levels.append(np.asarray(pc.list_value_length(items), np.int64))
        items = items.flatten()
    _require_whole(items)
    axes, doubles = _positions(items, values.type)
    positions = doubles.view(np.uint8).reshape(len(items), len(axes) * 8)
    made = laid_out(kind, _DIMENSIONS[axes], levels, positions)
    return spread(made, np.asarray(values.is_valid()))


def _positions(items: pa.Array, whole: pa.DataType) -> tuple[str, npt.NDArray[np.float64]]:
    """Return the axes of positions, and a row of numbers for each."""
    if pa.types.is_struct(items.type):
        axes = "".join(axis for axis in "xyzm" if items.type.get_field_index(axis) >= 0)
        if axes not in _DIMENSIONS or items.type.num_fields != len(axes):
            raise NotNativeError(f"{whole}")
        columns = [_numbers(items.field(axis), whole) for axis in axes]
        return axes, np.column_stack(columns).astype("<f8")
    if not pa.types.is_fixed_size_list(items.type):
        raise NotNativeError(f"{whole}")
    axes = items.type.value_field.name
    if axes not in _DIMENSIONS or len(axes) != items.type.list_size:
        axes = _BY_WIDTH.get(items.type.list_size, "")
    if not axes:
        raise NotNativeError(f"{whole}")
    return axes, _numbers(items.flatten(), whole).astype("<f8").reshape(-1, len(axes))


def _numbers(values: pa.Array, whole: pa.DataType) -> npt.NDArray[np.float64]:
    if not pa.types.is_floating(values.type):
        raise NotNativeError(f"{whole}")
    _require_whole(values)
    return np.asarray(values.cast(pa.float64()))


def _require_whole(items: pa.Array) -> None:
    if items.null_count:
        raise NotNativeError("NULL inside of a geometry")
