"""Describe and spool a table with geometries: a reader for a child process of its own.

Debian's GDAL has no Parquet driver, its CSV driver drops what it cannot read, and its drivers of
JSON change values besides: these are read without it.

The request is a `TableRequest` as JSON; the answer on stdout a source's description, or the reason
why there is none.

What belongs here: facts. What does not: reading a format (`libs.tabular.geoparquet_reader`,
`libs.tabular.geocsv_reader`,
`libs.spatial_utils.json_tables`).
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from libs.fidelity.tally import TableTally
from libs.fidelity.wkb import DIMENSIONS, TYPE_NAMES, WkbError
from libs.models.errors import SourceError
from libs.models.version import Warn
from libs.spatial_utils.crs_text import CrsText
from libs.spatial_utils.found_table import FoundTable, crs_named
from libs.spatial_utils.json_tables import json_tables
from libs.spatial_utils.layers import (
    Field,
    GeometryField,
    GeometryTypeFact,
    GeometryTypeRows,
    Layer,
    SourceDescription,
    TableAnswer,
)
from libs.spatial_utils.table_request import TableRequest
from libs.tabular.geocsv_reader import GeoCsvReader, PointColumns
from libs.tabular.geoparquet_reader import GeometryColumn, GeoParquetReader
from libs.tabular.reader import ReadOrder
from libs.tabular.types import resolve

CURVES = frozenset(
    {"CircularString", "CompoundCurve", "CurvePolygon", "MultiCurve", "MultiSurface"}
)
UNKNOWN_TYPE = GeometryTypeFact(name="Unknown(any)", has_z=False, has_m=False, is_curve=False)


def describe(request: TableRequest) -> SourceDescription:
    """Return what the file holds, its rows written to the spool; raises `SourceError`."""
    tables, others = _tables(request)
    layers = []
    warnings: list[Warn] = []
    for number, table in enumerate(tables):
        layers.append(_layer(request, table, request.spool / f"{number}.arrow"))
        warnings += [*table.warnings(), *table.survey.warnings]
    return SourceDescription(
        driver=request.driver,
        layers=tuple(layers),
        problems=(),
        warnings=tuple(warnings),
        other_layers=others,
    )


def _layer(request: TableRequest, source: FoundTable, spool: Path) -> Layer:
    columns = source.survey.columns
    types = [column.type or resolve(column.kinds, column.mixed) for column in columns]
    tally = TableTally(types, has_geometry=source.has_geometry)
    try:
        _spool(source.batches(types), tally, spool)
    except WkbError as err:
        raise request.order.refusal(
            "broken_geometry",
            f"expected geometries as little-endian ISO WKB, found {err}.",
            remedy="Correct or remove this geometry, or write the file again with a current "
            "library, and drop it again.",
            row=tally.rows + err.position + 1,
        ) from err
    geometry_types = _geometry_types(tally)
    return Layer(
        name=source.layer,
        declared_type=UNKNOWN_TYPE,
        geometry_fields=source.geometries(geometry_types),
        geometry_types=geometry_types,
        fields=tuple(
            Field(name=column.name, type=request.driver, subtype="", known_type=type_name)
            for column, type_name in zip(columns, types, strict=True)
        ),
        facts=tally.facts,
        measured_s=tally.seconds,
        crs_text=source.crs_text,
    )


def _tables(request: TableRequest) -> tuple[Iterable[FoundTable], tuple[str, ...]]:
    """Return the tables to be read, and the names of others."""
    if request.driver == "Parquet":
        return [_parquet(request.order)], ()
    return ([_csv(request)], ()) if request.driver == "CSV" else json_tables(request)


def _parquet(order: ReadOrder) -> FoundTable:
    source = GeoParquetReader(order)
    return FoundTable(
        order.layer,
        source.reader.survey(),
        bool(source.geometries),
        lambda _: tuple(map(_geometry_field, source.geometries)),
        source.batches,
        source.warnings,
        CrsText((source.geometries[0].crs or "") if source.geometries else ""),
    )


def _csv(request: TableRequest) -> FoundTable:
    from osgeo import gdal

    gdal.PushErrorHandler("CPLQuietErrorHandler")
    points = None
    if request.x_column is not None and request.y_column is not None:
        points = PointColumns(request.x_column, request.y_column, is_degrees=request.is_degrees)
    source = GeoCsvReader(request.order, points, parse_wkt=_parse_wkt)
    name = source.geometry_name

    def geometries(_: Sequence[GeometryTypeRows]) -> tuple[GeometryField, ...]:
        named = [f"EPSG:{srid}" if srid else "none" for srid in sorted(source.srids, key=str)]
        crs = crs_named(named[0]) if len(named) == 1 else None
        mixed = tuple(named) if len(named) > 1 else ()
        return () if name is None else (GeometryField(name=name, crs=crs, feature_crs=mixed),)

    return FoundTable(
        request.layer,
        source.survey,
        name is not None,
        geometries,
        source.batches,
        source.warnings,
    )


def _parse_wkt(text: str) -> bytes | None:
    """Return ISO WKB of a text; None where GDAL cannot read all of it as one geometry."""
    from osgeo import ogr

    geometry = ogr.CreateGeometryFromWkt(text)
    return None if geometry is None else bytes(geometry.ExportToIsoWkb(ogr.wkbNDR))


def _spool(batches: Iterator[pa.RecordBatch], tally: TableTally, spool: Path) -> None:
    writer: pa.RecordBatchStreamWriter | None = None
    for batch in tally.passing(batches):
        if writer is None:
            writer = pa.ipc.new_stream(str(spool), batch.schema)
        writer.write_batch(batch)
    if writer is not None:
        writer.close()


def _geometry_field(column: GeometryColumn) -> GeometryField:
    return GeometryField(name=column.name, crs=crs_named(column.crs) if column.crs else None)


def _geometry_types(tally: TableTally) -> tuple[GeometryTypeRows, ...]:
    found = []
    for number, rows in tally.geometry_types.items():
        dimensions, base = divmod(number, 1000)
        name = TYPE_NAMES[base]
        found.append(
            GeometryTypeRows(
                name=name,
                has_z="Z" in DIMENSIONS[dimensions],
                has_m="M" in DIMENSIONS[dimensions],
                is_curve=name in CURVES,
                rows=rows,
            )
        )
    return tuple(found)


def main(request: str) -> None:
    """Print the description of the file that `request` names."""
    try:
        answer = TableAnswer(found=describe(TableRequest.model_validate_json(request)))
    except SourceError as err:
        answer = TableAnswer(reason=err.reason)
    print(answer.model_dump_json())  # noqa: T201 - this program's answer
