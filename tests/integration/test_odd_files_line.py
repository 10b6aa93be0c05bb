"""Odd files through the phases: the lean part of what `make corpus` feeds to the whole service."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.models.errors import SpatialEtlError
from libs.pipeline.answer import DROPS_OWN_FAULT
from tests.corpus.comparer import Comparer
from tests.corpus.feeding import Answer, put_files
from tests.corpus.odd_files import CASES
from tests.corpus.odd_files.case import Case
from tests.corpus.results import line_of
from tests.corpus.service import Service
from tests.corpus.verdicts import judge
from tests.integration.line import Line


@pytest.fixture(scope="module")
def comparer() -> Iterator[Comparer]:
    """Compares what was published with what another GDAL reads."""
    comparer = Comparer(timeout_s=60)
    yield comparer
    comparer.close()


@pytest.mark.parametrize(
    "case", [case for case in CASES.values() if case.is_lean], ids=lambda case: case.name
)
def test_an_odd_file_gets_the_answer_it_is_owed(
    line: Line, comparer: Comparer, case: Case, tmp_path: Path
) -> None:
    result = judge(
        Service(line.user.client, line.user.bucket, line.clients.lake.bucket),
        comparer,
        answer_of(line, case, tmp_path),
        case.expectation,
    )

    assert not result.is_defect, line_of(result)


def answer_of(line: Line, case: Case, folder: Path) -> Answer:
    drop = case.drop(folder)
    paths = put_files(line.user, case.name, drop)
    receipt = {"status": "published", "reason": None}
    try:
        version = line.run(case.name, drop.manifest(case.name, list(paths)))
    except SpatialEtlError as err:
        receipt["status"] = "rejected" if isinstance(err, DROPS_OWN_FAULT) else "failed"
        receipt["reason"] = err.reason.model_dump()
    else:
        receipt |= version.model_dump(mode="json", include={"tables", "warnings"})
    return Answer(drop, case.name, paths, receipt, 0)
