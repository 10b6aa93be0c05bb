"""Tables without geometry of their own, as rows or as points: CSV, XLSX, JSON, Parquet.

What belongs here: bringing tables into PostGIS. What does not: finding them (`tabular_sources`),
reading them (`libs.tabular`), what happens to them afterwards (`tables`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from libs.compute.loading import LoadOrder, raw_shape
from libs.compute.tables import GeometryPlan
from libs.fidelity.tally import TableTally
from libs.models.errors import CrsError, SourceError, SpatialEtlError
from libs.models.fidelity import HopFacts
from libs.models.manifest import Manifest, Options
from libs.models.version import Column, Warn
from libs.pipeline.kinds.merging import (
    default_table,
    merge_columns,
    require_distinct_keys,
    table_crs,
)
from libs.pipeline.kinds.tables import TableKind, load_source
from libs.pipeline.kinds.tabular_sources import FoundTable, find_tables, no_such_column
from libs.pipeline.state import Fetched, Loaded, LoadedRows, TablePlan
from libs.pipeline.stopwatch import MEASURE
from libs.pipeline.workbench import Workbench
from libs.spatial_utils.crs import Crs, parse_crs
from libs.tabular.points import PointMaker
from libs.tabular.types import resolve

POINTS = GeometryPlan("Point")


@dataclass(frozen=True)
class TabularSource:
    """A table of a fetched file, and the table it goes to."""

    found: FoundTable
    table: str
    columns: tuple[Column, ...]
    crs: Crs | None
    is_swapped: bool = False

    @property
    def file(self) -> str:
        """The file as a user knows it."""
        return self.found.order.file

    @property
    def layer_name(self) -> str:
        """The sheet, or the stem of the file's name."""
        return self.found.order.layer

    @property
    def rows(self) -> int:
        """Rows that the survey counted."""
        return self.found.survey.rows

    @property
    def has_geometry(self) -> bool:
        """Whether its rows become points."""
        return self.crs is not None


class TabularKind(TableKind):
    """Rows of CSV, XLSX, JSON and Parquet files."""

    name = "tabular"

    def load(self, bench: Workbench, fetched: Fetched) -> Loaded:
        """Load all tables; raises `SourceError` or `CrsError` naming file, table and row."""
        manifest, dataset_id = fetched.intake.manifest, fetched.intake.dataset_id
        found, warnings = find_tables(bench, fetched)
        plans = _plans(manifest, dataset_id, found, warnings)
        tables = tuple(
            _load_table(bench, plan, number, manifest.options, warnings)
            for number, plan in enumerate(plans)
        )
        return Loaded(fetched, tables, tuple(warnings))


def _plans(
    manifest: Manifest, dataset_id: str, found: Sequence[FoundTable], warnings: list[Warn]
) -> list[TablePlan[TabularSource]]:
    groups: dict[str, list[FoundTable]] = {}
    for table in found:
        default, renamed = default_table(
            dataset_id, table.order.layer, is_only=table.is_only, file=table.order.file
        )
        if not table.file.table:
            warnings += renamed
        groups.setdefault(table.file.table or default, []).append(table)
    require_distinct_keys(list(groups))
    target = None
    if manifest.options.target_crs != "source":
        target = parse_crs(manifest.options.target_crs)
    has_points = manifest.options.x_column is not None
    plans = []
    for name, members in groups.items():
        sources = _sources(manifest, name, members)
        plans.append(
            TablePlan(
                name=name,
                sources=sources,
                columns=merge_columns(name, sources, manifest.options.union_columns),
                geometry=POINTS if has_points else None,
                crs=table_crs(name, sources, target) if has_points else None,
            )
        )
    return plans


def _sources(
    manifest: Manifest, table: str, members: Sequence[FoundTable]
) -> tuple[TabularSource, ...]:
    """Return the sources of a table; kinds of values are put together over all of them."""
    kinds: dict[str, frozenset[str]] = {}
    for member in members:
        for column in member.survey.columns:
            kinds[column.name] = kinds.get(column.name, frozenset()) | column.kinds
    return tuple(
        TabularSource(
            found=member,
            table=table,
            columns=tuple(
                Column(name=c.name, type=c.type or resolve(kinds[c.name], c.mixed))
                for c in member.survey.columns
            ),
            crs=_source_crs(manifest, member),
        )
        for member in members
    )


