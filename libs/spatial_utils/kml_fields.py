"""Fields of a KML's Schema whose values GDAL would change: they are declared as text instead.

GDAL 3.6.2 makes 0 of a bool that is `true` and of a number that is empty, cuts 1.5 in an int to 1
and 3000000000 to 2147483647.

What belongs here: finding such fields, and declaring them anew in the run's own copy. What does
not: what GDAL does not read at all (`libs.spatial_utils.kml_losses`).
"""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from libs.models.version import Warn
from libs.spatial_utils.xml_document import read_document

EXAMPLES = 3
MAX_SHOWN = 40

_WHOLE = re.compile(r"[+-]?\d{1,9}")
_REAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_FITS = {
    "bool": re.compile("[01]"),
    "short": _WHOLE,
    "ushort": _WHOLE,
    "int": _WHOLE,
    "uint": re.compile(r"[+-]?\d{1,18}"),
    "float": _REAL,
    "double": _REAL,
}
"""What GDAL reads as it stands, by a field's type; fields of any other type are text."""
_TYPE = re.compile(rb"""(\stype\s*=\s*)("[^"]*"|'[^']*')""")


def declare_texts(path: str) -> list[Warn]:
    """Declare each field of the document at `path` as text where GDAL would change its values.

    Returns a warning a field. Raises `SourceError` where the document cannot be followed to its
    end.
    """
    reader = _Reader()
    read_document(path, reader.parser)
    changed = [item for item in reader.declared if (item.name, item.type) in reader.odd]
    if changed:
        _rewrite(Path(path), [item.place for item in changed])
    found = dict.fromkeys((item.name, item.type) for item in changed)
    return [_warning(name, kind, reader.odd[name, kind]) for name, kind in found]


def _rewrite(path: Path, places: list[int]) -> None:
    """Let the tags at `places`, counted in bytes, declare the type string, in a file of its own."""
    content = path.read_bytes()
    pieces = []
    begin = 0
    for place in places:
        end = content.index(b"<", place + 1)
        pieces += [content[begin:place], _TYPE.sub(rb'\1"string"', content[place:end], count=1)]
        begin = end
    target = path.with_name(f"{path.name}.texts")
    target.write_bytes(b"".join([*pieces, content[begin:]]))
    target.replace(path)


def _warning(name: str, kind: str, odd: "_Odd") -> Warn:
    shown = ", ".join(odd.examples) + (", …" if odd.count > len(odd.examples) else "")
    message = (
        f"Column {name!r} is declared as {kind}, and GDAL would change {odd.count} of its values "
        f"({shown}): it was read as text, with every value as it is stored."
    )
    return Warn(code="column.other_type", message=message)


@dataclass(frozen=True)
class _Field:
    name: str
    type: str
    place: int


@dataclass
class _Odd:
    count: int = 0
    examples: list[str] = field(default_factory=list)


class _Reader:
    """Finds the fields that are declared, and the values that do not fit a type by that name.

    A value is held against every type, since a Schema may stand behind the values.
    """

    def __init__(self) -> None:
        self.declared: list[_Field] = []
        self.odd: dict[tuple[str, str], _Odd] = defaultdict(_Odd)
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self._name = ""
        self._texts: list[str] = []

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.removeprefix("kml:")
        name = attributes.get("name", "")
        if tag == "SimpleData":
            self._name = name
            self._texts.clear()
            self.parser.CharacterDataHandler = self._texts.append
        elif tag == "SimpleField" and attributes.get("type") in _FITS:
            place = self.parser.CurrentByteIndex
            self.declared.append(_Field(name, attributes["type"], place))

    def _end(self, tag: str) -> None:
        if tag.removeprefix("kml:") != "SimpleData":
            return
        self.parser.CharacterDataHandler = None
        text = "".join(self._texts).strip()
        for kind, fits in _FITS.items():
            if not fits.fullmatch(text):
                odd = self.odd[self._name, kind]
                odd.count += 1
                if len(odd.examples) < EXAMPLES:
                    odd.examples.append(repr(text[:MAX_SHOWN]))
