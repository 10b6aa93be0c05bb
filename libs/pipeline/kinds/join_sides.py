"""The sides of a join: tables of published versions, read from their Parquet files.

What belongs here: opening a side, and whether it has what the manifest joins by. What does not: the
join (`libs.pipeline.kinds.join`).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from libs.compute.loading import arrow_schema, raw_shape
from libs.compute.tables import TableShape
from libs.models.errors import JoinError
from libs.models.manifest import Manifest
from libs.models.version import Column, dataset_path
from libs.pipeline.state import FetchedDataset
from libs.spatial_utils.crs import Crs, parse_crs

UNCOMPARABLE_TYPES = ("json", "binary")
ROWS_PER_BATCH = 10_000


@dataclass(frozen=True)
class JoinSource:
    """A side of a join as a source of rows."""

    dataset: FetchedDataset
    file: str
    layer_name: str
    rows: int
    columns: tuple[Column, ...]
    has_geometry: bool
    crs: Crs | None
    is_swapped: bool = False


def source_of(dataset: FetchedDataset) -> JoinSource:
    """Return a fetched table as a side of a join."""
    table = dataset.table
    return JoinSource(
        dataset=dataset,
        file=dataset_path(dataset.dataset_id, dataset.version),
        layer_name=table.name,
        rows=table.rows,
        columns=table.columns,
        has_geometry=table.crs is not None,
        crs=parse_crs(table.crs) if table.crs else None,
    )


def shape_of(source: JoinSource) -> TableShape:
    """Return the shape of a side in PostGIS."""
    return raw_shape(source.columns, has_geometry=source.has_geometry)


def batches_of(source: JoinSource) -> Iterator[pa.RecordBatch]:
    """Yield a side's rows: the attributes come first in our files, in the order of `columns`."""
    with pq.ParquetFile(source.dataset.path, pre_buffer=False) as file:
        schema = arrow_schema(shape_of(source))
        names = file.schema_arrow.names[: len(source.columns)]
        if source.has_geometry:
            geo = json.loads(file.schema_arrow.metadata[b"geo"])
            names.append(geo["primary_column"])
        for batch in file.iter_batches(ROWS_PER_BATCH, columns=names):
            arrays = [
                batch.column(batch.schema.get_field_index(name)).cast(field.type)
                for name, field in zip(names, schema, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def require_possible(manifest: Manifest, sources: tuple[JoinSource, ...]) -> None:
    """Raise `JoinError` where the sides lack what the manifest joins them by."""
    options = manifest.options
    if options.predicate:
        for source in sources:
            if not source.has_geometry:
                raise _refusal(
                    "no_geometry",
                    source,
                    f"expected a geometry for predicate {options.predicate!r}, found none.",
                    "Join by options.on, or name a table with geometries.",
                )
        return
    for pair in options.on or ():
        left, right = (
            _key_column(source, name)
            for source, name in zip(sources, (pair.left, pair.right), strict=True)
        )
        if left.type != right.type:
            raise _refusal(
                "key_types_differ",
                sources[1],
                f"expected key {pair.right!r} to be {left.type} as {pair.left!r} of "
                f"{sources[0].file} is, found {right.type}.",
                "Publish one of them with the other's type; keys are never converted.",
            )


def _key_column(source: JoinSource, name: str) -> Column:
    found = [column for column in source.columns if column.name == name]
    if len(found) != 1 or found[0].type in UNCOMPARABLE_TYPES:
        raise _refusal(
            "no_such_key",
            source,
            f"expected one comparable column {name!r}, found "
            f"{', '.join(f'{c.name} {c.type}' for c in source.columns)}.",
            "Name a column of each side in options.on.",
        )
    return found[0]


def _refusal(code: str, source: JoinSource, message: str, remedy: str) -> JoinError:
    return JoinError(
        f"join.{code}", message, remedy=remedy, file=source.file, layer=source.layer_name
    )
