"""What GDAL changes of drawings without a word: curves become lines, heights are left out."""

import struct
from pathlib import Path

import pytest

from libs.spatial_utils import mapinfo_curves as module
from libs.spatial_utils.dxf_drawings import changes_in_drawing
from libs.spatial_utils.mapinfo_curves import drawn_curves

LINEARISED = "Curves became lines of short pieces as GDAL draws them: {}."
FLAT = (
    "The heights of these were left out, as GDAL does not read them: {}; "
    "they were kept at no height, or at 0."
)
MIF = "Data\n\nArc 0 0 1 1\n 0 90\nPoint 1 2\n  ELLIPSE 0 0 1 1\n"


@pytest.mark.parametrize("chunk_bytes", [7, 4096])
@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("a.mif", MIF, "arc (1), ellipse (1)"),
        ("a.tab", MIF, None),
        ("a.mif", "Data\n\nPoint 1 2\n", None),
    ],
)
def test_curves_of_mif_are_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int,
    name: str, text: str, shown: str | None,
) -> None:  # fmt: skip
    monkeypatch.setattr(module, "CHUNK_BYTES", chunk_bytes)
    (tmp_path / name).write_text(text, newline="")
    said = [warning.message for warning in drawn_curves(str(tmp_path / name))]
    assert said == ([LINEARISED.format(shown)] if shown else [])


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("entities", "curves", "flat"),
    [
        ([(0, "ARC"), (8, "CIRCLE"), (0, "LINE"), (30, "5.0"), (0, "ARC")], "arc (2)", None),
        ([(0, "SPLINE"), (73, "30"), (10, "1"), (30, "0.0")], "spline (1)", None),
        ([(0, "SPLINE"), (10, "1"), (30, "0.0"), (30, "5.0")], "spline (1)", "spline (1)"),
        ([(0, "SPLINE"), (11, "1"), (31, "-5.0")], "spline (1)", "spline (1)"),
        ([(0, "LWPOLYLINE"), (38, "5.0"), (42, "0.0")], None, None),
        ([(0, "LWPOLYLINE"), (42, "0.0"), (42, "1.0")], "polyline (1)", None),
        ([(0, "POLYLINE"), (30, "5.0"), (0, "VERTEX"), (30, "0.0")], None, "polyline (1)"),
        ([(0, "POLYLINE"), (30, "5.0"), (0, "VERTEX"), (30, "5.0"), (0, "VERTEX")], None, None),
        ([(0, "POLYLINE"), (70, "8"), (30, "5.0"), (0, "VERTEX"), (30, "0.0")], None, None),
        ([(0, "POLYLINE"), (0, "VERTEX"), (42, "1.0")], "bulge of a polyline (1)", None),
        ([(0, "HATCH"), (92, "2"), (72, "1"), (42, "0.5")], "hatch (1)", None),
        ([(0, "HATCH"), (92, "2"), (72, "2"), (42, "0.0")], None, None),
        ([(0, "HATCH"), (92, "1"), (72, "1"), (72, "2")], "hatch (1)", None),
        ([(0, "HATCH"), (92, "1"), (72, "1"), (42, "7")], None, None),
    ],
)
def test_curves_and_heights_of_drawings_are_told_of(
    tmp_path: Path, newline: str,
    entities: list[tuple[int, str]], curves: str | None, flat: str | None,
) -> None:  # fmt: skip
    path = tmp_path / "a.dxf"
    lines = (f"{code:3d}{newline}{value}{newline}" for code, value in (*entities, (0, "EOF")))
    path.write_text("".join(lines), newline="")
    said = [warning.message for warning in changes_in_drawing(str(path))]
    wanted = [text.format(kind) for text, kind in ((LINEARISED, curves), (FLAT, flat)) if kind]
    assert said == wanted


def map_of(*objects: tuple[int, int]) -> bytes:
    """Return a .MAP with a block of objects, each a type and a number; each is 10 bytes long."""
    header = bytes([0x8A] * 128).ljust(256, b"\0") + struct.pack("<IhH", 42424242, 500, 512)
    block = b"".join(struct.pack("<BI5x", *item) for item in objects)
    coordinates = b"\3\0" + b"\x1a" * 510
    return (
        header.ljust(512, b"\0")
        + coordinates
        + (struct.pack("<BBH16x", 2, 0, len(block)) + block).ljust(512, b"\x1a")
    )


@pytest.mark.parametrize(
    ("objects", "shown"),
    [
        (map_of((0x05, 1), (0x1A, 2), (0x0A, 3), (0x19, 4)), "ellipse (2), arc (1)"),
        (map_of((0x1A, 2 | 0x40000000), (0x17, 3)), "roundrect (1)"),
        (map_of((0x05, 1), (0x14, 2)), None),
        (map_of((0x1A, 1))[:1030], None),
        (map_of((0x1A, 1))[:0x106], None),
        (b"MAP\nNAME x\nEND\n".ljust(600), None),
    ],
)
def test_curves_of_a_tab_are_told_of(tmp_path: Path, objects: bytes, shown: str | None) -> None:
    (tmp_path / "Roads.TAB").write_text("!table\n")
    (tmp_path / "roads.map").write_bytes(objects)
    said = [warning.message for warning in drawn_curves(str(tmp_path / "Roads.TAB"))]
    assert said == ([LINEARISED.format(shown)] if shown else [])
