"""An XLSX as a package: limits before anything is read, its sheets, what their XML tells.

What belongs here: opening the workbook and what openpyxl's streaming mode does not give. What does
not: cells (`xlsx_reader`).
"""

import re
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from openpyxl.reader.excel import load_workbook
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.workbook.workbook import Workbook

from libs.spatial_utils.containers.broken import UNREADABLE
from libs.spatial_utils.containers.zips import check_zip
from libs.tabular.reader import MIB, ReadOrder

SHARED_STRINGS = "xl/sharedStrings.xml"
MAX_SHARED_STRINGS_BYTES = 512 * MIB
CHUNK_BYTES = 1 * MIB
OVERLAP = 32
_FORMULA = re.compile(rb"<(?:\w+:)?f[ />]")
_MERGED = re.compile(rb"<(?:\w+:)?mergeCell ")
BROKEN = (*UNREADABLE, InvalidFileException, KeyError, TypeError, SyntaxError, AttributeError)


@dataclass(frozen=True)
class Sheet:
    """A sheet with cells."""

    name: str
    is_hidden: bool
    has_formulas: bool
    merged_cells: int


def read_package(order: ReadOrder, *, max_unpacked_bytes: int) -> list[Sheet]:
    """Return the sheets of a workbook; raises `SourceError` where it is not sound or too large."""
    if not zipfile.is_zipfile(order.path):
        raise unreadable(order, ValueError("a file that is no XLSX package, or is encrypted"))
    try:
        check_zip(order.path, max_bytes=max_unpacked_bytes, file=order.file)
        _check_shared_strings(order)
    except UNREADABLE as err:
        raise unreadable(order, err) from err
    with opened(order) as book, zipfile.ZipFile(order.path) as package:
        sheets = [
            Sheet(
                sheet.title,
                sheet.sheet_state != "visible",
                *_marks(package, sheet._worksheet_path),
            )
            for sheet in cast(Any, book).worksheets
        ]
    if not sheets:
        raise unreadable(order, ValueError("no sheet with cells"))
    return sheets


@contextmanager
def opened(order: ReadOrder, *, has_values: bool = True) -> Iterator[Workbook]:
    """Open a workbook for streaming; `has_values` for what formulas gave, else formulas."""
    with order.path.open("rb") as file:  # given a name, openpyxl asks for one of its suffixes
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # styles and extensions that are left out
                book = load_workbook(file, read_only=True, data_only=has_values)
            yield book
        except BROKEN as err:
            raise unreadable(order, err) from err


def unreadable(order: ReadOrder, err: Exception) -> Exception:
    """Return the refusal of a file that is no sound XLSX."""
    return order.refusal(
        "unreadable",
        f"expected an XLSX workbook, found: {str(err)[:300] or type(err).__name__}.",
        remedy="Save the workbook again as .xlsx, without a password, and drop it again.",
    )


def _check_shared_strings(order: ReadOrder) -> None:
    with zipfile.ZipFile(order.path) as package:
        sizes = {info.filename: info.file_size for info in package.infolist()}
    size = sizes.get(SHARED_STRINGS, 0)
    if size > MAX_SHARED_STRINGS_BYTES:
        raise order.refusal(
            "workbook_too_large",
            f"expected at most {MAX_SHARED_STRINGS_BYTES} bytes of shared strings, which must be "
            f"held in memory, found {size}.",
            remedy="Save the table as CSV or Parquet.",
        )


def _marks(package: zipfile.ZipFile, path: str) -> tuple[bool, int]:
    """Return (whether the sheet has formulas, ranges of merged cells)."""
    has_formulas, merged, held = False, 0, b""
    with package.open(path) as file:
        while chunk := file.read(CHUNK_BYTES):
            window = held + chunk
            has_formulas = has_formulas or _FORMULA.search(window) is not None
            found = list(_MERGED.finditer(window))
            merged += len(found)
            end = found[-1].end() if found else 0
            held = window[max(end, len(window) - OVERLAP) :]
    return has_formulas, merged
