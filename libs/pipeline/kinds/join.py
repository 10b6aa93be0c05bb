"""Joins: two published tables brought together in PostGIS, from the lake's own files.

What belongs here: what a join makes of its sides, and when their meeting is refused. What does not:
the statements (`libs.compute.joining`), the rest of a table's way (`libs.pipeline.kinds.tables`).
"""

from psycopg2 import sql

from libs.compute import joining
from libs.compute.export_names import distinct_names
from libs.compute.loading import LoadOrder
from libs.compute.measure import TableFacts, measure_hop
from libs.compute.offenders import Rows
from libs.compute.srid import ensure_srid
from libs.compute.tables import GeometryPlan, TableShape
from libs.fidelity.tally import TableTally
from libs.models.errors import JoinError
from libs.models.fidelity import HopFacts
from libs.models.manifest import Manifest
from libs.models.version import (
    Column,
    JoinStatistics,
    Output,
    TableVersion,
    Warn,
)
from libs.pipeline.check import require_equal
from libs.pipeline.hops import require_same
from libs.pipeline.kinds.join_geometries import (
    invalid_warnings,
    judge_ways,
    naming_rows,
    repair_warnings,
    side_ways,
)
from libs.pipeline.kinds.join_sides import (
    JoinSource,
    batches_of,
    require_possible,
    shape_of,
    source_of,
)
from libs.pipeline.kinds.tables import TableKind, load_source
from libs.pipeline.state import (
    DumpedTable,
    Fetched,
    Loaded,
    LoadedRows,
    TablePlan,
    TransformedJoin,
    TransformedRows,
)
from libs.pipeline.stopwatch import MEASURE
from libs.pipeline.workbench import Workbench
from libs.spatial_utils.crs import Crs, parse_crs

RAW_TABLES = ("raw_left", "raw_right")
PLACED_TABLES = ("placed_left", "placed_right")


class JoinKind(TableKind):
    """A left and a right table, by key or by predicate."""

    name = "join"

    def load(self, bench: Workbench, fetched: Fetched) -> Loaded:
        """Load both sides; raises `JoinError` where the manifest asks for what they lack."""
        manifest = fetched.intake.manifest
        sources = tuple(source_of(dataset) for dataset in fetched.datasets)
        require_possible(manifest, sources)
        sides = [
            _load_side(bench, source, table)
            for source, table in zip(sources, RAW_TABLES, strict=True)
        ]
        read, held = zip(*sides, strict=True)
        plan, warnings = _plan(manifest, fetched.intake.dataset_id, sources)
        table = LoadedRows(
            name=plan.name,
            rows=sum(facts.rows for facts in held),
            parts=len(held),
            plan=plan,
            raw_tables=RAW_TABLES,
            read=read,
            loaded=held,
        )
        return Loaded(fetched, (table,), tuple(warnings))

    def transform(
        self, bench: Workbench, loaded: Loaded, table: LoadedRows, number: int
    ) -> tuple[TransformedJoin, list[Warn]]:
        """Find the pairs, count them, and make the rows."""
        postgis, plan, name = bench.clients.postgis, table.plan, f"out_{number}"
        order = _order(bench, loaded.intake.manifest, table)
        srid = ensure_srid(postgis, plan.crs) if plan.crs else 0
        ways = side_ways(table, order, srid)
        with naming_rows(bench, ways[:1]):
            joining.place_sides(postgis, bench.schema, order)
        statistics, pairs = joining.find_pairs(postgis, bench.schema, order)
        _require_expected(bench, loaded.intake.manifest, order, statistics)
        with naming_rows(bench, ways[1:]):
            joining.join_rows(postgis, bench.schema, order, name, plan.shape, srid)
        facts = TableFacts(measure_hop(postgis, bench.schema, name, plan.shape))
        transformations, warnings = judge_ways(bench, ways, facts)
        joined = TransformedJoin(
            name=plan.name,
            facts=facts,
            crs=plan.crs,
            columns=plan.columns,
            file=plan.sources[0].file,
            layer=plan.sources[0].layer_name,
            transformations=transformations,
            table=name,
            loaded=table,
            is_repaired=order.repair,
            how=order.how,
            statistics=statistics,
            pairs=pairs,
        )
        warnings += repair_warnings(bench, table, order)
        return joined, warnings + _statistics_warnings(joined)

    def rows(self, bench: Workbench, table: TransformedRows) -> Rows:
        """Return the rows of a join, numbered as they will be published."""
        joined = sql.Identifier(bench.schema, table.table)
        numbered = sql.SQL("(SELECT *, 0 AS __source, row_number() OVER () AS __number FROM {})")
        return Rows(table=joined, numbered=numbered.format(joined))

    def check(self, bench: Workbench, table: TransformedRows) -> tuple[int, list[Warn]]:
        """Compare the rows of both sides, and those of the join with what the pairs make."""
        assert isinstance(table, TransformedJoin)  # noqa: S101 - what `transform` returned
        compared = sum(
            require_same(table, f"loaded from {source.file}", source.columns, read, found)
            for source, read, found in zip(
                table.plan.sources, table.loaded.read, table.loaded.loaded, strict=True
            )
        )
        how, statistics = table.how, table.statistics
        expected = table.pairs
        if how in {"left", "outer"}:
            expected += statistics.left_rows - statistics.left_matched
        if how in {"right", "outer"}:
            expected += statistics.right_rows - statistics.right_matched
        require_equal(table, "rows_joined", f"rows of the {how} join", expected, table.facts.rows)
        return compared + 1, invalid_warnings(bench, table)

    def describe(self, table: DumpedTable, outputs: tuple[Output, ...]) -> TableVersion:
        """Return the table with its match statistics."""
        joined = table.table
        assert isinstance(joined, TransformedJoin)  # noqa: S101 - what `transform` returned
        described = super().describe(table, outputs)
        return described.model_copy(update={"join": joined.statistics})


