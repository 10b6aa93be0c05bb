"""Arrow batches of a table, measured as they pass.

What belongs here: gathering the facts of a hop. What does not: where the batches come from.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pyarrow as pa

from libs.fidelity.columns import checksum
from libs.fidelity.hashing import MODULUS
from libs.fidelity.wkb import GeometryTally, type_name
from libs.models.fidelity import ColumnFacts, GeometryFacts, HopFacts

PIECE_ROWS = 16_384
"""Rows measured at a time, so that what is reckoned with stays in the processor's caches."""


class TableTally:
    """Gathers what batches hold: first the columns, of our `types`, then WKB where there is one.

    A column whose type is None has no checksum. `rows` is what was added so far, `seconds` the time
    for which what passed had to wait.
    """

    def __init__(self, types: Sequence[str | None], *, has_geometry: bool) -> None:
        self._types = tuple(types)
        self._nulls = [0] * len(self._types)
        self._checksums = [0] * len(self._types)
        self._geometry = GeometryTally() if has_geometry else None
        self.rows = 0
        self.seconds = 0.0

    def add(self, batch: pa.RecordBatch | pa.StructArray) -> None:
        """Measure a batch; raises `WkbError` where its geometries are not WKB."""
        for begin in range(0, len(batch), PIECE_ROWS):
            self._add_piece(batch.slice(begin, PIECE_ROWS))

    def _add_piece(self, piece: pa.RecordBatch | pa.StructArray) -> None:
        arrays = piece.columns if isinstance(piece, pa.RecordBatch) else piece.flatten()
        for position, column_type in enumerate(self._types):
            values = arrays[position]
            self._nulls[position] += values.null_count
            if column_type is not None:
                self._checksums[position] += checksum(values, column_type)
        if self._geometry is not None:
            self._geometry.add(arrays[len(self._types)])
        self.rows += len(piece)

    @property
    def geometry_types(self) -> dict[int, int]:
        """ISO WKB type number -> rows that passed."""
        return dict(self._geometry.types) if self._geometry else {}

    def passing(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the batches, each measured in a thread while the next one is made.

        Raises `WkbError` for a batch before the one behind it is yielded, or at the end.
        """
        with ThreadPoolExecutor(1, "tally") as worker:
            measured: Future[None] | None = None
            for batch in batches:
                self._wait(measured)
                measured = worker.submit(self.add, batch)
                yield batch
            self._wait(measured)

    def _wait(self, measured: Future[None] | None) -> None:
        started = time.perf_counter()
        if measured is not None:
            measured.result()
        self.seconds += time.perf_counter() - started

    @property
    def facts(self) -> HopFacts:
        """What passed so far."""
        return HopFacts(
            rows=self.rows,
            columns=tuple(
                ColumnFacts(nulls=nulls, checksum=shown(value))
                for nulls, value in zip(self._nulls, self._checksums, strict=True)
            ),
            geometry=self._geometry
            and GeometryFacts(
                nulls=self._geometry.nulls,
                empties=self._geometry.empties,
                types={
                    type_name(number): rows for number, rows in sorted(self._geometry.types.items())
                },
                vertices=self._geometry.vertices,
                bbox=self._geometry.bbox,
            ),
        )


def shown(checksum: int) -> str:
    """Return a checksum as it is kept: 16 hex digits."""
    return f"{checksum % MODULUS:016x}"
