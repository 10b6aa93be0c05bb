"""What a file that no reader knows seems to be: for the words of its refusal.

What belongs here: words. What does not: which driver reads a file (`recognition`).
"""

import re
from pathlib import Path

from libs.spatial_utils.json_head import root_members
from libs.spatial_utils.xml_prolog import root_element

HEAD_BYTES = 64 * 1024
SHOWN = 5
_SCRIPT = re.compile(rb"\s*(?:(?:var|let|const)\s+)?[\w.$]+\s*[=(]\s*[\[{]")


def look_of(path: Path) -> str:
    """Return what the file at `path` looks like; `another format` where nothing tells."""
    if not path.is_file():
        return "another format"
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not head.strip(b"\0 \t\r\n"):
        return "an empty file"
    if text.startswith(b"<"):
        root = root_element(path)
        is_page = text[:14].lower() == b"<!doctype html" or (root or "").lower() == "html"
        return "a web page" if is_page else f"XML with the root element {root!r}"
    if text.startswith(b"["):
        return "a JSON array, where one object should be"
    if text.startswith(b"{"):
        names = [*root_members(text)]
        shown = ", ".join(map(repr, names[:SHOWN])) + (", …" if len(names) > SHOWN else "")
        return f"JSON with the members {shown}" if names else "an empty JSON object"
    return "JavaScript around JSON" if _SCRIPT.match(text) else "another format"
