"""A contract that a published version keeps, for the manifest of the next one.

What belongs here: reading promises off a version document. What does not: holding data against them
(`libs.pipeline.contract`).
"""

from typing import Any, get_args

from libs.models.fidelity import Bbox
from libs.models.manifest import Contract, GeometryType
from libs.models.version import TableVersion, Version
from libs.spatial_utils.crs import parse_crs


def draft_contract(version: Version) -> Contract:
    """Return what holds for all tables of a version: CRS, extent, geometry types, columns, rows.

    Promises of which the version document does not tell whether they are kept are left out: a key,
    a CRS or an extent where tables have different CRSs, columns that not every table has.
    """
    spatial = [table for table in version.tables if table.crs is not None]
    promises: dict[str, Any] = {}
    if spatial and _share_crs(spatial):
        promises["crs"] = spatial[0].crs
        promises["bbox"] = _union([table.bbox for table in spatial if table.bbox is not None])
    if version.kind == "raster":
        return Contract(**promises)
    found = {name.partition(" ")[0] for table in spatial for name in table.geometry_types}
    return Contract(
        **promises,
        geometry_types=tuple(name for name in get_args(GeometryType) if name in found) or None,
        columns=_common_columns(version.tables) or None,
        min_rows=min(table.rows for table in version.tables),
    )


def _share_crs(tables: list[TableVersion]) -> bool:
    first, *others = [parse_crs(table.crs or "") for table in tables]
    return all(first.equals(other) for other in others)


def _union(boxes: list[Bbox]) -> Bbox | None:
    if not boxes:
        return None
    xmin, ymin, xmax, ymax = zip(*boxes, strict=True)
    return (min(xmin), min(ymin), max(xmax), max(ymax))


def _common_columns(tables: tuple[TableVersion, ...]) -> dict[str, str]:
    """Return the columns that every table has with one type, in the order of the first table."""
    first, *others = [{(c.name, c.type) for c in table.columns} for table in tables]
    shared = first.intersection(*others)
    names = [name for name, _ in shared]
    return {
        column.name: column.type
        for column in tables[0].columns
        if (column.name, column.type) in shared and names.count(column.name) == 1
    }
