"""What GDAL would not say of a shapefile's table: its encoding decided, its values looked at.

What belongs here: the order of the steps, and the options with which GDAL then reads the file.
What does not: the words (`shapefile_answers`), the table's bytes (`libs.spatial_utils.dbf`).
"""

from dataclasses import dataclass
from pathlib import Path

from libs.models.version import Warn
from libs.pipeline.kinds import shapefile_answers as answers
from libs.spatial_utils.code_pages import codec_named, gdal_name
from libs.spatial_utils.dbf import read_dbf, replace_bytes
from libs.spatial_utils.dbf_text import Contradiction, cut_places, read_text
from libs.spatial_utils.dbf_values import survey_values, unread_types

SUFFIXES = (".shp", ".dbf")
MAX_CPG_BYTES = 200


@dataclass(frozen=True)
class ShapefileReading:
    """How GDAL opens a shapefile, and what a user should know of its table."""

    open_options: tuple[str, ...] = ()
    warnings: tuple[Warn, ...] = ()


def look_at_table(path: Path, *, encoding: str | None, file: str) -> ShapefileReading:
    """Return how to read the shapefile or .dbf at `path`, `encoding` as the manifest declares it.

    The table may be changed: it is the run's own copy. Raises `SourceError` naming `file` where the
    table is broken, its text is in an encoding that nothing tells, or GDAL cannot read a column.
    """
    declared = codec_named(encoding) if encoding else None
    if encoding and declared is None:
        raise answers.unknown_encoding(encoding, file)
    table = _beside(path, ".dbf")
    if table is None:
        return ShapefileReading()
    dbf = read_dbf(table, file=file)
    unread = unread_types(dbf)
    if unread:
        raise answers.unread_columns(unread, file)
    cpg = _cpg(path)
    reading = read_text(dbf, declared=declared, cpg=codec_named(cpg) if cpg else None)
    if isinstance(reading, Contradiction):
        raise answers.not_in_encoding(dbf, reading, cpg, file)
    if reading.check.cut.count:
        replace_bytes(table, list(cut_places(dbf, reading.codec)))
    survey = survey_values(dbf)
    if survey.memos.count:
        raise answers.unread_memos(survey.memos, file)
    adjusted = ("ADJUST_TYPE=YES",) if survey.has_big_integers else ()
    warnings = (*answers.text_warnings(reading, file), *answers.value_warnings(survey, file))
    return ShapefileReading((f"ENCODING={gdal_name(reading.codec)}", *adjusted), warnings)


def _beside(path: Path, suffix: str) -> Path | None:
    """Return the part of a shapefile with `suffix` in any case; None where there is none."""
    wanted = f"{path.stem}{suffix}".lower()
    return next((part for part in path.parent.iterdir() if part.name.lower() == wanted), None)


def _cpg(path: Path) -> str | None:
    part = _beside(path, ".cpg")
    if part is None:
        return None
    with part.open("rb") as file:
        return file.read(MAX_CPG_BYTES).decode("utf-8", "replace").strip("\ufeff\0 \t\r\n") or None