def _load_side(bench: Workbench, source: JoinSource, table: str) -> tuple[HopFacts, HopFacts]:
    """Return what was read of a side, and what PostGIS then held."""
    tally = TableTally([column.type for column in source.columns], has_geometry=source.has_geometry)
    order = LoadOrder(table, shape_of(source), source.file, source.layer_name)
    batches = tally.passing(batches_of(source))
    loaded = load_source(bench, order, batches)
    bench.stopwatch.move(tally.seconds, "load", MEASURE)
    return tally.facts, loaded


def _plan(
    manifest: Manifest, dataset_id: str, sources: tuple[JoinSource, ...]
) -> tuple[TablePlan[JoinSource], list[Warn]]:
    left, right = sources
    added = []
    if manifest.options.predicate == "nearest":
        added.append(Column(name="distance_m", type="double"))
    if left.has_geometry and right.has_geometry:
        added.append(Column(name="right_geometry", type="binary"))
    taken = {column.name for column in left.columns}
    wanted = [
        f"right_{column.name}" if column.name in taken else column.name for column in right.columns
    ]
    names = distinct_names(
        [column.name for column in left.columns] + wanted + [column.name for column in added],
        fold_case=False,
    )
    types = [column.type for column in (*left.columns, *right.columns, *added)]
    columns = tuple(Column(name=name, type=kind) for name, kind in zip(names, types, strict=True))
    renamed = [
        f"{column.name!r} is {name!r}"
        for column, name in zip(right.columns, names[len(left.columns) :], strict=False)
        if column.name != name
    ]
    warnings = []
    if renamed:
        warnings.append(
            Warn(
                code="join.column_prefixed",
                message=f"The left side has these columns too: {', '.join(renamed)}.",
                file=right.file,
                layer=right.layer_name,
            )
        )
    plan = TablePlan(
        name=dataset_id.rpartition("/")[2],
        sources=sources,
        columns=columns,
        geometry=_geometry(left if left.has_geometry else right, manifest.options.repair),
        crs=_target_crs(manifest, left, right),
    )
    return plan, warnings


