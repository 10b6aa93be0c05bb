"""A table that a reader of ours found in a file, whichever reader it has.

What belongs here: what `describe_table` needs of it. What does not: the readers.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from libs.models.errors import CrsError
from libs.models.version import Warn
from libs.spatial_utils.crs import parse_crs
from libs.spatial_utils.crs_text import NO_CRS_TEXT, CrsText
from libs.spatial_utils.layers import GeometryField, GeometryTypeRows, LayerCrs
from libs.tabular.reader import Survey


@dataclass(frozen=True)
class FoundTable:
    """A table; `warnings` are complete when all batches were read."""

    layer: str
    survey: Survey
    has_geometry: bool
    geometries: Callable[[Sequence[GeometryTypeRows]], tuple[GeometryField, ...]]
    batches: Callable[[Sequence[str]], Iterator[pa.RecordBatch]]
    warnings: Callable[[], Sequence[Warn]]
    crs_text: CrsText = NO_CRS_TEXT


def crs_named(text: str) -> LayerCrs | None:
    """Return the CRS that a file names; None where nobody knows it."""
    try:
        return LayerCrs(wkt=parse_crs(text).wkt, is_swapped=False)
    except CrsError:
        return None
