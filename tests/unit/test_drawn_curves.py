"""Curves of drawings, which GDAL makes lines of without a word."""

from pathlib import Path

import pytest

from libs.spatial_utils import drawn_curves as module
from libs.spatial_utils.drawn_curves import drawn_curves

DXF = "0\r\nSECTION\r\n  0\r\nARC\r\n 8\r\nCIRCLE\r\n  0\r\nLINE\r\n  0\r\nSPLINE\r\n  0\r\nARC\r\n"
MIF = "Data\n\nArc 0 0 1 1\n 0 90\nPoint 1 2\n  ELLIPSE 0 0 1 1\n"


@pytest.mark.parametrize("chunk_bytes", [7, 4096])
@pytest.mark.parametrize(
    ("name", "driver", "text", "shown"),
    [
        ("a.dxf", "DXF", DXF, "arc (2), spline (1)"),
        ("a.mif", "MapInfo File", MIF, "arc (1), ellipse (1)"),
        ("a.tab", "MapInfo File", MIF, None),
        ("a.mif", "MapInfo File", "Data\n\nPoint 1 2\n", None),
    ],
)
def test_curves_of_drawings_are_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int,
    name: str, driver: str, text: str, shown: str | None,
) -> None:  # fmt: skip
    monkeypatch.setattr(module, "CHUNK_BYTES", chunk_bytes)
    (tmp_path / name).write_text(text, newline="")
    said = [warning.message for warning in drawn_curves(str(tmp_path / name), driver)]
    expected = f"Curves became lines of short pieces as GDAL draws them: {shown}."
    assert said == ([expected] if shown else [])
