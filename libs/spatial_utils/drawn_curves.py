"""Curves that GDAL draws as lines while it reads: arcs, circles, ellipses and splines of drawings.

What belongs here: counting them in DXF and MIF, whose text names them. What does not: curves that
GDAL keeps as such (`libs.pipeline.kinds.geometry_planning`).
"""

import re
from collections import Counter
from pathlib import Path

from libs.models.version import Warn

CHUNK_BYTES = 4 * 1024 * 1024
OVERLAP_BYTES = 64
_CURVES = {
    "DXF": re.compile(rb"\n[ \t]*0\r?\n(ARC|CIRCLE|ELLIPSE|SPLINE)(?=\r?\n)"),
    ".mif": re.compile(rb"\n[ \t]*(arc|ellipse|roundrect)(?=[ \t])", re.IGNORECASE),
}


def drawn_curves(path: str, driver: str) -> list[Warn]:
    """Return the warning of curves in the file at `path`; none for other formats."""
    pattern = _CURVES.get(driver) or _CURVES.get(Path(path).suffix.lower())
    counts = _counted(path, pattern) if pattern else {}
    if not counts:
        return []
    shown = ", ".join(f"{name} ({count})" for name, count in counts.items())
    message = f"Curves became lines of short pieces as GDAL draws them: {shown}."
    return [Warn(code="geometry.linearised", message=message)]


def _counted(path: str, pattern: re.Pattern[bytes]) -> Counter[str]:
    counts: Counter[str] = Counter()
    kept = b""
    with Path(path).open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            text = kept + chunk
            end = 0
            for found in pattern.finditer(text):
                counts[found[1].decode().lower()] += 1
                end = found.end()
            kept = text[max(end, len(text) - OVERLAP_BYTES) :]
    return counts
