"""The way from one CRS to another: which operations PROJ uses for which points, and how exact.

PROJ chooses an operation for each point among those whose area holds the point and whose grids are
installed. PostGIS and GDAL do it with the system's PROJ and its grids, which are therefore searched
beside those of pyproj. Source: https://proj.org/en/9.1/development/reference/functions.html
(proj_create_crs_to_crs).

What belongs here: naming operations. What does not: transforming data (`libs.compute.transform`),
warnings about it (`libs.pipeline.kinds.transformations`).
"""

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import pyproj.datadir
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError
from pyproj.transformer import AreaOfInterest, TransformerGroup

from libs.models.errors import CrsError
from libs.models.fidelity import Bbox
from libs.models.version import Transformation
from libs.spatial_utils.crs import Crs

SYSTEM_GRIDS = "/usr/share/proj"
TOLERANCE_M = 0.001
METRES_PER_RADIAN = 6_371_000.0
OUTSIDE_MARGIN_DEGREES = 1.0
Point = tuple[float, float] | tuple[float, float, float]


@dataclass(frozen=True)
class Move:
    """A point, x y or x y z, before and after a transformation."""

    before: Point
    after: Point

    @property
    def heights(self) -> tuple[float, float] | None:
        """Z before and after; None for a point without."""
        before, after = self.before[2:], self.after[2:]
        return (before[0], after[0]) if before and after else None


@dataclass(frozen=True)
class Way:
    """What a transformation of some points was.

    `outside` counts the points that lie outside the area that a CRS is made for, by its name;
    `difference_m` is how far the points were moved from where PROJ's operations put them.
    """

    transformations: tuple[Transformation, ...]
    points: int
    outside: dict[str, int]
    difference_m: float | None


def require_way(
    source: Crs, target: Crs, *, file: str | None = None, layer: str | None = None
) -> Transformer:
    """Return PROJ's transformer between two CRSs; raises `CrsError` where there is none."""
    _search_system_grids()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Best transformation is not available")
            return Transformer.from_crs(source.proj, target.proj, always_xy=True)
    except ProjError as err:
        raise CrsError(
            "crs.no_transformation",
            f"expected a way from {source.short_name} to {target.short_name}, found none.",
            remedy="Set options.target_crs to a CRS of the same body, or to 'source'; where the "
            "file names the wrong CRS, correct it in the file.",
            file=file,
            layer=layer,
        ) from err


def describe_way(source: Crs, target: Crs, moves: Sequence[Move]) -> Way:
    """Return which operations PROJ uses for some points, and whether they gave what was found."""
    transformer = require_way(source, target)
    operations: dict[str, Transformation] = {}
    difference_m = 0.0
    for move in moves:
        expected = _moved(transformer, move.before)
        found = _described(source, target, _last_used(transformer))
        operations.setdefault(found.name, found)
        difference_m = max(difference_m, _distance_m(target.proj, expected, move.after))
    if not operations:
        only = _described(source, target, transformer)
        operations = {only.name: only}
    places = _places(source, [move.before for move in moves])
    better = _missing_grids(source, target, places, operations.values())
    is_confirmed = difference_m <= TOLERANCE_M if moves else None
    return Way(
        transformations=tuple(
            item.model_copy(update={"missing_grids": better, "is_confirmed": is_confirmed})
            for item in operations.values()
        ),
        points=len(moves),
        outside={
            crs.short_name: count for crs in (source, target) if (count := _outside(crs, places))
        },
        difference_m=difference_m if moves else None,
    )


def describe_transformation(source: Crs, target: Crs, bbox: Bbox | None) -> Transformation:
    """Return the operation PROJ uses in the middle of an extent in the source's CRS."""
    transformer = require_way(source, target)
    points: list[Point] = []
    operation = transformer
    if bbox and all(map(math.isfinite, bbox)):
        points = [((bbox[0] + bbox[2]) / 2, (bbox[1] + bbox[3]) / 2)]
        _moved(transformer, points[0])
        operation = _last_used(transformer)
    used = _described(source, target, operation)
    missing = _missing_grids(source, target, _places(source, points), [used])
    return used.model_copy(update={"missing_grids": missing})


@cache
def _search_system_grids() -> None:
    pyproj.datadir.append_data_dir(SYSTEM_GRIDS)


def _last_used(transformer: Transformer) -> Transformer:
    """Return the operation of the last point; the transformer itself where it has but one."""
    try:
        return transformer.get_last_used_operation()
    except ProjError:
        return transformer


def _described(source: Crs, target: Crs, operation: Transformer) -> Transformation:
    name = operation.description or operation.name
    accuracy = operation.accuracy
    return Transformation(
        source_crs=source.short_name,
        target_crs=target.short_name,
        name=name,
        accuracy_m=accuracy if accuracy is not None and accuracy >= 0 else None,
        is_ballpark="ballpark" in name.lower(),
    )


def _distance_m(target: CRS, expected: Point, found: Point) -> float:
    if not all(map(math.isfinite, expected)):
        return math.inf
    horizontal = target.axis_info[0].unit_conversion_factor
    if target.is_geographic:
        horizontal *= METRES_PER_RADIAN
    return math.dist(expected[:2], found[:2]) * horizontal


def _places(crs: Crs, points: Iterable[Point]) -> list[tuple[float, float]]:
    """Return points as longitude and latitude, those that have none left out."""
    try:
        transformer = Transformer.from_crs(crs.proj, CRS.from_epsg(4326), always_xy=True)
    except ProjError:
        return []
    places = [_moved(transformer, point)[:2] for point in points]
    return [(lon, lat) for lon, lat in places if math.isfinite(lon) and math.isfinite(lat)]


def _moved(transformer: Transformer, point: Point) -> Point:
    moved: Point = transformer.transform(*point)
    return moved


def _outside(crs: Crs, places: Iterable[tuple[float, float]]) -> int:
    area = crs.proj.area_of_use
    if area is None:
        return 0
    west, east = area.west - OUTSIDE_MARGIN_DEGREES, area.east + OUTSIDE_MARGIN_DEGREES
    south, north = area.south - OUTSIDE_MARGIN_DEGREES, area.north + OUTSIDE_MARGIN_DEGREES
    crosses = area.west > area.east

    def is_inside(lon: float, lat: float) -> bool:
        is_between = lon >= west or lon <= east if crosses else west <= lon <= east
        return is_between and south <= lat <= north

    return sum(not is_inside(*place) for place in places)


def _missing_grids(
    source: Crs,
    target: Crs,
    places: Sequence[tuple[float, float]],
    used: Iterable[Transformation],
) -> tuple[str, ...]:
    """Return the grids that a more accurate operation needs and that are not installed."""
    area = None
    if places:
        lons, lats = zip(*places, strict=True)
        area = AreaOfInterest(min(lons), min(lats), max(lons), max(lats))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Best transformation is not available")
        group = TransformerGroup(source.proj, target.proj, always_xy=True, area_of_interest=area)
    accuracies = [item.accuracy_m for item in used]
    worst = max((math.inf if value is None else value for value in accuracies), default=math.inf)
    better = [
        item
        for item in group.unavailable_operations
        if 0 <= item.accuracy < worst and any(not grid.available for grid in item.grids)
    ]
    if not better:
        return ()
    best = min(better, key=lambda item: item.accuracy)
    return tuple(grid.short_name for grid in best.grids if not grid.available)
