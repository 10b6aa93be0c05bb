"""Text that was damaged before it came here: replacement characters, UTF-8 decoded as another.

Such text is valid, so no format and no server refuses it; a user is told of it.

What belongs here: finding it in a loaded table. What does not: bytes that are no text at all
(`libs.spatial_utils.text_files`, `libs.spatial_utils.dbf_text`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from psycopg2 import sql

from libs.compute.postgis import PostGIS
from libs.compute.tables import column_name
from libs.models.version import Column

COLUMNS_A_QUERY = 400
MAX_EXAMPLES = 3
MAX_EXAMPLE_CHARACTERS = 60
_TEXT_TYPES = ("text", "json")
_CP1252_TRAIL = (
    "\u0080-\u00bf\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u017d"
    "\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178"
)
DAMAGE = (
    f"\ufffd|[\u0080-\u0084\u0086-\u009f]|[\u00c2\u00c3\u00d0\u00d1][{_CP1252_TRAIL}]"
    f"|\u00e2\u20ac[{_CP1252_TRAIL}]"
)
"""U+FFFD, C1 controls but NEL, and what two-byte UTF-8 and dashes are when read as cp1252."""


@dataclass(frozen=True)
class DoubtfulText:
    """A column with text that looks damaged: in how many rows, and some of it."""

    column: str
    rows: int
    examples: tuple[str, ...]


def doubtful_texts(
    postgis: PostGIS, schema: str, table: str, columns: Sequence[Column]
) -> Iterator[DoubtfulText]:
    """Yield the columns of a loaded table that hold text which looks damaged."""
    places = [place for place, column in enumerate(columns) if column.type in _TEXT_TYPES]
    for start in range(0, len(places), COLUMNS_A_QUERY):
        asked = places[start : start + COLUMNS_A_QUERY]
        counts = sql.SQL(", ").join(
            sql.SQL("count(*) FILTER (WHERE {})").format(_is_doubtful(place)) for place in asked
        )
        query = sql.SQL("SELECT {} FROM {}").format(counts, sql.Identifier(schema, table))
        for place, rows in zip(asked, postgis.run(query)[0], strict=True):
            if rows:
                examples = _examples(postgis, schema, table, place)
                yield DoubtfulText(columns[place].name, int(rows), examples)


def _examples(postgis: PostGIS, schema: str, table: str, place: int) -> tuple[str, ...]:
    query = sql.SQL("SELECT left({}::text, {}) FROM {} WHERE {} LIMIT {}").format(
        sql.Identifier(column_name(place)),
        sql.Literal(MAX_EXAMPLE_CHARACTERS),
        sql.Identifier(schema, table),
        _is_doubtful(place),
        sql.Literal(MAX_EXAMPLES),
    )
    return tuple(text for (text,) in postgis.run(query))


def _is_doubtful(place: int) -> sql.Composable:
    """Return the condition; the expensive comparison is made for text beyond ASCII only."""
    text = sql.SQL("{}::text").format(sql.Identifier(column_name(place)))
    return sql.SQL(
        "CASE WHEN octet_length({0}) <> char_length({0}) THEN {0} ~ {1} ELSE false END"
    ).format(text, sql.Literal(DAMAGE))
