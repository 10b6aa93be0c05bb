"""What chunks of features hold, found in processes at the same time where a file is large.

Decoding takes most of the time that reading GeoJSON takes, and a chunk needs nothing of the others.

What belongs here: one chunk, and the order of all. What does not: what follows from all of them
(`reader`).
"""

import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context

import pyarrow as pa

from libs.compute.tables import column_name
from libs.geojson.columns import kinds_of, local_array
from libs.geojson.documents import Chunk
from libs.geojson.features import Key, columns_of, require_distinct_members, take_crs
from libs.geojson.geometries import GeometryNotes
from libs.geojson.ids import Ids

MAX_WORKERS = 4
_ID = Key("id", is_member=True)

Shapes = Callable[[Chunk, GeometryNotes], pa.Array]


@dataclass(frozen=True)
class Place:
    """A column of a digest's batch."""

    position: int
    type: pa.DataType


@dataclass(frozen=True)
class Digest:
    """The values of a chunk as a stream of Arrow with one batch, geometries last, and its notes.

    `first` is the number of its first row, from 1; `shapes` are the rows with a geometry, `marked`
    those whose text was changed. The place of a column that was not kept is None.
    """

    first: int
    rows: int
    shapes: int
    stream: bytes
    places: dict[Key, Place | None]
    kinds: dict[Key, frozenset[str]]
    marked: list[int]
    ids: Ids = field(default_factory=Ids)
    notes: GeometryNotes = field(default_factory=GeometryNotes)


def digest(chunk: Chunk, shapes_of: Shapes) -> Digest:
    """Return what a chunk holds; raises `BrokenFeatureError` where a feature is none."""
    require_distinct_members(chunk)
    notes, ids = GeometryNotes(), Ids()
    take_crs(chunk, notes)
    found = columns_of(chunk)
    ids.look(
        found.columns.get(_ID, [None] * len(chunk.features)),
        found.columns.get(Key("id")),
        chunk.first,
    )
    arrays: list[pa.Array] = []
    places: dict[Key, Place | None] = {}
    kinds: dict[Key, frozenset[str]] = {}
    for key, values in found.columns.items():
        kinds[key] = kinds_of(values)
        array = local_array(values, kinds[key])
        places[key] = None if array is None else Place(len(arrays), array.type)
        arrays += [] if array is None else [array]
    shapes = shapes_of(chunk, notes)
    arrays.append(shapes)
    record = pa.RecordBatch.from_arrays(arrays, [column_name(n) for n in range(len(arrays))])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, record.schema) as stream:
        stream.write_batch(record)
    return Digest(
        first=chunk.first,
        rows=len(chunk.features),
        shapes=len(shapes) - shapes.null_count,
        stream=sink.getvalue().to_pybytes(),
        places=places,
        kinds=kinds,
        marked=found.marked,
        ids=ids,
        notes=notes,
    )


def digests_together(chunks: Iterator[Chunk], shapes_of: Shapes) -> Generator[Digest, None, None]:
    """Yield the digest of each chunk in turn, made in as many processes as there are processors.

    `shapes_of` is a function of a module. What is wrong in a chunk is raised before what is wrong
    behind it. A process that is killed takes this one with it: it is not the file's fault.
    """
    workers = min(MAX_WORKERS, len(os.sched_getaffinity(0)))
    with ProcessPoolExecutor(workers, get_context("fork")) as pool:
        made: deque[Future[Digest]] = deque()
        while True:
            try:
                chunk = next(chunks, None)
            except Exception:
                yield from map(_result, made)
                raise
            if chunk is None:
                break
            made.append(pool.submit(digest, chunk, shapes_of))
            if len(made) > 2 * workers:
                yield _result(made.popleft())
        yield from map(_result, made)


def _result(made: Future[Digest]) -> Digest:
    try:
        return made.result()
    except BrokenProcessPool:
        os.kill(os.getpid(), signal.SIGKILL)
        raise
