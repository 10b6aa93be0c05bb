"""What a file itself says of its CRS, where GDAL keeps silent about it.

GDAL reads a .prj that is no WKT as "no CRS" and fails on one that is cut off; a GeoJSON `crs`
member that it does not understand becomes WGS 84, and one that is a link would be fetched.

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
_CRS_KEY = re.compile(rb'"crs"\s*:\s*')
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
    """Return the text of a shapefile's .prj or of a GeoJSON's `crs`; an empty one for others."""
    if driver == "GeoJSON":
        return crs_member(path)
    prj = _prj_of(path) if driver == "ESRI Shapefile" else None
    return CrsText(_text(prj).strip("\ufeff\0 \t\r\n") if prj else "")


def crs_member(path: Path) -> CrsText:
    """Return the `crs` member of the top level of a GeoJSON file.

    In a file of more than 64 KiB it is looked for in the first and the last 64 KiB: before the
    features and after them, where programs write it.
    """
    if path.stat().st_size <= MAX_TEXT_BYTES:
        return _of_document(path.read_bytes())
    with path.open("rb") as file:
        head = file.read(MAX_TEXT_BYTES)
        file.seek(-MAX_TEXT_BYTES, 2)
        tail = file.read()
    for match in _CRS_KEY.finditer(head):
        if _depth(head[: match.start()]) == (1, 0):
            return _of_value(head[match.end() :])[0]
    for match in _CRS_KEY.finditer(tail):
        member, rest = _of_value(tail[match.end() :])
        if _depth(rest) == (-1, 0):
            return member
    return NO_CRS_TEXT


def unreadable_member(path: Path) -> str:
    """Return the `crs` member of a GeoJSON file where it defines no CRS, else the empty text."""
    text = crs_member(path).text
    if not text:
        return ""
    try:
        parse_crs(text)
    except CrsError:
        return text
    return ""


def _depth(content: bytes) -> tuple[int, int]:
    """Return how many objects and arrays a piece of JSON opens more than it closes."""
    objects = content.count(b"{") - content.count(b"}")
    return objects, content.count(b"[") - content.count(b"]")


def _of_document(content: bytes) -> CrsText:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return NO_CRS_TEXT
    if not isinstance(document, dict) or "crs" not in document:
        return NO_CRS_TEXT
    return _of_member(document["crs"])


def _of_value(content: bytes) -> tuple[CrsText, bytes]:
    """Return the member whose value `content` begins with, and what follows it."""
    text = content.decode("utf-8", "replace")
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return NO_CRS_TEXT, content
    return _of_member(value), text[end:].encode()


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
