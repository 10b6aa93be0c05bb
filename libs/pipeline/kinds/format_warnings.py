"""What a user is told of a published file that could not hold a table as it is.

What belongs here: the words for renamed columns, other types and lost digits. What does not: the
choice of another format (`tables`).
"""

from collections.abc import Sequence

from libs.compute.ogr_export import TIMESTAMPS, ExportOrder
from libs.models.fidelity import ColumnFacts
from libs.models.version import Warn
from libs.pipeline.state import TransformedRows


def parquet_warnings(
    table: TransformedRows, output_format: str, names: Sequence[str]
) -> list[Warn]:
    """Return what GeoParquet or Parquet changed, a warning a kind of change."""
    said = [_renamed(table, names)]
    if table.plan.geometry and table.plan.geometry.has_m:
        rows = table.facts.rows - table.facts.geometry.nulls
        said.append(("output.m_dropped", [f"the M values of {rows} geometries were left out"]))
    return _warnings(table, output_format, said)


def layer_warnings(
    table: TransformedRows,
    order: ExportOrder,
    names: Sequence[str],
    written: Sequence[ColumnFacts],
) -> list[Warn]:
    """Return what FlatGeobuf or GeoPackage changed; `written` are the facts of its columns."""
    said = [_renamed(table, names)]
    if order.layer != table.name:
        said.append(("output.layer_renamed", [f"its layer is {order.layer!r}"]))
    columns = [(n, c.name, c.type) for n, c in enumerate(table.columns)]
    as_text = [
        f"{name!r} for years outside 1 to 9999" if position in order.as_text else name
        for position, name, kind in columns
        if order.written_type(position) != kind
    ]
    said.append(("output.column_as_text", as_text))
    if order.format == "flatgeobuf":
        dates = [n for n, _, kind in columns if kind == order.written_type(n) == "date"]
        said.append(("output.date_as_datetime", [table.columns[n].name for n in dates]))
    shortened, as_null = [], []
    for position, (own, held) in enumerate(zip(table.facts.hop.columns, written, strict=True)):
        name = table.columns[position].name
        if held.nulls != own.nulls:
            as_null.append(f"{held.nulls - own.nulls} NaN in {name!r} became NULL")
        elif order.written_type(position) in TIMESTAMPS and held.checksum != own.checksum:
            shortened.append(f"times in {name!r} were cut to milliseconds")
    said += [("output.time_shortened", shortened), ("output.nan_as_null", as_null)]
    return _warnings(table, order.format, said)


def _renamed(table: TransformedRows, names: Sequence[str]) -> tuple[str, list[str]]:
    renamed = [
        f"{column.name!r} is {published!r}"
        for column, published in zip(table.columns, names, strict=True)
        if column.name != published
    ]
    return "output.column_renamed", renamed


def _warnings(
    table: TransformedRows, output_format: str, said: Sequence[tuple[str, list[str]]]
) -> list[Warn]:
    return [
        Warn(code=code, message=f"Table {table.name!r} as {output_format}: {', '.join(what)}.")
        for code, what in said
        if what
    ]
