"""What a GDAL program writes to stderr: errors and warnings, a flood of one kind shortened.

What belongs here: reading the lines. What does not: what they mean for the drop
(`libs.spatial_utils.gdal_failures`, `libs.pipeline.kinds.sources`).
"""

import re
from collections import Counter
from dataclasses import dataclass

EXAMPLES_OF_A_KIND = 5
MAX_KINDS = 200

_ERROR_LINE = re.compile(r"^(?:ERROR \d+|FATAL|FAILURE):.*(?:\n(?!ERROR|Warning|FAILURE).+)?", re.M)
_WARNING_LINE = re.compile(r"^Warning \d+: (.*)", re.M)
_VARIABLE_PART = re.compile(r"\d+|'[^']*'|\"[^\"]*\"")


@dataclass(frozen=True)
class Messages:
    """Errors with their second line, and warnings without their number."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]


def read_messages(stderr: str) -> Messages:
    """Return what GDAL's messages on `stderr` say."""
    warnings = MessageKinds()
    for message in _WARNING_LINE.findall(stderr):
        warnings.add(message)
    return Messages(tuple(_ERROR_LINE.findall(stderr)), tuple(warnings.said()))


class MessageKinds:
    """Messages of which no more than `EXAMPLES_OF_A_KIND` of each kind are kept.

    Messages are of one kind where they differ in numbers and quoted text only.
    """

    def __init__(self) -> None:
        self._examples: dict[str, dict[str, None]] = {}
        self._counts: Counter[str] = Counter()

    def add(self, message: str) -> None:
        """Count a message, and keep it where it is among the first of its kind."""
        kind = _VARIABLE_PART.sub("#", message)
        if kind not in self._examples and len(self._examples) >= MAX_KINDS:
            kind = ""
        self._counts[kind] += 1
        examples = self._examples.setdefault(kind, {})
        if len(examples) < EXAMPLES_OF_A_KIND:
            examples[message] = None

    def said(self) -> list[str]:
        """Return each message once, the last of a kind with how many more there were."""
        said = []
        for kind, examples in self._examples.items():
            *first, last = examples
            rest = self._counts[kind] - len(examples)
            said += [*first, f"{last} (and {rest} more like it)" if rest else last]
        return said
