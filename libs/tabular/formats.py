"""The formats of tables that are read: which one a file has, and who reads it.

What belongs here: the list. What does not: reading (a module a format).
"""

from dataclasses import replace
from importlib import import_module
from pathlib import PurePosixPath
from typing import Protocol, cast

from libs.models.errors import SourceError
from libs.spatial_utils.containers.names import ARCHIVES_SAID
from libs.tabular.reader import ReadOrder, TableReader

FORMATS: dict[str, tuple[str, ...]] = {
    "CSV": (".csv",),
    "TSV": (".tsv", ".tab"),
    "XLSX": (".xlsx",),
    "JSON": (".json",),
    "NDJSON": (".ndjson", ".jsonl"),
    "Parquet": (".parquet", ".pq"),
}
_READERS = {
    "CSV": "csv_reader",
    "TSV": "csv_reader",
    "XLSX": "xlsx_reader",
    "JSON": "json_reader",
    "NDJSON": "json_reader",
    "Parquet": "parquet_reader",
}


class _Opener(Protocol):
    def __call__(self, order: ReadOrder) -> list[TableReader]: ...


def format_of(name: str, declared: str | None) -> str | None:
    """Return the format of a file called `name`; None where the name tells nothing.

    Raises `SourceError` where `declared` is not one of `FORMATS`.
    """
    if declared is not None:
        by_name = {known.lower(): known for known in FORMATS}
        if declared.lower() not in by_name:
            raise unknown_format(name, declared)
        return by_name[declared.lower()]
    suffix = PurePosixPath(name.lower()).suffix
    return next((known for known, suffixes in FORMATS.items() if suffix in suffixes), None)


def unknown_format(name: str, found: str) -> SourceError:
    """Return the refusal of a file whose format is not read."""
    known = ", ".join(f"{name} ({' '.join(suffixes)})" for name, suffixes in FORMATS.items())
    return SourceError(
        "source.unknown_format",
        f"expected one of {known}, or {ARCHIVES_SAID}; found {found!r}.",
        remedy="Save the table in one of these formats (spreadsheets such as .xls and .ods as "
        ".xlsx) and drop it again, or set files[].format where only the name is unusual.",
        file=name,
    )


def open_tables(
    format_name: str, order: ReadOrder, *, max_unpacked_bytes: int
) -> list[TableReader]:
    """Return a reader for each table of a file; raises `SourceError` where it is not readable."""
    if format_name == "TSV":
        order = replace(order, delimiter=order.delimiter or "\t")
    module = import_module(f"libs.tabular.{_READERS[format_name]}")
    if format_name == "XLSX":
        return list(module.open_tables(order, max_unpacked_bytes=max_unpacked_bytes))
    return cast(_Opener, module.open_tables)(order)
