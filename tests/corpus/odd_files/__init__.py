"""Odd files, made anew each time; importing this package registers every case."""

from tests.corpus.odd_files import (
    attributes,
    containers,
    crs,
    damage,
    encodings,
    formats,
    geometry,
    hostile,
    names,
)
from tests.corpus.odd_files.case import CASES

__all__ = [
    "CASES",
    "attributes",
    "containers",
    "crs",
    "damage",
    "encodings",
    "formats",
    "geometry",
    "hostile",
    "names",
]
