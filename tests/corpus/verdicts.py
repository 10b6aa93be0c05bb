"""Judge an answer: its files are fetched from the lake and compared, and it becomes a row.

What belongs here: what a row of results says, and which results are defects. What does not: how a
table of them looks (`results`).
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.corpus.comparer import Comparer, TableOrder, Verdict
from tests.corpus.feeding import Answer
from tests.corpus.odd_files.case import Expectation, Outcome
from tests.corpus.service import Service

COMPARED_FORMATS = ("geoparquet", "parquet", "cog")
DISAGREES = "reader disagrees"
ANSWERS = frozenset({"published", "unchanged", "rejected"})


@dataclass(frozen=True)
class Result:
    """A row of the table; `rows_in` and `rows_out` are None where nothing was published."""

    file: str
    answer: str
    code: str
    rows_in: int | None
    rows_out: int | None
    seconds: float
    warnings: tuple[str, ...]
    compared: str
    details: tuple[str, ...]
    expectation: str
    message: str

    def of_a_broken_file(self, sound_rows: int) -> "Result":
        """Return the row with differences told apart, to be judged by hand.

        What a broken file holds is a matter of opinion, and two versions of GDAL have two; rows
        that only the sound file has may be missing from both.
        """
        if self.rows_out in (None, sound_rows):
            return replace(self, compared=DISAGREES) if self.is_silent_difference else self
        told = f"{self.rows_out} rows were published, the sound file has {sound_rows}"
        return replace(self, compared=DISAGREES, details=(*self.details, told))

    @property
    def is_crash(self) -> bool:
        """Whether the service broke: no answer, a lost run, or a defect of ours."""
        is_ours = self.code.startswith(("internal.", "attempt."))
        return self.answer not in ANSWERS and (is_ours or self.answer == "no answer")

    @property
    def is_silent_difference(self) -> bool:
        """Whether something was lost or changed, and no warning says so."""
        return self.compared == "differs"

    @property
    def is_defect(self) -> bool:
        """Whether the corpus fails because of it."""
        return self.is_crash or self.is_silent_difference or self.expectation.startswith("unmet")


def judge(
    service: Service, comparer: Comparer, answer: Answer, expectation: Expectation | None = None
) -> Result:
    """Return the row of an answer; what was published is compared with its source."""
    receipt = answer.receipt or {}
    tables = receipt.get("tables", [])
    warnings = tuple(warning["code"] for warning in receipt.get("warnings", []))
    is_published = answer.status == "published"
    rows_read = [source["rows"] for table in tables for source in table["sources"]]
    cells = expectation.cells if expectation else {}
    verdict = _compare(service, comparer, answer, cells) if is_published else Verdict("-", [])
    rows_out = sum(table["rows"] for table in tables) if is_published else None
    return Result(
        file=answer.drop.label,
        answer=answer.status,
        code=answer.reason.get("code", ""),
        rows_in=sum(rows_read) if is_published else None,
        rows_out=rows_out,
        seconds=round(answer.seconds, 1),
        warnings=tuple(dict.fromkeys(warnings)),
        compared=verdict.word,
        details=tuple(verdict.details),
        expectation=expectation.judge(_outcome(answer, warnings)) if expectation else "",
        message=_message(answer.reason),
    )


def _outcome(answer: Answer, warnings: tuple[str, ...]) -> Outcome:
    tables = (answer.receipt or {}).get("tables", [])
    return Outcome(
        status=answer.status,
        code=answer.reason.get("code", ""),
        warnings=warnings,
        rows=sum(table["rows"] for table in tables),
        bbox=tuple(tables[0]["bbox"]) if len(tables) == 1 and tables[0]["bbox"] else None,
    )


def _message(reason: dict[str, Any]) -> str:
    place = " ".join(f"{name} {reason[name]}" for name in ("layer", "row") if reason.get(name))
    return f"{reason.get('message', '')} {place}".strip()[:500]


def _compare(
    service: Service, comparer: Comparer, answer: Answer, cells: dict[str, list[Any]]
) -> Verdict:
    assert answer.receipt is not None
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="corpus-lake-") as folder:
        for number, table in enumerate(answer.receipt["tables"]):
            order = _order(service, answer, table, Path(folder) / str(number))
            if order is not None:
                verdict = comparer.compare(replace(order, cells=cells))
                verdicts.append((table["name"], verdict))
    for word in ("differs", "not compared", "same"):
        details = [f"{name}: {d}" for name, v in verdicts for d in v.details if v.word == word]
        if any(verdict.word == word for _, verdict in verdicts):
            return Verdict(word, details)
    return Verdict("not compared", ["nothing was published that can be compared"])


def _order(
    service: Service, answer: Answer, table: dict[str, Any], folder: Path
) -> TableOrder | None:
    """Download a table and return the order to compare it."""
    output = next((o for o in table["outputs"] if o["format"] in COMPARED_FORMATS), None)
    if output is None:
        return None
    path = folder / Path(output["key"]).name
    service.client.fget_object(service.lake, output["key"], str(path))
    fields = answer.drop.file_fields
    return TableOrder(
        name=table["name"],
        sources=[(_local(answer, s["file"]), s["layer"]) for s in table["sources"]],
        published=str(path),
        format=output["format"],
        crs=fields.get("crs"),
        encoding=fields.get("encoding"),
        is_csv=answer.drop.kind == "tabular" and answer.drop.files[0].suffix.lower() != ".parquet",
        delimiter=fields.get("delimiter"),
        is_warped=bool(table.get("raster") and table["raster"]["is_warped"]),
        warnings=[warning["code"] for warning in answer.receipt["warnings"]],
    )


def _local(answer: Answer, file: str) -> str:
    """Return where the source lies here; a member of an archive keeps its `!/`."""
    path, found, member = file.partition("!/")
    return f"{answer.paths.get(path, path)}{found}{member}"
