"""The members of a JSON document as far as its beginning shows them.

What belongs here: this. What does not: what they mean (`recognition`, `looks`), reading JSON
(`libs.geojson.texts`).
"""

import re

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]', re.DOTALL)


def root_members(head: bytes) -> dict[str, str | None]:
    """Return the members of the object that a text begins with, and those values that are texts.

    A text that ends early gives the members before its end.
    """
    found: dict[str, str | None] = {}
    depth = 0
    key: str | None = None
    is_key = True
    for match in _TOKEN.finditer(head):
        token = match[0]
        if token in b"{[":
            depth += 1
        elif token in b"}]":
            depth -= 1
        elif depth != 1:
            continue
        elif token == b",":
            is_key = True
        elif token == b":":
            is_key = False
        elif is_key:
            key = token[1:-1].decode("utf-8", "replace")
            found.setdefault(key, None)
        elif key is not None:
            found[key] = token[1:-1].decode("utf-8", "replace")
    return found
