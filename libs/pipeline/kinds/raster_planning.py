"""From described rasters to tables: names and CRSs decided before anything is written.

What belongs here: every decision about what a raster will be. What does not: carrying it out
(`libs.pipeline.kinds.raster`).
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from libs.models.errors import CrsError, SourceError
from libs.models.manifest import Manifest
from libs.pipeline.kinds.raster_files import RasterFile
from libs.pipeline.kinds.raster_sources import FoundRaster
from libs.spatial_utils.cog import unwarpable
from libs.spatial_utils.crs import Crs, parse_crs, without_datum_shift
from libs.spatial_utils.rasters import RasterDescription

IDENTITY = (0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class RasterPlan:
    """A raster to publish; `target` is None where it keeps its own CRS and its pixels.

    `description` is of the header until the raster was read.
    """

    name: str
    raster: RasterFile
    description: RasterDescription
    crs: Crs
    target: Crs | None

    @property
    def assigned_wkt(self) -> str | None:
        """The CRS to write into the published file where the source does not carry it."""
        return None if self.description.crs else self.crs.wkt


def plan_rasters(
    manifest: Manifest, dataset_id: str, found: Sequence[FoundRaster]
) -> list[RasterPlan]:
    """Return the tables that a drop's rasters become.

    Raises `SourceError` where a raster is not georeferenced or names clash, `CrsError` where a
    CRS is missing or contradicts the manifest.
    """
    target = target_crs(manifest)
    plans = []
    for item in found:
        _require_georeference(item)
        crs = _source_crs(item)
        plans.append(
            RasterPlan(
                name=_table_name(item.raster, dataset_id, is_only=len(found) == 1),
                raster=item.raster,
                description=item.description,
                crs=crs,
                target=_warp_target(item, crs, target),
            )
        )
    _require_distinct_names(plans)
    return plans


def target_crs(manifest: Manifest) -> Crs | None:
    """Return the CRS rasters are warped to; None unless the manifest itself asks for one.

    The default of vector data would resample every pixel, which nobody asked for.
    """
    options = manifest.options
    if "target_crs" not in options.model_fields_set or options.target_crs == "source":
        return None
    return parse_crs(options.target_crs)


def _warp_target(item: FoundRaster, crs: Crs, target: Crs | None) -> Crs | None:
    if target is None or target.equals(crs):
        return None
    name = unwarpable(item.description.bands)
    if name is not None:
        raise SourceError(
            "source.unwarpable_type",
            f"expected a pixel type that GDAL resamples exactly, found {name}.",
            remedy="Leave options.target_crs out, or convert the pixels to Int16 or Float64 first.",
            file=item.raster.label,
        )
    return target


def _table_name(raster: RasterFile, dataset_id: str, *, is_only: bool) -> str:
    if raster.file.table:
        return raster.file.table
    if is_only:
        return dataset_id.rpartition("/")[2]
    stem = re.sub(r"[\x00-\x1f/\\]+", "_", PurePosixPath(raster.name).stem)[:120].strip()
    return "raster" if stem in {"", ".", ".."} else stem


def _require_distinct_names(plans: Sequence[RasterPlan]) -> None:
    taken: dict[str, RasterPlan] = {}
    for plan in plans:
        other = taken.setdefault(plan.name.casefold(), plan)
        if other is not plan:
            raise SourceError(
                "source.table_names_clash",
                f"expected a table name for each raster, found {plan.name!r} here and "
                f"{other.name!r} for {other.raster.label}.",
                remedy="Give each raster a files[].table of its own; rasters are not appended.",
                file=plan.raster.label,
            )


def _require_georeference(item: FoundRaster) -> None:
    description = item.description
    transform = description.geotransform
    if transform is None or transform == IDENTITY:
        raise SourceError(
            "source.not_georeferenced",
            f"expected a geotransform or a world file, found {_other_georeference(description)}.",
            remedy="Drop its world file (e.g. .tfw, .pgw) with it and declare files[].crs; where "
            "it has control points or RPCs, rectify it first: gdalwarp -t_srs EPSG:25832 in out.",
            file=item.raster.label,
        )
    determinant = transform[1] * transform[5] - transform[2] * transform[4]
    if not all(map(math.isfinite, transform)) or determinant == 0:
        raise SourceError(
            "source.broken_georeference",
            f"expected pixels with an area, found the geotransform {list(transform)}.",
            remedy="Correct the geotransform or the world file and drop the raster again.",
            file=item.raster.label,
        )


def _other_georeference(description: RasterDescription) -> str:
    said = [
        (description.gcps, f"only {description.gcps} ground control points"),
        (description.has_rpc, "only rational polynomial coefficients (RPC)"),
        (description.has_geolocation, "only geolocation arrays"),
    ]
    return " and ".join(text for is_there, text in said if is_there) or "nothing"


def _source_crs(item: FoundRaster) -> Crs:
    label, declared_text = item.raster.label, item.raster.file.crs
    own = item.description.crs or item.description.crs_beside
    declared = parse_crs(declared_text, file=label) if declared_text else None
    if own is None:
        if declared is None:
            raise CrsError(
                "crs.missing",
                "expected a CRS in the file or in the manifest, found none.",
                remedy='Declare it in the manifest: files[].crs, e.g. "EPSG:25832".',
                file=label,
            )
        return declared
    found = without_datum_shift(parse_crs(own.wkt, file=label))
    if declared and not declared.equals(found):
        raise CrsError(
            "crs.contradiction",
            f"expected {declared.short_name} as the manifest declares, found {found.short_name} "
            "in the file.",
            remedy="Correct files[].crs, or leave it out where the file is right.",
            file=label,
        )
    return found
