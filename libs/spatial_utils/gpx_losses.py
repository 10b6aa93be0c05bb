"""What a GPX document holds beside its features: metadata, and extensions of it and of segments.

What belongs here: counting it. What does not: the elements in a feature
(`libs.spatial_utils.gpx_values`), reading the rest (`libs.spatial_utils.describe_source`, in whose
child process this runs).
"""

from xml.parsers import expat

from libs.models.version import Warn
from libs.spatial_utils.element_losses import ElementLosses
from libs.spatial_utils.xml_document import read_document

_READ = {"gpx": {"wpt", "rte", "trk", "metadata"}, "metadata": set(), "trkseg": {"trkpt"}}
"""The elements that GDAL reads in an element, or whose own are counted."""


def left_out(path: str) -> list[Warn]:
    """Return the warning of what GDAL leaves out of the document at `path`; none for nothing.

    Raises `SourceError` where the document cannot be followed to its end.
    """
    reader = _Reader()
    read_document(path, reader.parser)
    return reader.found.warnings("GPX")


class _Reader:
    """Counts what is left out."""

    def __init__(self) -> None:
        self.found = ElementLosses()
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self._path: list[str] = []
        self._ignored_from = 0

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        parent = self._path[-1] if self._path else ""
        self._path.append(name)
        if not self._ignored_from and parent in _READ and name not in _READ[parent]:
            self.found.add(f"{name} of {parent}")
            self._ignored_from = len(self._path)

    def _end(self, _name: str) -> None:
        if len(self._path) == self._ignored_from:
            self._ignored_from = 0
        self._path.pop()
