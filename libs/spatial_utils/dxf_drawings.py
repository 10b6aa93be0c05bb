"""What GDAL changes of a drawing (DXF) without a word: curves become lines, heights are left out.

Curves are entities, the bulges of polylines and the curved edges of hatches. GDAL 3.6 draws splines
at no height, and takes the height of a 2D polyline from its vertices, where newer writers leave it
to the polyline.

What belongs here: counting both. What does not: entities that GDAL says it does not read
(`libs.spatial_utils.opening` asks it to).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from libs.models.version import Warn
from libs.spatial_utils.element_losses import counted, linearised

_CURVES = frozenset({b"ARC", b"CIRCLE", b"ELLIPSE", b"SPLINE"})
_READ = _CURVES | {b"LWPOLYLINE", b"POLYLINE", b"VERTEX", b"HATCH"}
_NAMES = {b"LWPOLYLINE": "polyline", b"VERTEX": "bulge of a polyline"}
_IS_3D_POLYLINE, _IS_MESH, _IS_POLYFACE = 8, 16, 64
_CURVED_EDGES = frozenset({b"2", b"3", b"4"})
_IS_POLYLINE_PATH = 2

Groups = list[tuple[bytes, bytes]]
"""The group codes of an entity and their values, in the order of the file."""


def changes_in_drawing(path: str) -> list[Warn]:
    """Return the warnings of the curves and heights that the drawing at `path` loses."""
    curves: Counter[str] = Counter()
    flat: Counter[str] = Counter()
    elevation = 0.0
    with Path(path).open("rb") as file:
        for name, groups in _entities(file):
            if _is_curved(name, groups):
                curves[_NAMES.get(name, name.decode().lower())] += 1
            if name == b"SPLINE" and any(_numbers(groups, b"30", b"31")):
                flat["spline"] += 1
            if name == b"VERTEX" and elevation and not any(_numbers(groups, b"30")):
                flat["polyline"] += 1
            elevation = _elevation(groups) if name == b"POLYLINE" else 0.0
    return [*linearised(curves), *_without_heights(flat)]


def _without_heights(counts: Mapping[str, int]) -> list[Warn]:
    if not counts:
        return []
    message = (
        f"The heights of these were left out, as GDAL does not read them: {counted(counts)}; "
        "they were kept at no height, or at 0."
    )
    return [Warn(code="geometry.z_not_read", message=message)]


def _entities(file: BinaryIO) -> Iterator[tuple[bytes, Groups]]:
    """Yield the entities of the kinds that are looked at; a file is pairs of lines."""
    name, groups = b"", Groups()
    for code, value in zip(file, file, strict=False):
        if code.strip() == b"0":
            if name in _READ:
                yield name, groups
            name, groups = value.strip(), Groups()
        elif name in _READ:
            groups.append((code.strip(), value.strip()))
    if name in _READ:
        yield name, groups


def _is_curved(name: bytes, groups: Groups) -> bool:
    if name == b"HATCH":
        return _has_curved_edge(groups)
    return name in _CURVES or any(_numbers(groups, b"42"))


def _has_curved_edge(groups: Groups) -> bool:
    """Return whether an outline has a bulge or an edge that is no line.

    Group 72 is the kind of an edge, but in an outline that is a polyline whether it has bulges.
    """
    is_polyline = False
    for code, value in groups:
        if code == b"92":
            is_polyline = bool(_whole(value) & _IS_POLYLINE_PATH)
        if is_polyline and code == b"42" and _number(value):
            return True
        if not is_polyline and code == b"72" and value in _CURVED_EDGES:
            return True
    return False


def _elevation(groups: Groups) -> float:
    """Return the height of a 2D polyline; 0 for others, whose vertices have their own."""
    flags = next((_whole(value) for code, value in groups if code == b"70"), 0)
    if flags & (_IS_3D_POLYLINE | _IS_MESH | _IS_POLYFACE):
        return 0.0
    return next(_numbers(groups, b"30"), 0.0)


def _numbers(groups: Iterable[tuple[bytes, bytes]], *codes: bytes) -> Iterator[float]:
    return (_number(value) for code, value in groups if code in codes)


def _number(text: bytes) -> float:
    """Return a number, and 0 for what is none, as GDAL does."""
    try:
        return float(text)
    except ValueError:
        return 0.0


def _whole(text: bytes) -> int:
    return int(text) if text.isdigit() else 0
