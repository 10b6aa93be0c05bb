"""Describe and spool a table with geometries: a reader for a child process of its own.

Debian's GDAL has no Parquet driver, its CSV driver drops what it cannot read, and its GeoJSON
driver changes values besides: these are read without it.

The request is a `TableRequest` as JSON; the answer on stdout a source's description, or the reason
why there is none.

What belongs here: facts. What does not: reading a format (`libs.tabular.geoparquet_reader`,
`libs.tabular.geocsv_reader`, `libs.geojson.reader`).
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from libs.fidelity.tally import TableTally
from libs.fidelity.wkb import DIMENSIONS, TYPE_NAMES, WkbError
from libs.geojson.reader import GeoJsonReader
from libs.models.errors import CrsError, SourceError
from libs.models.version import Warn
from libs.spatial_utils.crs import parse_crs
from libs.spatial_utils.crs_text import NO_CRS_TEXT, CrsText, crs_of_member
from libs.spatial_utils.layers import (
    Field,
    GeometryField,
    GeometryTypeFact,
    GeometryTypeRows,
    Layer,
    LayerCrs,
    SourceDescription,
    TableAnswer,
)
from libs.spatial_utils.table_request import TableRequest
from libs.tabular.geocsv_reader import GeoCsvReader, PointColumns
from libs.tabular.geoparquet_reader import GeometryColumn, GeoParquetReader
from libs.tabular.reader import ReadOrder, Survey
from libs.tabular.types import resolve

CURVES = frozenset(
    {"CircularString", "CompoundCurve", "CurvePolygon", "MultiCurve", "MultiSurface"}
)
WGS_84, WGS_84_HIGH = "EPSG:4326", "EPSG:4979"
UNKNOWN_TYPE = GeometryTypeFact(name="Unknown(any)", has_z=False, has_m=False, is_curve=False)


def describe(request: TableRequest) -> SourceDescription:
    """Return what the file holds, its rows written to the spool; raises `SourceError`."""
    order = request.order
    source = _table(request, order)
    columns = source.survey.columns
    types = [column.type or resolve(column.kinds, column.mixed) for column in columns]
    tally = TableTally(types, has_geometry=source.has_geometry)
    try:
        _spool(source.batches(types), tally, request.spool)
    except WkbError as err:
        raise order.refusal(
            "broken_geometry",
            f"expected geometries as little-endian ISO WKB, found {err}.",
            remedy="Correct or remove this geometry, or write the file again with a current "
            "library, and drop it again.",
            row=tally.rows + err.position + 1,
        ) from err
    geometry_types = _geometry_types(tally)
    return SourceDescription(
        driver=request.driver,
        layers=(
            Layer(
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
            ),
        ),
        problems=(),
        warnings=(*source.warnings(), *source.survey.warnings),
    )


@dataclass(frozen=True)
class _Table:
    """A table whichever reader it has; `warnings` are complete when all batches were read."""

    layer: str
    survey: Survey
    has_geometry: bool
    geometries: Callable[[Sequence[GeometryTypeRows]], tuple[GeometryField, ...]]
    batches: Callable[[Sequence[str]], Iterator[pa.RecordBatch]]
    warnings: Callable[[], Sequence[Warn]]
    crs_text: CrsText = NO_CRS_TEXT


def _table(request: TableRequest, order: ReadOrder) -> _Table:
    if request.driver == "Parquet":
        return _parquet(order)
    return _csv(request, order) if request.driver == "CSV" else _geojson(request, order)


def _parquet(order: ReadOrder) -> _Table:
    source = GeoParquetReader(order)
    return _Table(
        order.layer,
        source.reader.survey(),
        bool(source.geometries),
        lambda _: tuple(map(_geometry_field, source.geometries)),
        source.batches,
        source.warnings,
        CrsText((source.geometries[0].crs or "") if source.geometries else ""),
    )


def _csv(request: TableRequest, order: ReadOrder) -> _Table:
    from osgeo import gdal

    gdal.PushErrorHandler("CPLQuietErrorHandler")
    points = None
    if request.x_column is not None and request.y_column is not None:
        points = PointColumns(request.x_column, request.y_column, is_degrees=request.is_degrees)
    source = GeoCsvReader(order, points, parse_wkt=_parse_wkt)
    name = source.geometry_name

    def geometries(_: Sequence[GeometryTypeRows]) -> tuple[GeometryField, ...]:
        named = [f"EPSG:{srid}" if srid else "none" for srid in sorted(source.srids, key=str)]
        crs = _crs_named(named[0]) if len(named) == 1 else None
        mixed = tuple(named) if len(named) > 1 else ()
        return () if name is None else (GeometryField(name=name, crs=crs, feature_crs=mixed),)

    return _Table(
        order.layer,
        source.survey,
        name is not None,
        geometries,
        source.batches,
        source.warnings,
    )


def _geojson(request: TableRequest, order: ReadOrder) -> _Table:
    # What is decoded has no cycles, and looking for some would double the time.
    gc.disable()
    source = GeoJsonReader(order, request.spool)
    said = crs_of_member(source.crs_member)

    def geometries(types: Sequence[GeometryTypeRows]) -> tuple[GeometryField, ...]:
        by_default = WGS_84_HIGH if any(item.has_z for item in types) else WGS_84
        return (GeometryField(name="", crs=_crs_named(said.text or by_default)),)

    return _Table(
        source.layer, source.survey, True, geometries, source.batches, source.warnings, said
    )


def _crs_named(text: str) -> LayerCrs | None:
    """Return the CRS that a file names; None where nobody knows it."""
    try:
        return LayerCrs(wkt=parse_crs(text).wkt, is_swapped=False)
    except CrsError:
        return None


def _parse_wkt(text: str) -> bytes | None:
    """Return ISO WKB of a text; None where GDAL cannot read all of it as one geometry."""
    from osgeo import ogr

    geometry = ogr.CreateGeometryFromWkt(text)
    return None if geometry is None else bytes(geometry.ExportToIsoWkb(ogr.wkbNDR))


def _spool(batches: Iterator[pa.RecordBatch], tally: TableTally, spool: Path) -> None:
    writer: pa.RecordBatchStreamWriter | None = None
    for batch in tally.passing(batches):
        if writer is None:
            writer = pa.ipc.new_stream(str(spool / "0.arrow"), batch.schema)
        writer.write_batch(batch)
    if writer is not None:
        writer.close()


def _geometry_field(column: GeometryColumn) -> GeometryField:
    return GeometryField(name=column.name, crs=_crs_named(column.crs) if column.crs else None)


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
