"""Tables in PostGIS: what vector data, tabular data and joins have in common.

What belongs here: transform, check, dump and description of a table in the ephemeral schema. What
does not: how its rows got there (`vector` and its siblings).
"""

from pathlib import Path

import pyarrow.parquet as pq

from libs.compute.geoparquet import ParquetOrder, write_parquet
from libs.compute.measure import invalid_places, is_finite, measure_table
from libs.compute.ogr_export import ExportOrder, export_table
from libs.compute.srid import ensure_srid
from libs.compute.tables import GEOMETRY_COLUMN
from libs.compute.transform import TransformOrder, TransformSource, transform_table
from libs.models.errors import FidelityError
from libs.models.version import (
    Hops,
    Output,
    SourceRef,
    SourceRows,
    TableVersion,
    Transformation,
    Warn,
)
from libs.pipeline.check import require_equal
from libs.pipeline.kinds.base import Kind
from libs.pipeline.kinds.transformations import transformation_warnings
from libs.pipeline.state import (
    DumpedFile,
    DumpedTable,
    Loaded,
    LoadedRows,
    TableSource,
    TransformedRows,
)
from libs.pipeline.workbench import Workbench
from libs.spatial_utils.crs import describe_transformation
from libs.spatial_utils.drivers import OUTPUT_DRIVERS, OUTPUT_SUFFIXES

DEFAULT_FORMATS = ("geoparquet", "flatgeobuf")


class TableKind(Kind[LoadedRows, TransformedRows]):
    """A kind whose tables are loaded into PostGIS."""

    def transform(
        self, bench: Workbench, loaded: Loaded, table: LoadedRows, number: int
    ) -> tuple[TransformedRows, list[Warn]]:
        """Run the one fused statement of a table and measure what it made."""
        postgis, plan, name = bench.clients.postgis, table.plan, f"out_{number}"
        order = TransformOrder(
            target=name,
            target_srid=ensure_srid(postgis, plan.crs) if plan.crs else 0,
            shape=plan.shape,
            sources=tuple(
                _transform_source(bench, table, source, raw)
                for source, raw in zip(plan.sources, table.raw_tables, strict=True)
            ),
            repair=loaded.intake.manifest.options.repair,
        )
        transform_table(postgis, bench.schema, order)
        facts = measure_table(postgis, bench.schema, name, has_geometry=plan.geometry is not None)
        transformed = TransformedRows(
            name=plan.name,
            facts=facts,
            crs=plan.crs,
            columns=plan.columns,
            file=plan.sources[0].file,
            layer=plan.sources[0].layer_name,
            transformations=_transformations(bench, table),
            table=name,
            loaded=table,
        )
        return transformed, transformation_warnings(transformed.name, transformed.transformations)

    def check(self, bench: Workbench, table: TransformedRows) -> tuple[int, list[Warn]]:
        """Compare rows and geometries of source, load and transform."""
        return _check_counts(table), _invalid_geometries(bench, table)

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
        """Write Parquet through Arrow, anything else with ogr2ogr; count the rows of the file."""
        path = folder / f"table{OUTPUT_SUFFIXES[output_format]}"
        postgis, shape = bench.clients.postgis, table.plan.shape
        if output_format in OUTPUT_DRIVERS:
            order = ExportOrder(bench.schema, table.table, table.name, shape, output_format, path)
            names = export_table(postgis, bench.clients.gdal, order)
            found = bench.clients.gdal.describe(path, drivers=[OUTPUT_DRIVERS[output_format]])
            rows = sum(layer.rows for layer in found.layers)
        else:
            names = write_parquet(
                postgis,
                ParquetOrder(bench.schema, table.table, shape, table.facts, table.crs, path),
            )
            rows = pq.ParquetFile(path).metadata.num_rows
        file = DumpedFile(output_format, path, rows, path.stat().st_size)
        return file, _format_warnings(table, output_format, names)

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
                read=sum(source.rows for source in sources),
                loaded=transformed.loaded.rows,
                transformed=facts.rows,
                written={file.format: file.rows for file in table.files},
            ),
            outputs=outputs,
        )


