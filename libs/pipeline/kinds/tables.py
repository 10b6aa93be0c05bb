"""Tables in PostGIS: what vector data, tabular data and joins have in common.

What belongs here: transform, check, dump and description of a table in the ephemeral schema. What
does not: how its rows got there (`vector` and its siblings).
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
from psycopg2 import sql

from libs.compute.geometry_survey import count_empty_parts
from libs.compute.geoparquet import ParquetOrder, read_parquet, write_parquet
from libs.compute.loading import LoadOrder, load_batches
from libs.compute.measure import TableFacts, is_finite, measure_hop
from libs.compute.offenders import Rows
from libs.compute.ogr_export import (
    ExportOrder,
    columns_as_text,
    expected_columns,
    export_table,
    read_back,
)
from libs.compute.plain_geometry import NestedShapes
from libs.compute.srid import ensure_srid
from libs.compute.transform import (
    TransformOrder,
    TransformSource,
    numbered_rows,
    transform_table,
)
from libs.models.errors import FidelityError, SourceError
from libs.models.fidelity import HopFacts, Hops
from libs.models.version import (
    Output,
    SourceRef,
    SourceRows,
    TableVersion,
    Transformation,
    Warn,
)
from libs.pipeline.hops import (
    CURVED,
    LINEARISED,
    MADE_FLAT,
    REPAIRED,
    REPROJECTED,
    appended,
    flat_types,
    has_curves,
    has_surfaces,
    require_same,
    shaped,
    without_m,
)
from libs.pipeline.kinds.base import Kind
from libs.pipeline.kinds.format_warnings import layer_warnings, parquet_warnings
from libs.pipeline.kinds.geometries import coordinate_warnings, invalid_geometry_warnings
from libs.pipeline.kinds.geometry_planning import narrowed
from libs.pipeline.kinds.reprojecting import (
    Reprojection,
    judge_reprojection,
    require_transformable,
    require_ways,
)
from libs.pipeline.state import (
    DumpedFile,
    DumpedTable,
    Loaded,
    LoadedRows,
    TableSource,
    TransformedRows,
)
from libs.pipeline.stopwatch import MEASURE
from libs.pipeline.workbench import Workbench
from libs.spatial_utils.drivers import OUTPUT_DRIVERS, OUTPUT_SUFFIXES

DEFAULT_FORMATS = ("geoparquet", "flatgeobuf")
OF_PARTS = ("Multi", "GeometryCollection")


def load_source(bench: Workbench, order: LoadOrder, batches: Iterator[pa.RecordBatch]) -> HopFacts:
    """Load a source, and return what its table holds then; raises what `load_batches` raises."""
    with bench.stopwatch.timed("load"):
        load_batches(bench.clients.postgis, bench.schema, order, batches)
    with bench.stopwatch.timed(MEASURE):
        return measure_hop(bench.clients.postgis, bench.schema, order.table, order.shape)


class TableKind(Kind[LoadedRows, TransformedRows]):
    """A kind whose tables are loaded into PostGIS."""

    def transform(
        self, bench: Workbench, loaded: Loaded, table: LoadedRows, number: int
    ) -> tuple[TransformedRows, list[Warn]]:
        """Run the one fused statement of a table and measure what it made."""
        postgis, plan, name = bench.clients.postgis, table.plan, f"out_{number}"
        warnings = coordinate_warnings(bench, table)
        order = _order(bench, table, name, repair=loaded.intake.manifest.options.repair)
        reprojection = None
        if plan.crs:
            reprojection = Reprojection(table, order.sources, plan.crs, order.target_srid)
            require_ways(reprojection)
        try:
            with bench.stopwatch.timed("transform"):
                transform_table(postgis, bench.schema, order)
        except SourceError:
            if reprojection:
                require_transformable(bench, reprojection)
            raise
        with bench.stopwatch.timed(MEASURE):
            facts = TableFacts(measure_hop(postgis, bench.schema, name, plan.shape))
        transformations: tuple[Transformation, ...] = ()
        if reprojection:
            transformations, said = judge_reprojection(bench, reprojection, facts)
            warnings += said
        if plan.geometry:
            plan = replace(plan, geometry=narrowed(plan.geometry, facts.geometry_types))
        transformed = TransformedRows(
            name=plan.name,
            facts=facts,
            crs=plan.crs,
            columns=plan.columns,
            file=plan.sources[0].file,
            layer=plan.sources[0].layer_name,
            transformations=transformations,
            table=name,
            loaded=replace(table, plan=plan),
            is_repaired=order.repair,
            empty_parts=_empty_parts(bench, name, facts.hop),
        )
        return transformed, warnings

    def rows(self, bench: Workbench, table: TransformedRows) -> Rows:
        """Return the rows of a table, numbered as they stand in their sources."""
        return Rows(
            table=sql.Identifier(bench.schema, table.table),
            numbered=numbered_rows(bench.schema, _order(bench, table.loaded, table.table)),
            sources=tuple((source.file, source.layer_name) for source in table.plan.sources),
        )

    def check(self, bench: Workbench, table: TransformedRows) -> tuple[int, list[Warn]]:
        """Compare what was read with what was loaded, and that with what it was made into."""
        return _compare_hops(table), invalid_geometry_warnings(bench, table)

    def formats(
        self, table: TransformedRows, wanted: tuple[str, ...] | None
    ) -> tuple[list[str], list[Warn]]:
        """Return what was asked for; Parquet or GeoPackage where that cannot hold the rows."""
        warnings = []
        formats: list[str] = []
        default = DEFAULT_FORMATS if table.plan.geometry else ("parquet",)
        for name in wanted or default:
            instead, why = _holding_format(table, name)
            if instead != name:
                warnings.append(
                    Warn(
                        code="output.other_format",
                        message=f"Table {table.name!r} was written as {instead} instead of {name}, "
                        f"because {why}.",
                    )
                )
            if instead not in formats:
                formats.append(instead)
        return formats, warnings

    def write(
        self, bench: Workbench, table: TransformedRows, output_format: str, folder: Path
    ) -> tuple[DumpedFile, list[Warn]]:
        """Write Parquet through Arrow, anything else with ogr2ogr; compare what is read back."""
        path = folder / f"table{OUTPUT_SUFFIXES[output_format]}"
        if output_format in OUTPUT_DRIVERS:
            return _write_layer(bench, table, output_format, path)
        order = ParquetOrder(
            bench.schema, table.table, table.plan.shape, table.facts, table.crs, path
        )
        with bench.stopwatch.timed(output_format):
            names = write_parquet(bench.clients.postgis, order)
        with bench.stopwatch.timed(MEASURE):
            holds = read_parquet(path, table.plan.shape)
        expected = table.facts.hop
        if output_format == "geoparquet":
            expected = without_m(expected)
        require_same(table, f"written as {output_format}", table.columns, expected, holds)
        file = DumpedFile(output_format, path, holds, path.stat().st_size)
        return file, parquet_warnings(table, output_format, names)

    def describe(self, table: DumpedTable, outputs: tuple[Output, ...]) -> TableVersion:
        """Return the table as the version document shows it."""
        transformed = table.table
        assert isinstance(transformed, TransformedRows)  # noqa: S101 - what `transform` returned
        plan, facts = transformed.plan, transformed.facts
        sources = tuple(
            SourceRows(file=source.file, layer=source.layer_name, rows=source.rows)
            for source in plan.sources
        )
        return TableVersion(
            name=plan.name,
            rows=facts.rows,
            columns=plan.columns,
            geometry_types=facts.geometry_types,
            crs=plan.crs.name if plan.crs else None,
            bbox=facts.bbox,
            source=SourceRef(file=sources[0].file, layer=sources[0].layer),
            sources=sources,
            transformations=transformed.transformations,
            hops=Hops(
                read=transformed.loaded.read,
                loaded=transformed.loaded.loaded,
                transformed=facts.hop,
                written={file.format: file.holds for file in table.files},
            ),
            outputs=outputs,
        )


def _order(
    bench: Workbench, table: LoadedRows, target: str, *, repair: bool = False
) -> TransformOrder:
    plan = table.plan
    return TransformOrder(
        target=target,
        target_srid=ensure_srid(bench.clients.postgis, plan.crs) if plan.crs else 0,
        shape=plan.shape,
        sources=tuple(
            _transform_source(bench, table, number) for number in range(len(plan.sources))
        ),
        repair=repair,
    )


def _transform_source(bench: Workbench, table: LoadedRows, number: int) -> TransformSource:
    source, facts = table.plan.sources[number], table.loaded[number]
    nested = table.nested[number] if table.nested else NestedShapes()
    surfaces = has_surfaces(facts) or nested.surfaces > 0
    return TransformSource(
        table=table.raw_tables[number],
        srid=ensure_srid(bench.clients.postgis, source.crs) if source.crs else 0,
        is_swapped=source.is_swapped,
        positions=_positions(table, source),
        has_geometry=source.has_geometry,
        is_plain=not (surfaces or has_curves(facts) or nested.curves),
        can_repair=not surfaces,
    )


def _empty_parts(bench: Workbench, name: str, facts: HopFacts) -> int:
    if not any(name.startswith(OF_PARTS) for name in flat_types(facts)):
        return 0
    return count_empty_parts(bench.clients.postgis, bench.schema, name)


def _positions(table: LoadedRows, source: TableSource) -> tuple[int | None, ...]:
    """Return where each published column stands in a source.

    Columns are matched by name; a name that stands more than once, by its how-manieth.
    """
    own = [column.name for column in source.columns]
    seen: dict[str, int] = {}
    positions: list[int | None] = []
    for column in table.plan.columns:
        places = [place for place, name in enumerate(own) if name == column.name]
        occurrence = seen.get(column.name, 0)
        seen[column.name] = occurrence + 1
        positions.append(places[occurrence] if occurrence < len(places) else None)
    return tuple(positions)


def _compare_hops(table: TransformedRows) -> int:
    plan, loaded = table.plan, table.loaded
    compared = 0
    for source, read, found in zip(plan.sources, loaded.read, loaded.loaded, strict=True):
        excused = CURVED if loaded.has_nested_curves or has_curves(read) else frozenset()
        hop = f"loaded from {source.file}"
        compared += require_same(table, hop, source.columns, read, found, excused)
    if table.facts.bbox and not is_finite(table.facts.bbox):
        raise FidelityError(
            "fidelity.not_finite",
            f"Table {table.name!r}: expected finite coordinates, found the extent "
            f"{list(table.facts.bbox)}.",
            remedy="Correct coordinates that are infinite, not a number, or outside the area the "
            "target CRS is made for; or set options.target_crs to 'source'.",
            file=table.file,
            layer=table.layer,
        )
    expected = appended(
        loaded.loaded,
        [_positions(loaded, source) for source in plan.sources],
        has_geometry=plan.geometry is not None,
    )
    return compared + require_same(
        table,
        "transformed",
        plan.columns,
        shaped(expected, plan.geometry),
        table.facts.hop,
        _excused(table),
    )


def _excused(table: TransformedRows) -> frozenset[str]:
    """Return which facts the transform changes on purpose."""
    excused: frozenset[str] = frozenset()
    if table.is_repaired:
        excused |= REPAIRED
    if table.transformations or any(source.is_swapped for source in table.plan.sources):
        excused |= REPROJECTED
    if table.loaded.has_nested_curves or any(map(has_curves, table.loaded.loaded)):
        excused |= LINEARISED
    if table.loaded.has_nested_surfaces:
        excused |= MADE_FLAT
    return excused


def _write_layer(
    bench: Workbench, table: TransformedRows, output_format: str, path: Path
) -> tuple[DumpedFile, list[Warn]]:
    """Write a table with ogr2ogr, read it back, and hold it against what was selected for it."""
    postgis, gdal, shape = bench.clients.postgis, bench.clients.gdal, table.plan.shape
    order = ExportOrder(
        bench.schema,
        table.table,
        table.name,
        shape,
        table.facts.rows,
        output_format,
        path,
        as_text=columns_as_text(postgis, bench.schema, table.table, shape),
    )
    with bench.stopwatch.timed(output_format):
        names = export_table(postgis, gdal, order)
    with bench.stopwatch.timed(MEASURE):
        holds = read_back(gdal, order)
        columns = expected_columns(postgis, order, table.facts.hop)
    expected = table.facts.hop.model_copy(update={"columns": columns})
    require_same(table, f"written as {output_format}", table.columns, expected, holds)
    file = DumpedFile(output_format, path, holds, path.stat().st_size)
    return file, layer_warnings(table, order, names, columns)


def _holding_format(table: TransformedRows, wanted: str) -> tuple[str, str]:
    """Return the format that can hold the table in place of `wanted`, and why another."""
    missing = table.facts.geometry.nulls + table.facts.geometry.empties
    if table.plan.geometry is None and wanted != "gpkg":
        return "parquet", "it has no geometry"
    if wanted == "cog":
        return "geoparquet", "it is no raster"
    if wanted == "parquet":
        return "geoparquet", "it has a geometry"
    if wanted == "flatgeobuf" and missing:
        return "gpkg", f"{missing} of its rows have no or an empty geometry"
    if wanted == "flatgeobuf" and table.empty_parts:
        return "gpkg", f"{table.empty_parts} of its geometries have an empty part"
    return wanted, ""
