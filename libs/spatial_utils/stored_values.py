"""Columns that are read from a file itself, because GDAL would change what it stores.

What belongs here: what such a reader gives. What does not: the readers, which run in the child
process of `libs.spatial_utils.describe_source` (`sqlite_values`, `gpx_values`
and their like).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from libs.models.version import Warn


@dataclass(frozen=True)
class StoredColumn:
    """A column as it is stored; `type` is what OGR would call a type that holds its values."""

    type: str
    values: pa.ChunkedArray

    def rows(self, begin: int, count: int) -> pa.Array:
        """Return the values of `count` features, the first numbered `begin` from 0."""
        return self.values.slice(begin, count).combine_chunks()


@dataclass(frozen=True)
class StoredLayer:
    """What is stored in a layer: the columns that GDAL would change, by position.

    `geometries` is how many rows have a geometry, None where that is unknown.
    """

    columns: Mapping[int, StoredColumn] = field(default_factory=dict)
    warnings: tuple[Warn, ...] = ()
    geometries: int | None = None
