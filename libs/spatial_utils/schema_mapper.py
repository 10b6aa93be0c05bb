"""Run id <-> name of its ephemeral schema, both ways.

What belongs here: the naming rule. What does not: creating or dropping schemas
(`libs.compute.postgis`).
"""

import re
from dataclasses import dataclass

from libs.models.errors import TerminalError

PREFIX = "proc_"
MAX_IDENTIFIER_BYTES = 63
_RUN_ID = re.compile(r"[0-9a-z]+(?:-[0-9a-z]+)*")


@dataclass(frozen=True)
class RunIdSchemaMapping:
    """A run id and the schema it works in: `proc_<run id, - as _>`."""

    run_id: str
    schema_name: str

    @classmethod
    def from_run_id(cls, run_id: str) -> "RunIdSchemaMapping":
        """Return the mapping of a run id (lower-case letters and digits, joined by `-`).

        Raises `TerminalError` where the id could not be read back from the schema's name.
        """
        schema_name = PREFIX + run_id.replace("-", "_")
        if not _RUN_ID.fullmatch(run_id) or len(schema_name) > MAX_IDENTIFIER_BYTES:
            raise TerminalError(
                "schema.invalid_run_id",
                "expected a run id of lower-case letters, digits and single '-', at most 58 "
                f"characters; found {run_id!r}.",
                remedy="Use the id that Dagster gave the run.",
            )
        return cls(run_id, schema_name)

    @classmethod
    def from_schema_name(cls, name: str) -> "RunIdSchemaMapping":
        """Return the mapping of a schema's name; raises `TerminalError` for another schema."""
        run_id = name.removeprefix(PREFIX).replace("_", "-")
        if not name.startswith(PREFIX) or "-" in name or not _RUN_ID.fullmatch(run_id):
            raise TerminalError(
                "schema.foreign",
                f"expected a schema named {PREFIX}<run id>, found {name!r}.",
                remedy="Only schemas made for a run can be mapped back.",
            )
        return cls.from_run_id(run_id)
