"""Rings of an ESRI polygon sorted into polygons: a ring inside of another one is its hole.

ESRI lists all rings of a polygon side by side; outer ones should run clockwise, but files of other
writers have them either way. So the rings around a ring decide, as GDAL does it: an even number of
them makes it an outer one, an odd number a hole.

What belongs here: this. What does not: reading rings (`esri_geometries`).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.float64]


def polygons_of(rings: Sequence[Positions]) -> list[list[int]]:
    """Return the polygons as numbers of rings, the outer ring first, all in the order given."""
    if len(rings) == 1:
        return [[0]]
    boxes = np.array([[*ring[:, :2].min(axis=0), *ring[:, :2].max(axis=0)] for ring in rings])
    areas = [abs(_area(ring)) for ring in rings]
    around = [_around(number, rings, boxes, areas) for number in range(len(rings))]
    found: dict[int, list[int]] = {
        number: [number] for number, others in enumerate(around) if len(others) % 2 == 0
    }
    for number, others in enumerate(around):
        if number not in found:
            found[min(others, key=lambda other: areas[other])].append(number)
    return list(found.values())


def _around(
    number: int, rings: Sequence[Positions], boxes: Positions, areas: Sequence[float]
) -> list[int]:
    """Return the rings that a ring lies in."""
    box = boxes[number]
    is_inside = (boxes[:, :2] <= box[:2]).all(axis=1) & (boxes[:, 2:] >= box[2:]).all(axis=1)
    candidates = [n for n in np.flatnonzero(is_inside).tolist() if areas[n] > areas[number]]
    return [other for other in candidates if _lies_in(rings[number], rings[other])]


def _lies_in(ring: Positions, other: Positions) -> bool:
    """Return whether the first position that is not on the border of `other` is inside of it.

    A ring all of whose positions lie on the border is judged by the middle of its first edge.
    """
    middle = (ring[:1, :2] + ring[1:2, :2]) / 2
    for position in (*ring[:, :2], *middle):
        side = _side(position, other[:-1, :2], other[1:, :2])
        if side is not None:
            return side
    return False


def _side(position: Positions, begins: Positions, ends: Positions) -> bool | None:
    """Return whether a position is inside of a ring's edges; None on one of them."""
    x, y = position
    along, to = ends - begins, position - begins
    cross = along[:, 0] * to[:, 1] - along[:, 1] * to[:, 0]
    low, high = np.minimum(begins, ends), np.maximum(begins, ends)
    is_beside = (low[:, 0] <= x) & (x <= high[:, 0]) & (low[:, 1] <= y) & (y <= high[:, 1])
    if (is_beside & (cross == 0)).any():
        return None
    is_crossed = (begins[:, 1] > y) != (ends[:, 1] > y)
    is_upward = ends[:, 1] > begins[:, 1]
    return bool((is_crossed & ((cross > 0) == is_upward)).sum() % 2)


def _area(ring: Positions) -> float:
    x, y = ring[:, 0] - ring[0, 0], ring[:, 1] - ring[0, 1]
    return float(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])) / 2
