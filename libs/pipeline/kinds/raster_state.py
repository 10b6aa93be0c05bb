"""What the phases hand on of a raster.

What belongs here: the values. What does not: how they come about (`libs.pipeline.kinds.raster`).
"""

from dataclasses import dataclass
from pathlib import Path

from libs.compute.footprint import Footprint
from libs.pipeline.kinds.raster_planning import RasterPlan
from libs.pipeline.state import LoadedTable, TransformedTable
from libs.spatial_utils.rasters import RasterDescription


@dataclass(frozen=True)
class LoadedRaster(LoadedTable):
    """A raster that was read to its last pixel; it is one row, and one part."""

    plan: RasterPlan


@dataclass(frozen=True)
class TransformedRaster(TransformedTable):
    """A raster as a COG at `path`; `description` is what reading all of that file found."""

    plan: RasterPlan
    path: Path
    description: RasterDescription
    footprint: Footprint
    is_masked_by_us: bool

    @property
    def is_warped(self) -> bool:
        """Whether its pixels were resampled."""
        return self.plan.target is not None
