"""What a file itself says of its CRS, where GDAL keeps silent about it.

GDAL reads a .prj that is no WKT as "no CRS" and fails on one that is cut off; GeoJSON, which is
read without it, has a `crs` member that need not be a CRS at all.

What belongs here: finding those texts. What does not: what follows from them
(`libs.pipeline.kinds.source_crs`).
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from libs.models.errors import CrsError
from libs.spatial_utils.crs import parse_crs

MAX_TEXT_BYTES = 64 * 1024
_LOOKS_LIKE_WKT = re.compile(r"\s*[A-Z][A-Z_]+\s*[\[(]", re.I)
_ASIDE = ".unreadable"


@dataclass(frozen=True)
class CrsText:
    """What a .prj or a `crs` member holds; `text` is empty where there is none, or it is null."""

    text: str = ""
    is_null: bool = False


NO_CRS_TEXT = CrsText()


def set_aside_broken_prj(shapefile: Path) -> None:
    """Rename a .prj that begins as WKT and is none, so that GDAL opens the shapefile without it."""
    prj = _prj_of(shapefile)
    text = _text(prj) if prj else ""
    if prj and _LOOKS_LIKE_WKT.match(text):
        try:
            parse_crs(text)
        except CrsError:
            prj.rename(prj.with_name(prj.name + _ASIDE))


def read_crs_text(path: Path, driver: str) -> CrsText:
    """Return the text of a shapefile's .prj; an empty one for others."""
    prj = _prj_of(path) if driver == "ESRI Shapefile" else None
    return CrsText(_text(prj).strip("\ufeff\0 \t\r\n") if prj else "")


def crs_of_member(text: bytes | None) -> CrsText:
    """Return what the text of a GeoJSON `crs` member says; an empty one where there is none."""
    if text is None:
        return NO_CRS_TEXT
    try:
        return _of_member(json.loads(text))
    except (ValueError, RecursionError):
        return CrsText(text[:MAX_TEXT_BYTES].decode("utf-8", "replace"))


def _of_member(value: Any) -> CrsText:
    """Return the name in a CRS object, or the value as JSON where it names none."""
    if value is None:
        return CrsText(is_null=True)
    properties = value.get("properties") if isinstance(value, dict) else None
    if isinstance(properties, dict):
        if value.get("type") == "name" and isinstance(properties.get("name"), str):
            return CrsText(properties["name"])
        if value.get("type") == "EPSG" and isinstance(properties.get("code"), int):
            return CrsText(f"EPSG:{properties['code']}")
    return CrsText(json.dumps(value))


def _prj_of(shapefile: Path) -> Path | None:
    wanted = {f"{shapefile.stem}.prj".lower(), f"{shapefile.stem}.prj{_ASIDE}".lower()}
    found = [item for item in shapefile.parent.iterdir() if item.name.lower() in wanted]
    return found[0] if found else None


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(MAX_TEXT_BYTES).decode(errors="replace")
