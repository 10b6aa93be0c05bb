"""Sources become tables: names of tables, and what the sources of one table must agree on.

What belongs here: what holds for every source with rows. What does not: what is known of layers
(`planning`) or of files with tables (`tabular`).
"""

import re
from collections import Counter
from collections.abc import Sequence

from libs.models.errors import CrsError, SourceError
from libs.models.version import Column, Warn
from libs.pipeline.state import TableSource
from libs.spatial_utils.crs import Crs

MAX_COLUMNS = 1600
"""As many as a table of PostgreSQL has, its geometry among them."""


def default_table(
    dataset_id: str, layer: str, *, is_only: bool, file: str
) -> tuple[str, list[Warn]]:
    """Return the name of the table that a layer becomes where the manifest names none."""
    if is_only:
        return dataset_id.rpartition("/")[2], []
    name = re.sub(r"[\x00-\x1f/\\]+", "_", layer)[:120].strip() or "layer"
    name = "layer" if name in {".", ".."} else name
    if name == layer:
        return name, []
    message = f"Layer {layer!r} became table {name!r}."
    return name, [Warn(code="table.renamed", message=message, file=file, layer=layer)]


def require_distinct_keys(names: Sequence[str]) -> None:
    """Raise `SourceError` where names of tables differ by case only."""
    folded: dict[str, str] = {}
    for name in names:
        other = folded.setdefault(name.casefold(), name)
        if other != name:
            raise SourceError(
                "source.table_names_clash",
                f"expected table names that differ by more than case, found {other!r} "
                f"and {name!r}.",
                remedy="Name the tables in files[].table.",
            )


def table_crs(name: str, members: Sequence[TableSource], target: Crs | None) -> Crs:
    """Return the CRS a table is published in; raises `CrsError` where its sources disagree."""
    if target is not None:
        return target
    distinct: list[Crs] = []
    for member in members:
        if member.crs and not any(member.crs.equals(other) for other in distinct):
            distinct.append(member.crs)
    if len(distinct) != 1:
        raise CrsError(
            "crs.mixed",
            f"expected one CRS for table {name!r} with target_crs 'source', found "
            f"{', '.join(crs.short_name for crs in distinct)}.",
            remedy="Set options.target_crs to the CRS the table should have.",
        )
    return distinct[0]


def merge_columns(name: str, members: Sequence[TableSource], union: bool) -> tuple[Column, ...]:
    """Return the columns of a table; raises `SourceError` where its sources disagree.

    With `union` a source may lack columns; types must agree all the same.
    """
    merged = list(members[0].columns)
    for member in members[1:]:
        if not union and Counter(member.columns) != Counter(merged):
            raise _columns_differ(name, members[0], member)
        types = {column.name: column.type for column in merged}
        for column in member.columns:
            if types.get(column.name, column.type) != column.type:
                raise _columns_differ(name, members[0], member)
        merged += (Counter(member.columns) - Counter(merged)).elements()
    allowed = MAX_COLUMNS - any(member.has_geometry for member in members)
    if len(merged) > allowed:
        raise SourceError(
            "source.too_many_columns",
            f"expected at most {allowed} columns in table {name!r}, found {len(merged)}.",
            remedy="Split the columns over several tables with a key, and drop those.",
            file=members[0].file,
            layer=members[0].layer_name,
        )
    return tuple(merged)


def _columns_differ(name: str, first: TableSource, other: TableSource) -> SourceError:
    def shown(columns: Counter[Column]) -> str:
        return ", ".join(sorted(f"{c.name} {c.type}" for c in columns.elements())) or "nothing"

    ours, theirs = Counter(first.columns), Counter(other.columns)
    return SourceError(
        "source.columns_differ",
        f"expected all sources of table {name!r} to have the same columns, found "
        f"{shown(ours - theirs)} only in {first.file}, and {shown(theirs - ours)} only here.",
        remedy="Align the columns, set options.union_columns to fill missing ones with NULL (types "
        "must agree), or give each file its own files[].table.",
        file=other.file,
        layer=other.layer_name,
    )
