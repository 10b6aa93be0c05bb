"""The beginning of an XML document: its root element, and the entities it declares.

Readers of GML and GPX leave entities out without a word, and others would open the files that they
name; so a document that declares any, or uses one that it does not declare, is no data of ours.

What belongs here: what stands before the root element. What does not: the document's content, which
only GDAL's child processes read.
"""

from pathlib import Path
from xml.parsers import expat

PROLOG_BYTES = 1024 * 1024
CHUNK_BYTES = 64 * 1024


class _ReachedRootError(Exception):
    """The root element was reached."""


class _Prolog:
    def __init__(self) -> None:
        self.root: str | None = None
        self.entities: list[str] = []
        self.has_external_subset = False
        self.parser = expat.ParserCreate()
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.EntityDeclHandler = self._entity
        self.parser.StartElementHandler = self._element

    def _doctype(self, _name: str, system: str | None, public: str | None, _subset: bool) -> None:
        self.has_external_subset = bool(system or public)

    def _entity(self, name: str, *_: object) -> None:
        self.entities.append(name)

    def _element(self, name: str, _attributes: object) -> None:
        self.root = name.rpartition(":")[2]
        raise _ReachedRootError

    def read(self, path: Path) -> None:
        """Read up to the root element, but no more than `PROLOG_BYTES`."""
        with path.open("rb") as file:
            for _ in range(PROLOG_BYTES // CHUNK_BYTES):
                chunk = file.read(CHUNK_BYTES)
                try:
                    self.parser.Parse(chunk, not chunk)
                except (_ReachedRootError, expat.ExpatError, ValueError, LookupError):
                    return


def root_element(path: Path) -> str | None:
    """Return the local name of the root element; None where the file is no XML."""
    prolog = _Prolog()
    prolog.read(path)
    return prolog.root


def declared_entities(path: Path) -> list[str]:
    """Return the names of the entities that the document declares itself or takes from a DTD."""
    prolog = _Prolog()
    prolog.read(path)
    return [*prolog.entities, *(["an external DTD"] if prolog.has_external_subset else [])]
