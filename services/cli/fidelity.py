"""The fidelity ledger of a version in words: what each table held at each hop.

What belongs here: its lines. What does not: the command (`services.cli.catalog`).
"""

from libs.models.fidelity import HopFacts
from libs.models.version import TableVersion
from services.cli.output import clean, table


def fidelity_lines(item: TableVersion) -> list[str]:
    """Return two tables: rows and geometries by hop, then NULLs and checksums by column and hop."""
    hops = item.hops.by_name
    heads = ("HOP", "ROWS>", "NULL GEOM>", "EMPTY>", "VERTICES>", "GEOMETRY TYPES", "EXTENT")
    lines = [clean(f"table {item.name}"), *table(heads, [_row(*hop) for hop in hops])]
    columns = [
        (column.name, column.type, name, f"{facts.columns[position].nulls}",
         facts.columns[position].checksum)
        for position, column in enumerate(item.columns)
        for name, facts in hops
        if len(facts.columns) == len(item.columns)
    ]  # fmt: skip
    if columns:
        lines += ["", *table(("COLUMN", "TYPE", "HOP", "NULLS>", "CHECKSUM"), columns)]
    return lines


def _row(name: str, facts: HopFacts) -> tuple[str, ...]:
    geometry = facts.geometry
    if geometry is None:
        return (name, f"{facts.rows}", "", "", "", "", "")
    return (
        name,
        f"{facts.rows}",
        f"{geometry.nulls}",
        f"{geometry.empties}",
        f"{geometry.vertices}",
        ", ".join(f"{kind} {rows}" for kind, rows in geometry.types.items()),
        ", ".join(f"{edge:.10g}" for edge in geometry.bbox) if geometry.bbox else "",
    )
