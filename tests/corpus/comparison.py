"""Is what was published what the source holds? Differences that no warning explains are silent.

What belongs here: comparing two `Content`s, and which warning excuses which difference. What does
not: reading them (`independent`), running this apart from the corpus (`comparer`).
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import shapely
from pyproj import CRS, Transformer

from tests.corpus.content import (
    INSTANT,
    NAIVE,
    Content,
    Geometries,
    comparable,
    coordinates_of,
    geometries_of,
    instant,
    json_or_text,
)

RELATIVE_TOLERANCE = 1e-9
DBASE_TRUTHS = {"T": 1, "t": 1, "Y": 1, "y": 1, "F": 0, "f": 0, "N": 0, "n": 0, "?": None}
TRUTHS = {"true": 1, "false": 0, **DBASE_TRUTHS}
MAX_COMPARED_ROWS = 200_000

EXCUSES: dict[str, frozenset[str]] = {
    "geometry.linearised": frozenset({"vertices", "extent", "types", "coordinates"}),
    "geometry.promoted_to_multi": frozenset({"types"}),
    "geometry.dimension_added": frozenset({"z"}),
    "geometry.z_not_read": frozenset({"z"}),
    "geometry.positions_repeated": frozenset({"vertices"}),
    "geometry.repaired": frozenset({"vertices", "types", "coordinates"}),
    "output.m_dropped": frozenset({"m"}),
    "output.column_renamed": frozenset({"names"}),
    "column.renamed": frozenset({"names"}),
    "column.from_member": frozenset({"names"}),
    "column.kept_as_text": frozenset({"values"}),
    "column.zone_assumed": frozenset({"zone"}),
    "column.other_type": frozenset({"values"}),
    "column.type_changed": frozenset({"values"}),
    "source.values_changed": frozenset({"values", "cells"}),
    "source.encoding_doubtful": frozenset({"values"}),
    "source.undecodable_kept": frozenset({"values"}),
    "source.dbf_unreadable_value": frozenset({"values", "cells"}),
    "geometry.invalid": frozenset({"unreadable"}),
}
"""Warning -> the comparisons whose difference it explains; anything else stays silent."""


@dataclass(frozen=True)
class Difference:
    """Something that is not as it was."""

    what: str
    detail: str

    def __str__(self) -> str:
        return f"{self.what}: {self.detail}"


def unexplained(differences: Iterable[Difference], warnings: Iterable[str]) -> list[Difference]:
    """Return the differences that no warning explains."""
    excused = {what for code in warnings for what in EXCUSES.get(code, ())}
    return [difference for difference in differences if difference.what not in excused]


def differences(
    sources: list[Content], published: Content, crs: str | None, known: Collection[str] = ()
) -> list[Difference]:
    """Compare sources, appended, with their table; `crs` is what the manifest declares.

    Columns that are `known` are left to `cell_differences`: the reader may be wrong about them.
    """
    rows = sum(source.rows for source in sources)
    found = []
    if rows != published.rows:
        found.append(Difference("rows", f"{rows} became {published.rows}"))
    if any(source.names != sources[0].names for source in sources):
        return found
    found += _names(sources[0], published)
    if not found and rows <= MAX_COMPARED_ROWS:
        found += _values(sources, published, known)
    return found + _geometries(sources, published, crs)


def _names(source: Content, published: Content) -> list[Difference]:
    """Return the columns that were lost; some formats have one that only our reader shows."""
    missing = sorted((Counter(source.names) - Counter(published.names)).elements())
    added = sorted((Counter(published.names) - Counter(source.names)).elements())
    if not missing:
        return []
    return [Difference("names", f"{missing[:8]} are missing, {added[:8]} were added"[:400])]


def _values(sources: list[Content], published: Content, known: Collection[str]) -> list[Difference]:
    """Compare columns as multisets, then whole rows, so that no row took another's value."""
    found = []
    left_columns, right_columns = [], []
    for position, name in enumerate(published.names):
        if name in known or name not in sources[0].names:
            continue
        ours = [source.names.index(name) for source in sources]
        if published.names.count(name) > 1:
            ours = [position] * len(sources)
        parts = [source.columns[n] for source, n in zip(sources, ours, strict=True)]
        left = list(chain.from_iterable(parts))
        left, right, zone = _aligned(left, published.columns[position])
        if zone:
            found.append(Difference("zone", f"column {name!r}: times without zone got UTC"))
        left_columns.append(left)
        right_columns.append(right)
        found += _changed_cells(name, left, right)
    if not found and left_columns:
        left_rows = Counter(zip(*left_columns, strict=True))
        right_rows = Counter(zip(*right_columns, strict=True))
        if left_rows != right_rows:
            found.append(Difference("rows", "values changed places between rows"))
    return found


def _changed_cells(name: str, left: list[Any], right: list[Any]) -> list[Difference]:
    lost, gained = Counter(left) - Counter(right), Counter(right) - Counter(left)
    if not lost and not gained:
        return []
    shown = f"{list(lost)[:3]!r:.150} became {list(gained)[:3]!r:.150}"
    return [Difference("values", f"column {name!r}, {lost.total()} cells: {shown}")]


def cell_differences(published: Content, cells: dict[str, list[Any]]) -> list[Difference]:
    """Compare columns with what their author knows they hold."""
    found = []
    for name, wanted in cells.items():
        if name not in published.names:
            found.append(Difference("cells", f"there is no column {name!r}"))
            continue
        values = published.columns[published.names.index(name)]
        found += [
            Difference("cells", item.detail)
            for item in _changed_cells(name, [comparable(value) for value in wanted], values)
        ]
    return found


