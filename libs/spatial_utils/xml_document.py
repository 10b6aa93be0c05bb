"""An XML document followed to its end by a parser that somebody else made.

What belongs here: the refusal of a document that is broken. What does not: what stands in it
(`libs.spatial_utils.gpx_values`, `libs.spatial_utils.kml_losses`).
"""

from pathlib import Path
from xml.parsers import expat

from libs.models.errors import SourceError


def read_document(path: str, parser: expat.XMLParserType) -> None:
    """Let `parser` read a document to its end; raises `SourceError` where it is not well-formed."""
    try:
        with Path(path).open("rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as err:
        raise SourceError(
            "source.unreadable",
            f"expected well-formed XML, found: {err}.",
            remedy="Export the file anew and drop it again.",
        ) from err
