"""Curves that GDAL draws as lines while it reads, and how that is told.

What belongs here: counting them in MIF, whose text names them. What does not: drawings
(`libs.spatial_utils.dxf_drawings`), and curves that GDAL keeps as such
(`libs.pipeline.kinds.geometry_planning`).
"""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from libs.models.version import Warn

CHUNK_BYTES = 4 * 1024 * 1024
OVERLAP_BYTES = 64
_CURVE = re.compile(rb"\n[ \t]*(arc|ellipse|roundrect)(?=[ \t])", re.IGNORECASE)


def curves_of_mif(path: str) -> list[Warn]:
    """Return the warning of curves in the file at `path`; none where it is no MIF."""
    return linearised(_counted(path)) if Path(path).suffix.lower() == ".mif" else []


def linearised(counts: Mapping[str, int]) -> list[Warn]:
    """Return the warning of curves by kind that GDAL drew as lines; none where there are none."""
    if not counts:
        return []
    message = f"Curves became lines of short pieces as GDAL draws them: {shown(counts)}."
    return [Warn(code="geometry.linearised", message=message)]


def shown(counts: Mapping[str, int]) -> str:
    """Return counts by kind as a text."""
    return ", ".join(f"{name} ({count})" for name, count in counts.items())


def _counted(path: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    kept = b""
    with Path(path).open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            text = kept + chunk
            end = 0
            for found in _CURVE.finditer(text):
                counts[found[1].decode().lower()] += 1
                end = found.end()
            kept = text[max(end, len(text) - OVERLAP_BYTES) :]
    return counts
