"""Vector files that are text: made UTF-8 before GDAL opens them, or refused with how they may read.

What belongs here: the answers to what `libs.spatial_utils.text_files` finds. What does not:
shapefiles (`shapefiles`), tables (`libs.tabular.text`).
"""

from pathlib import Path

from libs.models.errors import SourceError
from libs.models.version import Warn
from libs.pipeline.kinds.shapefile_answers import unknown_encoding
from libs.spatial_utils.code_pages import UTF_8, codec_named
from libs.spatial_utils.likely_encodings import likely_encodings, shown_readings
from libs.spatial_utils.text_files import (
    TextDecision,
    WrongText,
    decide,
    recode,
    text_file,
)


def make_utf_8(path: Path, driver: str | None, *, encoding: str | None, file: str) -> list[Warn]:
    """Recode the text at `path` where it is not UTF-8, and return what a user should know of it.

    A format that is no text is left alone. Raises `SourceError` naming `file` and the line where it
    is no text in the encoding that it should be in.
    """
    declared = codec_named(encoding) if encoding else None
    if encoding and declared is None:
        raise unknown_encoding(encoding, file)
    text = text_file(path, driver)
    if text is None:
        return _ignored(declared, driver, file)
    decision = decide(text, declared)
    if decision.wrong:
        raise _not_in_encoding(decision, decision.wrong, file)
    if not decision.is_plain or decision.doubt:
        recode(text, decision)
    if not decision.doubt:
        return []
    message = f"The text was read as {decision.codec}: {decision.doubt}. files[].encoding decides."
    return [Warn(code="source.encoding_doubtful", message=message, file=file)]


def _ignored(declared: str | None, driver: str | None, file: str) -> list[Warn]:
    if declared in (None, UTF_8):
        return []
    message = f"files[].encoding was not used: {driver or 'this format'} names its own encoding."
    return [Warn(code="source.encoding_ignored", message=message, file=file)]


def _not_in_encoding(decision: TextDecision, wrong: WrongText, file: str) -> SourceError:
    expected = f"text in {decision.codec}"
    expected += f", as {decision.named_by} says" if decision.named_by else ""
    codecs = [codec for codec, _ in likely_encodings([wrong.sample])]
    return SourceError(
        "source.encoding",
        f"expected {expected}; found the byte 0x{wrong.byte:02x} in line {wrong.line} of "
        f"{wrong.path.name}. Its text reads {shown_readings(wrong.sample, codecs) or 'nowhere'}.",
        remedy="Choose the encoding that reads rightly and add it to the file in the manifest, "
        f'e.g. "encoding": "{codecs[0] if codecs else "cp1252"}".',
        file=file,
    )
