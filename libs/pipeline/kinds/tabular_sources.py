"""From fetched files to tables: archives opened, formats told, sheets selected, all surveyed.

What belongs here: finding every table that a drop holds. What does not: which table it becomes
(`libs.pipeline.kinds.tabular`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from libs.models.errors import SourceError
from libs.models.manifest import ManifestFile
from libs.models.version import Warn
from libs.pipeline.kinds.parts import find_parts, unread_members
from libs.pipeline.kinds.selection import require_selected
from libs.pipeline.state import Fetched, FetchedFile
from libs.pipeline.workbench import Workbench
from libs.spatial_utils.containers.names import is_archive_name
from libs.spatial_utils.containers.unpacking import is_archive
from libs.tabular import formats
from libs.tabular.reader import FoundColumn, ReadOrder, Survey, TableReader
from libs.tabular.types import DECLARABLE

MAX_COLUMNS = 1500


@dataclass(frozen=True)
class FoundTable:
    """A table of a file, surveyed; `is_only` where its file holds no other."""

    reader: TableReader
    survey: Survey
    file: ManifestFile
    is_only: bool

    @property
    def order(self) -> ReadOrder:
        """Where it is and how it is read."""
        return self.reader.order


@dataclass(frozen=True)
class _Piece:
    path: Path
    label: str
    format: str


def find_tables(bench: Workbench, fetched: Fetched) -> tuple[list[FoundTable], list[Warn]]:
    """Return the tables of all files, in the manifest's order, and what a user should know of them.

    Raises `SourceError` naming the file where one cannot be read, or lacks a table or a column
    that the manifest asks for.
    """
    found: list[FoundTable] = []
    warnings: list[Warn] = []
    for item in fetched.files:
        _require_known_types(item.file)
        readers = _readers(bench, fetched, item, warnings)
        require_selected(item.file, [reader.order.layer for reader in readers])
        wanted = item.file.layers
        chosen = [reader for reader in readers if not wanted or reader.order.layer in wanted]
        surveys = [_surveyed(reader) for reader in chosen]
        warnings += [warning for survey in surveys for warning in survey.warnings]
        filled = [pair for pair in zip(chosen, surveys, strict=True) if pair[1].columns]
        if not filled:
            raise chosen[0].order.refusal(
                "empty",
                "expected rows and columns, found nothing.",
                remedy="Check that the upload is complete and drop the file again.",
            )
        is_only = len(readers) == 1 or (not item.file.layers and len(filled) == 1)
        tables = [FoundTable(*pair, item.file, is_only) for pair in filled]
        _require_declared_columns(item.file, tables)
        found += tables
    return found, warnings


def _readers(
    bench: Workbench, fetched: Fetched, item: FetchedFile, warnings: list[Warn]
) -> list[TableReader]:
    options, settings = fetched.intake.manifest.options, bench.clients.settings
    readers: list[TableReader] = []
    for piece in _pieces(bench, item, warnings):
        order = ReadOrder(
            path=piece.path,
            file=piece.label,
            layer=PurePosixPath(piece.label.rpartition("!/")[2]).stem,
            encoding=item.file.encoding,
            delimiter=item.file.delimiter,
            declared=item.file.columns or {},
            guess_types=options.guess_types,
            keep_bad_rows=options.bad_rows == "keep",
            max_record_bytes=settings.max_record_bytes,
        )
        readers += formats.open_tables(
            piece.format, order, max_unpacked_bytes=settings.max_unpacked_bytes
        )
    return readers


def _pieces(bench: Workbench, item: FetchedFile, warnings: list[Warn]) -> list[_Piece]:
    name, path = item.file.name, item.file.path
    declared = item.file.format
    known = formats.format_of(name, None if is_archive_name(name) else declared)
    if known is None and is_archive(item.path):
        return _archive_pieces(bench, item, warnings)
    if known is None:
        raise formats.unknown_format(path, PurePosixPath(name).suffix or name)
    return [_Piece(item.path, path, known)]


def _archive_pieces(bench: Workbench, item: FetchedFile, warnings: list[Warn]) -> list[_Piece]:
    parts, said = find_parts(bench, item)
    known = [(part, formats.format_of(part.name, None)) for part in parts]
    pieces = [_Piece(part.path, part.place, found) for part, found in known if found]
    left_over = [part for part, found in known if not found]
    if not pieces:
        names = ", ".join(part.name for part in left_over)[:500]
        raise formats.unknown_format(item.file.path, f"an archive with {names or 'no file'}")
    warnings += said + unread_members(left_over)
    return pieces


def _surveyed(reader: TableReader) -> Survey:
    survey = reader.survey()
    if len(survey.columns) > MAX_COLUMNS:
        raise reader.order.refusal(
            "too_many_columns",
            f"expected at most {MAX_COLUMNS} columns, found {len(survey.columns)}.",
            remedy="Split the table, or turn columns into rows.",
        )
    return survey


def _require_known_types(file: ManifestFile) -> None:
    columns: Mapping[str, str] = file.columns or {}
    for name, type_ in columns.items():
        if type_ not in DECLARABLE:
            raise SourceError(
                "source.unknown_type",
                f"expected the type of column {name!r} to be one of {', '.join(DECLARABLE)}; "
                f"found {type_!r}.",
                remedy="Correct files[].columns.",
                file=file.path,
            )


def _require_declared_columns(file: ManifestFile, tables: list[FoundTable]) -> None:
    columns: list[FoundColumn] = [c for table in tables for c in table.survey.columns]
    there = dict.fromkeys(column.name for column in columns)
    missing = [name for name in file.columns or {} if name not in there]
    if missing:
        raise no_such_column(tables[0].order, missing, list(there), "files[].columns")


def no_such_column(
    order: ReadOrder, missing: list[str], there: list[str], field: str
) -> SourceError:
    """Return the refusal of a manifest that names a column which a table does not have."""
    return order.refusal(
        "no_such_column",
        f"expected column {', '.join(map(repr, missing))} as {field} says, found "
        f"{', '.join(map(repr, there[:50]))}.",
        remedy=f"Correct {field}.",
    )