def _source_crs(manifest: Manifest, found: FoundTable) -> Crs | None:
    if manifest.options.x_column is None:
        return None
    file, layer = found.order.file, found.order.layer
    if found.file.crs is None:
        raise CrsError(
            "crs.missing",
            "expected the CRS of the coordinates in the manifest, found none.",
            remedy='Declare it: files[].crs, e.g. "EPSG:4326" for longitude and latitude.',
            file=file,
            layer=layer,
        )
    return parse_crs(found.file.crs, file=file, layer=layer)


def _load_table(
    bench: Workbench,
    plan: TablePlan[TabularSource],
    number: int,
    options: Options,
    warnings: list[Warn],
) -> LoadedRows:
    names = tuple(f"raw_{number}_{position}" for position in range(len(plan.sources)))
    read, loaded = [], []
    for name, source in zip(names, plan.sources, strict=True):
        points = _point_maker(source, options)
        tally = TableTally(
            [column.type for column in source.columns], has_geometry=points is not None
        )
        loaded.append(_load_source(bench, source, name, points, tally))
        read.append(tally.facts)
        bench.stopwatch.move(tally.seconds, "load", MEASURE)
        if points:
            warnings += _point_warnings(source, points, options)
    return LoadedRows(
        name=plan.name,
        rows=sum(facts.rows for facts in loaded),
        parts=len(loaded),
        plan=plan,
        raw_tables=names,
        read=tuple(read),
        loaded=tuple(loaded),
    )


def _load_source(
    bench: Workbench,
    source: TabularSource,
    table: str,
    points: PointMaker | None,
    tally: TableTally,
) -> HopFacts:
    batches = source.found.reader.batches([column.type for column in source.columns])
    relay = _Relay(tally.passing(points.added(batches) if points else batches))
    shape = raw_shape(source.columns, has_geometry=points is not None)
    order = LoadOrder(table, shape, source.file, source.layer_name)
    try:
        return load_source(bench, order, relay.batches())
    except SpatialEtlError as err:
        if relay.error is None:
            raise
        if isinstance(relay.error, SpatialEtlError):
            raise relay.error from err
        raise source.found.order.refusal(
            "not_converted",
            f"expected values that a table in PostGIS can hold, found: {relay.error}.",
            remedy="Convert the column to text and drop the file again.",
        ) from relay.error


@dataclass
class _Relay:
    """Batches on their way through Arrow's C interface, which keeps only an error's words."""

    source: Iterator[pa.RecordBatch]
    error: Exception | None = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self.source
        except (SpatialEtlError, pa.ArrowException, ValueError) as err:
            self.error = err
            raise


def _point_maker(source: TabularSource, options: Options) -> PointMaker | None:
    if source.crs is None:
        return None
    wanted = [name for name in (options.x_column, options.y_column) if name is not None]
    there = [column.name for column in source.columns]
    missing = [name for name in wanted if name not in there]
    if missing:
        raise no_such_column(
            source.found.order, missing, there, "options.x_column and options.y_column"
        )
    x, y = (there.index(name) for name in wanted)
    for column in (source.columns[x], source.columns[y]):
        if column.type not in {"text", "smallint", "integer", "bigint", "real", "double"}:
            raise source.found.order.refusal(
                "coordinates",
                f"expected numbers or text in column {column.name!r}, found {column.type}.",
                remedy="Correct options.x_column and options.y_column.",
            )
    return PointMaker(x, y, source.crs.is_in_degrees)


def _point_warnings(source: TabularSource, points: PointMaker, options: Options) -> list[Warn]:
    order, said = source.found.order, []
    if points.wrong.count and options.bad_rows == "refuse":
        raise _wrong_coordinates(source, points)
    if points.wrong.count:
        message = f"{points.wrong.shown} have no usable coordinates ({points.first_wrong} in the "
        message += "first) and got no geometry."
        said.append(order.warn("source.coordinates_kept", message))
    if points.without.count:
        message = f"{points.without.shown} have no coordinates and got no geometry."
        said.append(order.warn("source.without_coordinates", message))
    return said


def _wrong_coordinates(source: TabularSource, points: PointMaker) -> SourceError:
    limits = " within ±180 (x) and ±90 (y) degrees" if points.is_degrees else ""
    return source.found.order.refusal(
        "coordinates",
        f"expected two finite numbers with a decimal point{limits}, found others in "
        f"{points.wrong.shown}: {points.first_wrong} in the first.",
        remedy="Correct the rows, check that x_column is the longitude or easting and files[].crs "
        "is right, or set options.bad_rows to 'keep' for rows without geometry.",
        row=points.wrong.first,
    )
