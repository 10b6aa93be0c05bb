"""The index of a shapefile: every way in which it can miss a shape."""

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from libs.models.errors import SourceError
from libs.spatial_utils import shapefile_index
from libs.spatial_utils.shapefile_index import look_at_index

Entry = tuple[int, int]
Shapefile = Callable[[Sequence[Entry]], Path]
FILE = "s3://landing-zone/lots.shp"
POINT = 1
HEAD, WORDS = 50, 14
"""In words of two bytes: the header of a file, and a point with its record's header."""


@pytest.fixture
def shapefile(tmp_path: Path) -> Shapefile:
    """Return a maker of three points, (2, 0) to (2, 2), with an index of these entries."""

    def make(entries: Sequence[Entry]) -> Path:
        path = tmp_path / "lots.shp"
        points = [struct.pack(">2i", n + 1, 10) + point(n) for n in range(3)]
        path.write_bytes(bytes(100) + b"".join(points))
        index = b"".join(struct.pack(">2I", *entry) for entry in entries)
        path.with_suffix(".shx").write_bytes(bytes(100) + index)
        return path

    return make


def point(y: int) -> bytes:
    return struct.pack("<idd", POINT, 2, y)


def entry(number: int, *, shift: int = 0, words: int = 10) -> Entry:
    """Return the entry of a point, counted from 0; moved by `shift` words, of another length."""
    return HEAD + WORDS * number + shift, words


@pytest.mark.parametrize(
    ("entries", "left_bytes"),
    [
        ([], 84),
        ([entry(0), entry(1), entry(2)], 0),
        ([entry(2), entry(0), entry(1)], 0),
        ([entry(0, words=14), entry(1, words=14), entry(2)], 0),
        ([entry(0), (0, 0), entry(2), (0, 0)], 28),
    ],
    ids=["none", "all", "in another order", "counted with the head", "shapes that are deleted"],
)
def test_an_index_that_leads_to_a_shape_for_each_row_agrees(
    shapefile: Shapefile, entries: Sequence[Entry], left_bytes: int
) -> None:
    warnings = look_at_index(shapefile(entries), file=FILE)
    assert [(warning.code, warning.file) for warning in warnings] == [
        ("source.shapes_not_indexed", FILE) for _ in range(left_bytes > 0)
    ]
    assert all(warning.message.startswith(f"{left_bytes} bytes ") for warning in warnings)


@pytest.mark.parametrize(
    "lost",
    [
        entry(1, shift=1),
        entry(1, shift=-13),
        entry(1, shift=4),
        entry(1, words=9),
        entry(0),
        entry(3),
        (2**31 + 50, 10),
    ],
    ids=["a word on", "into the one before", "into itself", "shorter", "twice", "end", "far"],
)
def test_an_entry_that_leads_to_no_shape_of_its_own_is_refused(
    shapefile: Shapefile, monkeypatch: pytest.MonkeyPatch, lost: Entry
) -> None:
    monkeypatch.setattr(shapefile_index, "ENTRIES_AT_ONCE", 2)
    with pytest.raises(SourceError) as refused:
        look_at_index(shapefile([entry(0), entry(2), lost]), file=FILE)
    reason = refused.value.reason
    assert (reason.code, reason.file, reason.row) == ("source.shapefile_index", FILE, 3)
    assert "Leave the .shx out" in reason.remedy


def test_a_shape_of_no_known_type_is_refused(shapefile: Shapefile) -> None:
    path = shapefile([entry(0), entry(1)])
    content = bytearray(path.read_bytes())
    content[108:112] = struct.pack("<i", 2)
    path.write_bytes(content)
    with pytest.raises(SourceError) as refused:
        look_at_index(path, file=FILE)
    assert refused.value.reason.row == 1


def test_a_shapefile_without_an_index_has_none_to_disagree_with(shapefile: Shapefile) -> None:
    path = shapefile([entry(7)])
    path.with_suffix(".shx").unlink()
    assert look_at_index(path, file=FILE) == []
