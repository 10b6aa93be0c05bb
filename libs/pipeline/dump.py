"""Phase 6, dump: each table as files, each file read back and counted.

What belongs here: choosing the formats of a table, and saying what one of them cannot hold. What
does not: writing a format (`libs.compute.geoparquet`, `libs.compute.ogr_export`).
"""

from pathlib import Path

import pyarrow.parquet as pq

from libs.compute.geoparquet import ParquetOrder, write_parquet
from libs.compute.ogr_export import ExportOrder, export_table
from libs.models.errors import FidelityError
from libs.models.version import Warn
from libs.pipeline.check import DEFECT_REMEDY
from libs.pipeline.state import (
    Checked,
    Dumped,
    DumpedFile,
    DumpedTable,
    TransformedTable,
)
from libs.pipeline.workbench import Workbench
from libs.spatial_utils.drivers import OUTPUT_DRIVERS, OUTPUT_SUFFIXES


def dump(bench: Workbench, checked: Checked) -> Dumped:
    """Write all files; raises `FidelityError` where one holds other rows than its table."""
    transformed = checked.transformed
    wanted = transformed.intake.manifest.options.outputs
    warnings: list[Warn] = []
    tables = []
    for number, table in enumerate(transformed.tables):
        folder = bench.subfolder(f"dump/{number}")
        formats = _formats(table, wanted, warnings)
        files = tuple(_write(bench, table, name, folder, warnings) for name in formats)
        tables.append(DumpedTable(table, files))
    return Dumped(checked, tuple(tables), tuple(warnings))


def _formats(table: TransformedTable, wanted: tuple[str, ...], warnings: list[Warn]) -> list[str]:
    """Return the formats of a table: what was asked for, or what can hold it instead."""
    formats = []
    for name in wanted:
        instead, why = name, ""
        if table.plan.geometry is None and name != "gpkg":
            instead, why = "parquet", "it has no geometry"
        elif name == "flatgeobuf" and table.facts.null_geometries + table.facts.empty_geometries:
            missing = table.facts.null_geometries + table.facts.empty_geometries
            instead, why = "gpkg", f"{missing} of its rows have no or an empty geometry"
        if instead != name:
            warnings.append(
                Warn(
                    code="output.other_format",
                    message=f"Table {table.plan.name!r} was written as {instead} instead of "
                    f"{name}, because {why}.",
                )
            )
        if instead not in formats:
            formats.append(instead)
    return formats


def _write(
    bench: Workbench, table: TransformedTable, name: str, folder: Path, warnings: list[Warn]
) -> DumpedFile:
    path = folder / f"table{OUTPUT_SUFFIXES[name]}"
    if name in OUTPUT_DRIVERS:
        order = ExportOrder(bench.schema, table.name, table.plan.name, table.plan.shape, name, path)
        names = export_table(bench.clients.postgis, bench.clients.gdal, order)
        rows = _count_with_gdal(bench, path, OUTPUT_DRIVERS[name])
    else:
        names = write_parquet(
            bench.clients.postgis,
            ParquetOrder(
                bench.schema, table.name, table.plan.shape, table.facts, table.plan.crs, path
            ),
        )
        rows = pq.ParquetFile(path).metadata.num_rows
    if rows != table.facts.rows:
        raise FidelityError(
            "fidelity.rows_written",
            f"Table {table.plan.name!r}: expected {table.facts.rows} rows in the {name} file, "
            f"found {rows}.",
            remedy=DEFECT_REMEDY,
            layer=table.plan.name,
        )
    warnings += _format_warnings(table, name, names)
    return DumpedFile(name, path, rows, path.stat().st_size)


def _count_with_gdal(bench: Workbench, path: Path, driver: str) -> int:
    description = bench.clients.gdal.describe(path, drivers=[driver])
    return sum(layer.rows for layer in description.layers)


def _format_warnings(table: TransformedTable, name: str, names: list[str]) -> list[Warn]:
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
        Warn(code=code, message=f"Table {table.plan.name!r} as {name}: {', '.join(what)}.")
        for code, what in said
        if what
    ]
