"""Describe and spool a GeoParquet file: a program run in a child process of its own.

Debian's GDAL has no Parquet driver, so Arrow reads it. Run as `python describe_geoparquet.py
REQUEST`, a JSON document with `path`, `file` and `layer` (what a user calls them) and `spool`, as
`describe_source.py` does; prints a source's description, or the reason why there is none.

What belongs here: facts. What does not: reading the format (`libs.tabular.geoparquet_reader`).
"""

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa

from libs.fidelity.tally import TableTally
from libs.fidelity.wkb import DIMENSIONS, TYPE_NAMES, WkbError
from libs.models.errors import SourceError
from libs.spatial_utils.crs import parse_crs
from libs.spatial_utils.layers import (
    Field,
    GeometryField,
    GeometryTypeFact,
    GeometryTypeRows,
    GeoParquetAnswer,
    Layer,
    LayerCrs,
    SourceDescription,
)
from libs.tabular.geoparquet_reader import GeometryColumn, GeoParquetReader
from libs.tabular.reader import ReadOrder

CURVES = frozenset(
    {"CircularString", "CompoundCurve", "CurvePolygon", "MultiCurve", "MultiSurface"}
)
UNKNOWN_TYPE = GeometryTypeFact(name="Unknown(any)", has_z=False, has_m=False, is_curve=False)


def describe(path: Path, *, file: str, layer: str, spool: Path) -> SourceDescription:
    """Return what the file holds, its rows written to `spool`; raises `SourceError`."""
    order = ReadOrder(path, file, layer)
    source = GeoParquetReader(order)
    survey = source.reader.survey()
    types = [column.type or "text" for column in survey.columns]
    tally = TableTally(types, has_geometry=bool(source.geometries))
    try:
        _spool(source, types, tally, spool)
    except WkbError as err:
        raise order.refusal(
            "broken_geometry",
            f"expected geometries as little-endian ISO WKB, found {err}.",
            remedy="Correct or remove this geometry, or write the file again with a current "
            "library, and drop it again.",
            row=tally.rows + err.position + 1,
        ) from err
    return SourceDescription(
        driver="Parquet",
        layers=(
            Layer(
                name=layer,
                declared_type=UNKNOWN_TYPE,
                geometry_fields=tuple(map(_geometry_field, source.geometries)),
                geometry_types=_geometry_types(tally),
                fields=tuple(
                    Field(name=column.name, type="Parquet", subtype="", known_type=type_name)
                    for column, type_name in zip(survey.columns, types, strict=True)
                ),
                facts=tally.facts,
            ),
        ),
        problems=(),
        warnings=(*source.warnings, *survey.warnings),
    )


def _spool(source: GeoParquetReader, types: list[str], tally: TableTally, spool: Path) -> None:
    writer: pa.RecordBatchStreamWriter | None = None
    for batch in tally.passing(source.batches(types)):
        if writer is None:
            writer = pa.ipc.new_stream(str(spool / "0.arrow"), batch.schema)
        writer.write_batch(batch)
    if writer is not None:
        writer.close()


def _geometry_field(column: GeometryColumn) -> GeometryField:
    crs = None
    if column.crs is not None:
        crs = LayerCrs(wkt=parse_crs(column.crs).wkt, is_swapped=False)
    return GeometryField(name=column.name, crs=crs)


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


def main(request: dict[str, Any]) -> None:
    """Print the description of the file that `request` names."""
    try:
        found = describe(
            Path(request["path"]),
            file=request["file"],
            layer=request["layer"],
            spool=Path(request["spool"]),
        )
        answer = GeoParquetAnswer(found=found)
    except SourceError as err:
        answer = GeoParquetAnswer(reason=err.reason)
    print(answer.model_dump_json())  # noqa: T201 - this program's answer


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
