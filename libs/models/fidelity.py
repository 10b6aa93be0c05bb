"""What a table holds at one hop of its way, and at all of them: the fidelity ledger.

What belongs here: the facts. What does not: measuring them (`libs.fidelity`), judging them
(`libs.pipeline.check`).
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Bbox = Annotated[
    tuple[float, float, float, float],
    Field(description="xmin, ymin, xmax, ymax in the table's CRS"),
]


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnFacts(_Fact):
    """The values of a column; `checksum` does not depend on the order of rows."""

    nulls: int
    checksum: str = Field(description="sum modulo 2^64 of a hash of each value, in hex")


class GeometryFacts(_Fact):
    """The geometries of a table; an empty geometry has a type, but no vertices and no extent."""

    nulls: int = 0
    empties: int = 0
    types: dict[str, int] = Field(
        default={}, description="`MultiPolygon Z` -> rows, NULL geometries left out"
    )
    vertices: int = 0
    bbox: Bbox | None = None


class HopFacts(_Fact):
    """A table at one hop; `columns` stand in the order of the table's columns."""

    rows: int
    columns: tuple[ColumnFacts, ...] = ()
    geometry: GeometryFacts | None = None


class Hops(_Fact):
    """A table at every hop; `read` and `loaded` have an entry a source."""

    read: tuple[HopFacts, ...]
    loaded: tuple[HopFacts, ...]
    transformed: HopFacts
    written: dict[str, HopFacts] = Field(description="output format -> what its file holds")

    @property
    def by_name(self) -> list[tuple[str, HopFacts]]:
        """Every hop with its name, in order; a hop of several sources has a number for each."""
        numbered = [
            (f"{hop} {number}" if len(sources) > 1 else hop, facts)
            for hop, sources in (("read", self.read), ("loaded", self.loaded))
            for number, facts in enumerate(sources, 1)
        ]
        written = [(f"written {name}", facts) for name, facts in self.written.items()]
        return [*numbered, ("transformed", self.transformed), *written]

    @property
    def rows(self) -> dict[str, int]:
        """Rows by hop, those of several sources together."""
        return {
            "read": sum(facts.rows for facts in self.read),
            "loaded": sum(facts.rows for facts in self.loaded),
            "transformed": self.transformed.rows,
            **{f"written {name}": facts.rows for name, facts in self.written.items()},
        }
