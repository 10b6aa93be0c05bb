"""What of a document's elements GDAL does not read or redraws, counted and said in one warning.

What belongs here: counting and saying. What does not: which elements these are (`kml_losses`,
`gpx_losses`, `dxf_drawings` and `mapinfo_curves` beside this).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from libs.models.version import Warn

EXAMPLES = 3
MAX_SHOWN = 40

OSM_WARNING = Warn(
    code="source.elements_left_out",
    message="What GDAL does not read of OpenStreetMap was left out, wherever the file has it: "
    "versions, changesets, users and times of elements; roles of members; nodes and ways without "
    "tags; the tags of a way that is the outer ring of a multipolygon relation with tags; members "
    "and nodes of ways that are not in the file, or lie at 0, 0.",
)
"""The same for every file: GDAL does not tell, and counting needs a reader of its own."""


def linearised(counts: Mapping[str, int]) -> list[Warn]:
    """Return the warning of curves by kind that GDAL drew as lines; none where there are none."""
    if not counts:
        return []
    message = f"Curves became lines of short pieces as GDAL draws them: {counted(counts)}."
    return [Warn(code="geometry.linearised", message=message)]


def counted(counts: Mapping[str, int]) -> str:
    """Return what was counted by kind as a text."""
    return ", ".join(f"{name} ({count})" for name, count in counts.items())


class ElementLosses:
    """What was left out, by what it is."""

    def __init__(self) -> None:
        self._found: dict[str, _Found] = {}

    def add(self, what: str, example: str = "") -> None:
        """Count an element; the first examples are shown."""
        found = self._found.setdefault(what, _Found())
        found.count += 1
        if example and len(found.examples) < EXAMPLES:
            found.examples.append(example[:MAX_SHOWN])

    def warnings(self, name: str) -> list[Warn]:
        """Return the warning of what was left out of the format `name`; none for nothing."""
        if not self._found:
            return []
        shown = "; ".join(f"{what} ({found})" for what, found in self._found.items())
        message = f"What GDAL does not read of {name} was left out: {shown}."
        return [Warn(code="source.elements_left_out", message=message)]


@dataclass
class _Found:
    count: int = 0
    examples: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        if not self.examples:
            return str(self.count)
        rest = ", …" if self.count > len(self.examples) else ""
        return f"{self.count}: {', '.join(self.examples)}{rest}"
