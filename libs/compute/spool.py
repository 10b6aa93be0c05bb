"""What the reading child wrote down of a layer: Arrow batches in a file of the run's work folder.

GDAL reads a source once, in a child process; the run loads from here and never opens the source.

What belongs here: reading these files. What does not: writing them
(`libs.spatial_utils.describe_source`).
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from libs.compute.loading import arrow_schema
from libs.compute.tables import TableShape


def spooled(path: Path, shape: TableShape) -> Iterator[pa.RecordBatch]:
    """Yield the batches in `path` in the schema of `shape`; none where nothing was written."""
    if not path.exists():
        return
    schema = arrow_schema(shape)
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as stream:
        for batch in stream:
            arrays = [
                values.cast(field.type) for values, field in zip(batch.columns, schema, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