def _transform_source(
    bench: Workbench, table: LoadedRows, source: TableSource, raw: str
) -> TransformSource:
    return TransformSource(
        table=raw,
        srid=ensure_srid(bench.clients.postgis, source.crs) if source.crs else 0,
        is_swapped=source.is_swapped,
        positions=_positions(table, source),
        has_geometry=source.has_geometry,
    )


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


def _transformations(bench: Workbench, table: LoadedRows) -> tuple[Transformation, ...]:
    target = table.plan.crs
    if target is None:
        return ()
    found: dict[str, Transformation] = {}
    for source, raw in zip(table.plan.sources, table.raw_tables, strict=True):
        if source.crs and not source.crs.equals(target):
            bbox = bench.clients.postgis.bounds(bench.schema, raw, GEOMETRY_COLUMN)
            if bbox and source.is_swapped:
                bbox = (bbox[1], bbox[0], bbox[3], bbox[2])
            found[source.crs.wkt] = describe_transformation(source.crs, target, bbox)
    return tuple(found.values())


def _check_counts(table: TransformedRows) -> int:
    for source, loaded in zip(table.plan.sources, table.loaded.loaded_rows, strict=True):
        require_equal(table, "rows_loaded", "rows loaded", source.rows, loaded)
    require_equal(
        table, "rows_transformed", "rows after the transform",
        sum(table.loaded.loaded_rows), table.facts.rows,
    )  # fmt: skip
    if table.plan.geometry is None:
        return len(table.plan.sources) + 1
    nulls = sum(
        source.null_geometries if source.has_geometry else source.rows
        for source in table.plan.sources
    )
    require_equal(
        table, "null_geometries", "rows without geometry", nulls, table.facts.null_geometries
    )
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
    return len(table.plan.sources) + 3


def _invalid_geometries(bench: Workbench, table: TransformedRows) -> list[Warn]:
    if not table.facts.invalid_geometries:
        return []
    places = invalid_places(bench.clients.postgis, bench.schema, table.table)
    first = "; ".join(f"row {row}: {reason} at {place}" for row, reason, place in places)
    return [
        Warn(
            code="geometry.invalid",
            message=f"Table {table.name!r}: {table.facts.invalid_geometries} geometries are "
            f"not valid and were kept as they are, e.g. {first}. options.repair makes them valid.",
            file=table.file,
            layer=table.layer,
        )
    ]


def _holding_format(table: TransformedRows, wanted: str) -> tuple[str, str]:
    """Return the format that can hold the table in place of `wanted`, and why another."""
    missing = table.facts.null_geometries + table.facts.empty_geometries
    if table.plan.geometry is None and wanted != "gpkg":
        return "parquet", "it has no geometry"
    if wanted == "cog":
        return "geoparquet", "it is no raster"
    if wanted == "parquet":
        return "geoparquet", "it has a geometry"
    if wanted == "flatgeobuf" and missing:
        return "gpkg", f"{missing} of its rows have no or an empty geometry"
    return wanted, ""


def _format_warnings(table: TransformedRows, name: str, names: list[str]) -> list[Warn]:
    columns = table.plan.columns
    renamed = [
        f"{column.name!r} is {published!r}"
        for column, published in zip(columns, names, strict=True)
        if column.name != published
    ]
    geometry = table.plan.geometry
    said = [("output.column_renamed", renamed)]
    if name in OUTPUT_DRIVERS:
        as_text = [c.name for c in columns if c.type.endswith("[]") or c.type == "time"]
        said.append(("output.column_as_text", as_text))
    if name == "flatgeobuf":
        dates = [c.name for c in columns if c.type == "date"]
        said.append(("output.date_as_datetime", dates))
    if name == "geoparquet" and geometry and geometry.has_m:
        said.append(("output.m_dropped", ["the geometry's M values"]))
    return [
        Warn(code=code, message=f"Table {table.name!r} as {name}: {', '.join(what)}.")
        for code, what in said
        if what
    ]
