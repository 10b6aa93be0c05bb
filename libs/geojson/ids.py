"""Members `id` of features: whether they tell anything that is not known without them.

What belongs here: this question. What does not: reading them (`features`).
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Ids:
    """What the members `id` are so far.

    They count the features from each of `counted_from`, or equal the property `id`.
    """

    counted_from: set[int] = field(default_factory=lambda: {0, 1})
    is_property: bool = True

    def look(self, ids: list[Any], properties: list[Any] | None, first: int) -> None:
        """Compare the ids of a chunk."""
        for base in tuple(self.counted_from):
            counted = list(range(first - 1 + base, first - 1 + base + len(ids)))
            if ids != counted or bool in set(map(type, ids)):
                self.counted_from.discard(base)
        is_same = ids == properties and [*map(type, ids)] == [*map(type, properties or [])]
        self.is_property = self.is_property and is_same

    def take(self, other: "Ids") -> None:
        """Let what was found in another chunk count."""
        self.counted_from &= other.counted_from
        self.is_property = self.is_property and other.is_property

    @property
    def is_told_otherwise(self) -> bool:
        """Whether nothing is lost without them."""
        return bool(self.counted_from) or self.is_property
