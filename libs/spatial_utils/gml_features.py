"""Features of a GML document that GDAL would take a geometry from, and the answer it is part of.

Without a schema GDAL 3.6.2 keeps one geometry of a feature, whichever comes last: of a parcel that
has an area and a reference point, the point.

What belongs here: looking for such features, and for an answer that a service cut short. What does
not: values (`gml_values`), what a document refers to (`references`).
"""

from pathlib import Path
from xml.parsers import expat

from libs.models.errors import SourceError
from libs.models.version import Warn

CHUNK_BYTES = 1024 * 1024
MAX_BYTES = 64 * CHUNK_BYTES
_GML = "http://www.opengis.net/gml"
_MEMBERS = frozenset(
    {"featureMember", "featureMembers", "member", "members", "cityObjectMember"}
)  # fmt: skip
_GEOMETRIES = frozenset(
    {
        "Point", "LineString", "Polygon", "Curve", "CompositeCurve", "OrientableCurve", "Surface",
        "CompositeSurface", "OrientableSurface", "PolyhedralSurface", "TriangulatedSurface", "Tin",
        "Solid", "CompositeSolid", "MultiPoint", "MultiCurve", "MultiLineString", "MultiSurface",
        "MultiPolygon", "MultiSolid", "MultiGeometry", "GeometricComplex",
    }
)  # fmt: skip


def look_at_features(path: str) -> list[Warn]:
    """Return what is to be said of the document at `path`, as far as its first 64 MiB tell.

    Raises `SourceError` where a feature has two geometries. Of XML that is broken GDAL tells.
    """
    reader = _Reader()
    with Path(path).open("rb") as file:
        for _ in range(MAX_BYTES // CHUNK_BYTES):
            chunk = file.read(CHUNK_BYTES)
            try:
                reader.parser.Parse(chunk, not chunk)
            except expat.ExpatError:
                break
            if not chunk:
                break
    return reader.warnings()


class _Reader:
    """Counts geometries in each feature."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self._root: dict[str, str] | None = None
        self._path: list[str] = []
        self._features: list[tuple[int, list[str]]] = []
        self._rows = 0
        self._geometry_at = 0

    def warnings(self) -> list[Warn]:
        """Return the warning of an answer that has not all features."""
        matched, returned = (
            (self._root or {}).get(name, "") for name in ("numberMatched", "numberReturned")
        )
        if not (matched.isdecimal() and returned.isdecimal() and int(matched) > int(returned)):
            return []
        message = f"The service gave {returned} of {matched} features: the others are missing in "
        message += "this file. Ask for the rest with startIndex, and drop all of them."
        return [Warn(code="source.incomplete", message=message)]

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        parent = self._path[-1] if self._path else ""
        self._path.append(local)
        if self._root is None:
            self._root = attributes
        if self._geometry_at:
            return
        if parent in _MEMBERS:
            self._features.append((len(self._path), []))
            self._rows += 1
        elif self._features and local in _GEOMETRIES and namespace.startswith(_GML):
            self._geometry_at = len(self._path)
            names = self._features[-1][1]
            names.append(parent)
            if len(names) > 1:
                raise self._refusal(names)

    def _end(self, _name: str) -> None:
        depth = len(self._path)
        if depth == self._geometry_at:
            self._geometry_at = 0
        if self._features and self._features[-1][0] == depth:
            self._features.pop()
        self._path.pop()

    def _refusal(self, names: list[str]) -> SourceError:
        return SourceError(
            "source.several_geometry_columns",
            f"expected one geometry in each feature, found those in {' and '.join(names)}.",
            remedy="Ask the service for one of them (propertyName), or leave one in each feature, "
            "and drop the file again.",
            layer=self._path[self._features[-1][0] - 1],
            row=self._rows,
        )