def _aligned(left: list[Any], right: list[Any]) -> tuple[list[Any], list[Any], bool]:
    """Return both columns in one form, and whether times without zone became instants."""
    if any(isinstance(value, tuple) and value[:1] in {(INSTANT,), (NAIVE,)} for value in right):
        left = [instant(value) if isinstance(value, str) else value for value in left]
        kinds = {value[0] for value in right if isinstance(value, tuple)}
        is_assumed = kinds == {INSTANT} and any(v[0] == NAIVE for v in left if isinstance(v, tuple))
        if is_assumed:
            left = [(INSTANT, v[1]) if isinstance(v, tuple) else v for v in left]
        return left, right, is_assumed
    if Counter(left) == Counter(right):
        return left, right, False
    if any(isinstance(value, str) and value[:1] in "[{" for value in right if value):
        return [json_or_text(v) for v in left], [json_or_text(v) for v in right], False
    if _is_text(right) and not _is_text(left):
        return left, [_guessed(value) for value in right], False
    if any(isinstance(value, bool) for value in (*left, *right)):
        return [_truth(v) for v in left], [_truth(v) for v in right], False
    return left, right, False


def _is_text(values: list[Any]) -> bool:
    return all(value is None or isinstance(value, str) for value in values)


def _guessed(text: str | None) -> Any:
    """Return the number or truth that a reader makes of a text when it guesses types."""
    try:
        return text and comparable(float(text))
    except ValueError:
        return TRUTHS.get(text or "", text)


def _truth(value: Any) -> Any:
    """Return 1, 0 or None for a truth, as dBASE's letters or as a number."""
    return DBASE_TRUTHS.get(value, value) if isinstance(value, str) else value and int(value)


def _geometries(
    sources: list[Content], published: Content, declared: str | None
) -> list[Difference]:
    with_geometry = [source for source in sources if source.geometry is not None]
    if not with_geometry or published.geometry is None:
        if bool(with_geometry) == (published.geometry is not None):
            return []
        return [Difference("geometry", "the source and the table do not both have one")]
    before = [geometries_of(source.geometry or []) for source in with_geometry]
    after = geometries_of(published.geometry)
    unread = sum(item.unread for item in before)
    if after.unread:
        what = f"{after.unread} published geometries are refused by GEOS, {unread} of the source's"
        return [Difference("unreadable" if after.unread == unread else "geometry", what)]
    without = sum(source.rows for source in sources if source.geometry is None)
    found = _nulls(before, after, without)
    if unread:
        return found
    found += _types_and_vertices(before, after)
    if found:
        return found
    return _places(with_geometry, before, published, after, declared)


def _nulls(before: list[Geometries], after: Geometries, without: int) -> list[Difference]:
    nulls = sum(item.nulls for item in before) + without
    if nulls == after.nulls:
        return []
    return [Difference("nulls", f"{nulls} rows without geometry became {after.nulls}")]


def _types_and_vertices(before: list[Geometries], after: Geometries) -> list[Difference]:
    found = []
    vertices = sum((item.vertices for item in before), Counter())
    types = sum((item.types for item in before), Counter())
    if vertices != after.vertices:
        totals = [sum(n * count for n, count in c.items()) for c in (vertices, after.vertices)]
        found.append(Difference("vertices", f"{totals[0]} became {totals[1]}"))
    if types != after.types:
        found.append(Difference("types", f"{dict(types)} became {dict(after.types)}"))
    had_z = any(shapely.has_z(item.shapes).any() for item in before)
    if had_z != bool(shapely.has_z(after.shapes).any()):
        found.append(Difference("z", "heights came or went"))
    return found


def _places(
    sources: list[Content],
    before: list[Geometries],
    published: Content,
    after: Geometries,
    declared: str | None,
) -> list[Difference]:
    """Compare coordinates exactly where nothing was reprojected, else each extent."""
    crs = [CRS.from_user_input(declared) if declared else source.crs for source in sources]
    if any(item is None for item in crs) or published.crs is None:
        return []
    with_z = all(shapely.has_z(item.shapes).all() for item in before)
    if all(item.equals(published.crs, ignore_axis_order=True) for item in crs):
        shapes = (coordinates_of(item.shapes, with_z=with_z) for item in before)
        lost = sum(shapes, Counter()) - coordinates_of(after.shapes, with_z=with_z)
        if lost:
            return [Difference("coordinates", f"of {lost.total()} geometries changed")]
        return []
    moved = [
        _transformed(item.shapes, source, published.crs)
        for item, source in zip(before, crs, strict=True)
    ]
    wanted, extent = _bounds(np.concatenate(moved)), _bounds(after.shapes)
    close = np.isclose(wanted, extent, rtol=RELATIVE_TOLERANCE, atol=1e-9, equal_nan=True)
    if close.all():
        return []
    return [Difference("extent", f"{wanted.tolist()} became {extent.tolist()}")]


def _bounds(shapes: Any) -> Any:
    return shapely.total_bounds(shapes) if len(shapes) else np.full(4, np.nan)


def _transformed(shapes: Any, source: CRS, target: CRS) -> Any:
    transformer = Transformer.from_crs(source, target, always_xy=True)

    def moved(coordinates: Any) -> Any:
        return np.column_stack(transformer.transform(coordinates[:, 0], coordinates[:, 1]))

    return shapely.transform(shapely.force_2d(shapes), moved)