def _geometry(owner: JoinSource, is_repaired: bool) -> GeometryPlan | None:
    if not owner.has_geometry:
        return None
    types = owner.dataset.table.geometry_types
    flat = {name.partition(" ")[0] for name in types}
    only = flat.pop() if len(flat) == 1 and not is_repaired else "Geometry"
    return GeometryPlan(only, has_z=any(name.endswith(" Z") for name in types))


def _target_crs(manifest: Manifest, left: JoinSource, right: JoinSource) -> Crs | None:
    own = left.crs or right.crs
    if own is None or manifest.options.target_crs == "source":
        return own
    return parse_crs(manifest.options.target_crs)


def _order(bench: Workbench, manifest: Manifest, table: LoadedRows) -> joining.JoinOrder:
    options = manifest.options
    left, right = (
        joining.Side(
            raw_table=raw,
            table=placed if source.crs else raw,
            shape=TableShape(source.columns, None),
            srid=ensure_srid(bench.clients.postgis, source.crs) if source.crs else None,
        )
        for source, raw, placed in zip(
            table.plan.sources, table.raw_tables, PLACED_TABLES, strict=True
        )
    )
    names = [[column.name for column in side.shape.columns] for side in (left, right)]
    return joining.JoinOrder(
        left=left,
        right=right,
        how=options.how,
        keys=tuple(
            (names[0].index(pair.left), names[1].index(pair.right)) for pair in options.on or ()
        ),
        predicate=options.predicate,
        max_distance_m=options.max_distance_m,
        repair=options.repair,
    )


def _require_expected(
    bench: Workbench, manifest: Manifest, order: joining.JoinOrder, found: JoinStatistics
) -> None:
    options = manifest.options
    if (
        found.left_rows
        and found.right_rows
        and not found.left_matched
        and not options.allow_no_match
    ):
        raise JoinError(
            "join.no_match",
            f"expected rows that match, found none among {found.left_rows} left and "
            f"{found.right_rows} right rows.",
            remedy="Check the keys or the CRSs; options.allow_no_match publishes it all the same.",
        )
    if options.min_match_rate is not None and found.match_rate < options.min_match_rate:
        raise JoinError(
            "join.match_rate",
            f"expected at least {options.min_match_rate:.1%} of the left rows to match, found "
            f"{found.left_matched} of {found.left_rows} ({found.match_rate:.1%}).",
            remedy="Correct the keys, or lower options.min_match_rate.",
        )
    sides = {"many_to_one": ("left",), "one_to_one": ("left", "right")}.get(
        options.expect or "", ()
    )
    for side in sides:
        several = (
            found.left_matched_more_than_once
            if side == "left"
            else found.right_matched_more_than_once
        )
        if several:
            examples = joining.matched_more_than_once(
                bench.clients.postgis, bench.schema, order, side
            )
            raise JoinError(
                f"join.not_{options.expect}",
                f"expected each {side} row to match at most once, found {several} that match more "
                f"often, e.g. {'; '.join(map(repr, examples))}.",
                remedy="Make the key unique on the other side, or leave out options.expect.",
            )


def _statistics_warnings(joined: TransformedJoin) -> list[Warn]:
    found = joined.statistics
    said = [
        (found.left_rows - found.left_matched, "left rows have no match"),
        (found.right_rows - found.right_matched, "right rows have no match"),
        (found.left_matched_more_than_once, "left rows match more than once"),
        (found.left_null_keys, "left rows have no key"),
        (found.right_null_keys, "right rows have no key"),
    ]
    parts = [f"{count} {what}" for count, what in said if count]
    if not parts:
        return []
    kept = f"A {joined.how} join kept {joined.facts.rows} rows: {', '.join(parts)}."
    return [Warn(code="join.not_one_to_one", message=kept)]
