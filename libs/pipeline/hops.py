"""Two hops of a table, compared: what the one must hold, given what the other held.

What belongs here: which changes are meant (types made multi, sources appended), and the refusal of
every other. What does not: measuring (`libs.fidelity`, `libs.compute.measure`).
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from libs.compute.tables import GeometryPlan
from libs.fidelity.tally import shown
from libs.fidelity.wkb import union
from libs.models.errors import FidelityError
from libs.models.fidelity import ColumnFacts, GeometryFacts, HopFacts
from libs.models.version import Column
from libs.pipeline.kinds.geometry_planning import LINEAR_TYPES, SURFACE_TYPES, plain_type
from libs.pipeline.state import TransformedTable

REMEDY = (
    "Nothing was published. Report the drop's id with the file: the pipeline lost or changed data."
)
SHOWN = 5
REPAIRED = frozenset({"empty_geometries", "geometry_types", "vertices", "extent"})
REPROJECTED = frozenset({"extent"})
LINEARISED = frozenset({"vertices", "extent"})
MADE_FLAT = frozenset({"geometry_types"})
CURVED = frozenset({"extent"})
"""Of curves we read the points, PostGIS the arcs between them."""


def require_same(
    table: TransformedTable,
    hop: str,
    columns: Sequence[Column],
    expected: HopFacts,
    found: HopFacts,
    excused: frozenset[str] = frozenset(),
) -> int:
    """Return how many facts were compared; raises `FidelityError` naming those that differ.

    `excused` are facts that were changed on purpose. The first fact that differs gives the code,
    `fidelity.<fact>`.
    """
    pairs = [
        (fact, one, other)
        for fact, one, other in _facts(columns, expected, found)
        if fact.partition(" ")[0] not in excused
    ]
    wrong = [(fact, one, other) for fact, one, other in pairs if one != other]
    if wrong:
        said = "; ".join(
            f"{fact.replace('_', ' ')}: expected {one}, found {other}"
            for fact, one, other in wrong[:SHOWN]
        )
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise FidelityError(
            f"fidelity.{wrong[0][0].partition(' ')[0]}",
            f"Table {table.name!r}, {hop}: {said}{more}.",
            remedy=REMEDY,
            file=table.file,
            layer=table.layer,
        )
    return len(pairs)


def _facts(
    columns: Sequence[Column], expected: HopFacts, found: HopFacts
) -> Iterator[tuple[str, object, object]]:
    yield "rows", expected.rows, found.rows
    one, other = expected.geometry, found.geometry
    if one is not None or other is not None:
        one, other = one or GeometryFacts(), other or GeometryFacts()
        yield "null_geometries", one.nulls, other.nulls
        yield "empty_geometries", one.empties, other.empties
        yield "geometry_types", one.types, other.types
        yield "vertices", one.vertices, other.vertices
        yield "extent", one.bbox, other.bbox
    names = [column.name for column in columns]
    for name, ours, theirs in zip(names, expected.columns, found.columns, strict=True):
        yield f"column_nulls of {name!r}", ours.nulls, theirs.nulls
        yield f"column_values of {name!r}", ours.checksum, theirs.checksum


def appended(
    sources: Sequence[HopFacts], positions: Sequence[tuple[int | None, ...]], *, has_geometry: bool
) -> HopFacts:
    """Return what a table must hold that its sources are appended to.

    `positions` gives for each source where each column of the table stands in it, None where it
    lacks the column.
    """
    columns = []
    for places in zip(*positions, strict=True):
        parts = [
            ColumnFacts(nulls=source.rows, checksum=shown(0))
            if place is None
            else source.columns[place]
            for source, place in zip(sources, places, strict=True)
        ]
        columns.append(
            ColumnFacts(
                nulls=sum(part.nulls for part in parts),
                checksum=shown(sum(int(part.checksum, 16) for part in parts)),
            )
        )
    return HopFacts(
        rows=sum(source.rows for source in sources),
        columns=tuple(columns),
        geometry=_collected(sources) if has_geometry else None,
    )


def _collected(sources: Sequence[HopFacts]) -> GeometryFacts:
    nulls, empties, vertices, bbox = 0, 0, 0, None
    types: Counter[str] = Counter()
    for source in sources:
        if source.geometry is None:
            nulls += source.rows
            continue
        nulls += source.geometry.nulls
        empties += source.geometry.empties
        vertices += source.geometry.vertices
        types.update(source.geometry.types)
        bbox = union(bbox, source.geometry.bbox)
    return GeometryFacts(
        nulls=nulls, empties=empties, types=dict(types), vertices=vertices, bbox=bbox
    )


def shaped(facts: HopFacts, plan: GeometryPlan | None) -> HopFacts:
    """Return the facts with the geometry types that the plan of a table makes of them."""
    if facts.geometry is None or plan is None:
        return facts
    types: Counter[str] = Counter()
    for name, rows in facts.geometry.types.items():
        types[_planned_type(name.partition(" ")[0], plan)] += rows
    geometry = facts.geometry.model_copy(update={"types": dict(types)})
    return facts.model_copy(update={"geometry": geometry})


def _planned_type(flat: str, plan: GeometryPlan) -> str:
    name = plain_type(flat)
    if plan.type_name == f"Multi{name}":
        name = plan.type_name
    return f"{name} {plan.dimensions}".strip()


def has_curves(facts: HopFacts) -> bool:
    """Return whether a geometry is a curve."""
    return bool(flat_types(facts) & LINEAR_TYPES.keys())


def has_surfaces(facts: HopFacts) -> bool:
    """Return whether a geometry is made of faces."""
    return not flat_types(facts).isdisjoint(SURFACE_TYPES)


def flat_types(facts: HopFacts) -> set[str]:
    """Return the geometry types without their dimensions."""
    types = facts.geometry.types if facts.geometry else {}
    return {name.partition(" ")[0] for name in types}


def without_m(facts: HopFacts) -> HopFacts:
    """Return the facts of a table whose M values were left out."""
    if facts.geometry is None:
        return facts
    types: Counter[str] = Counter()
    for name, rows in facts.geometry.types.items():
        types[name.replace(" ZM", " Z").replace(" M", "")] += rows
    geometry = facts.geometry.model_copy(update={"types": dict(types)})
    return facts.model_copy(update={"geometry": geometry})
