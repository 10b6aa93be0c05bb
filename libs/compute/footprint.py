"""Where a raster lies on Earth: its outline in EPSG:4326, by PostGIS.

What belongs here: the outline as GeoJSON. What does not: what is published about it
(`libs.pipeline.kinds.raster`).
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from psycopg2 import sql
from pyproj import Transformer
from pyproj.exceptions import ProjError

from libs.compute.postgis import PostGIS
from libs.compute.srid import ensure_srid
from libs.compute.statements import statement
from libs.models.errors import SourceError
from libs.models.fidelity import Bbox
from libs.spatial_utils.crs import Crs

STEPS_A_SIDE = 21
WHOLE_EARTH = (-180.0, -90.0, 180.0, 90.0)
HALF_TURN = 180.0

Corners = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Footprint:
    """A GeoJSON polygon, or a multipolygon cut at the antimeridian; a box where `is_box`."""

    geojson: dict[str, Any]
    is_box: bool


def footprint(postgis: PostGIS, corners: Corners, crs: Crs) -> Footprint:
    """Return the outline of four corners in EPSG:4326, each side densified before that.

    Where a corner has no place on Earth, or the outline runs around a pole, its bounds stand in.
    """
    outline = _outline(postgis, corners, crs)
    if outline is not None:
        return Footprint(outline, is_box=False)
    return Footprint(_box(corners, crs), is_box=True)


def _outline(postgis: PostGIS, corners: Corners, crs: Crs) -> dict[str, Any] | None:
    ring = [*corners, corners[0]]
    points = ", ".join(f"{x!r} {y!r}" for x, y in ring)
    longest = max(math.dist(*side) for side in pairwise(ring))
    query = statement("footprint").format(
        ring=sql.Literal(f"POLYGON(({points}))"),
        srid=sql.Literal(ensure_srid(postgis, crs)),
        step=sql.Literal(longest / STEPS_A_SIDE),
    )
    try:
        ((text, is_wide, *box),) = postgis.run(query)
    except SourceError:
        return None
    if any(edge is None or not math.isfinite(edge) for edge in box):
        return None
    runs_around = is_wide and box[2] - box[0] > HALF_TURN and not crs.proj.is_geographic
    geojson: dict[str, Any] = json.loads(text)
    return None if runs_around else geojson


def _box(corners: Corners, crs: Crs) -> dict[str, Any]:
    west, south, east, north = _bounds(corners, crs)
    if west <= east:
        return {"type": "Polygon", "coordinates": [_ring(west, south, east, north)]}
    halves = [_ring(west, south, 180.0, north), _ring(-180.0, south, east, north)]
    return {"type": "MultiPolygon", "coordinates": [[half] for half in halves]}


def _ring(west: float, south: float, east: float, north: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def _bounds(corners: Corners, crs: Crs) -> Bbox:
    xs, ys = zip(*corners, strict=True)
    transformer = Transformer.from_crs(crs.proj, "EPSG:4326", always_xy=True)
    try:
        found = transformer.transform_bounds(
            min(xs), min(ys), max(xs), max(ys), densify_pts=STEPS_A_SIDE
        )
    except ProjError:
        return WHOLE_EARTH
    if not all(map(math.isfinite, found)):
        return WHOLE_EARTH
    return found
