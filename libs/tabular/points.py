"""Points made from two columns: WKB, and the rows where it cannot be made.

Without both coordinates a row has no geometry. One of them alone, text that is no number, numbers
that are not finite, and degrees beyond ±180 or ±90 are wrong: counted with their row.

What belongs here: coordinates to WKB. What does not: CRSs (`libs.pipeline.kinds.tabular`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from libs.compute.tables import GEOMETRY_COLUMN
from libs.tabular.problems import Tally

NUMBER = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"
MAX_X, MAX_Y = 180.0, 90.0
WKB_BYTES = 21
_POINT = np.dtype([("order", "u1"), ("type", "<u4"), ("x", "<f8"), ("y", "<f8")])


@dataclass
class PointMaker:
    """Adds a geometry column to batches; `x` and `y` are positions of columns."""

    x: int
    y: int
    is_degrees: bool
    rows: int = 0
    without: Tally = field(default_factory=Tally)
    wrong: Tally = field(default_factory=Tally)
    first_wrong: str = ""

    @property
    def null_geometries(self) -> int:
        """Rows without geometry so far."""
        return self.without.count + self.wrong.count

    def added(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield each batch with its points."""
        for batch in batches:
            points = self._points(batch.column(self.x), batch.column(self.y))
            yield batch.append_column(GEOMETRY_COLUMN, points)
            self.rows += batch.num_rows

    def _points(self, x_values: pa.Array, y_values: pa.Array) -> pa.Array:
        x, y = _numbers(x_values), _numbers(y_values)
        is_point = np.isfinite(x) & np.isfinite(y)
        if self.is_degrees:
            is_point &= (np.abs(x) <= MAX_X) & (np.abs(y) <= MAX_Y)
        is_absent = _is_absent(x_values) & _is_absent(y_values)
        for position in np.flatnonzero(~is_point).tolist():
            if is_absent[position]:
                self.without.add(self.rows + position + 1)
                continue
            if not self.wrong.count:
                self.first_wrong = f"x {x_values[position].as_py()!r}, y "
                self.first_wrong += f"{y_values[position].as_py()!r}"
            self.wrong.add(self.rows + position + 1)
        wkb = np.empty(len(x), _POINT)
        wkb["order"], wkb["type"], wkb["x"], wkb["y"] = 1, 1, x, y
        fixed = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(WKB_BYTES), len(x), [None, pa.py_buffer(wkb.tobytes())]
        )
        return pc.if_else(pa.array(is_point), fixed.cast(pa.binary()), None)


def _is_absent(values: pa.Array) -> np.ndarray:
    absent = values.is_null()
    if pa.types.is_string(values.type):
        absent = pc.or_(absent, pc.fill_null(pc.equal(pc.utf8_trim_whitespace(values), ""), False))
    return np.asarray(absent.to_numpy(zero_copy_only=False))


def _numbers(values: pa.Array) -> np.ndarray:
    """Return the values as numbers, NaN where there is none."""
    if pa.types.is_string(values.type):
        is_number = pc.match_substring_regex(values, NUMBER)
        trimmed = pc.utf8_trim_whitespace(pc.if_else(is_number, values, None))
        values = pc.replace_substring_regex(trimmed, r"^\+", "").cast(pa.float64())
    numbers = values.cast(pa.float64(), safe=False)
    return np.asarray(pc.fill_null(numbers, float("nan")).to_numpy(zero_copy_only=False))
