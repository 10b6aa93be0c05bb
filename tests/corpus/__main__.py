"""`make corpus` and `make fuzz`: files through the service, a table of answers, 1 on any defect.

The files are those of folders; without one, the odd files are made and the answers they are owed
are checked too; with `--fuzz`, sound files are damaged at random.
"""

import argparse
import signal
import sys
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from tests.corpus.comparer import Comparer
from tests.corpus.drops import Drop, find_drops
from tests.corpus.feeding import Answer, feed
from tests.corpus.mutations import SOUND_ROWS, mutated_drops
from tests.corpus.odd_files.case import Expectation
from tests.corpus.results import line_of, save, totals
from tests.corpus.service import Service, phases_alone, running_stack, whole_stack
from tests.corpus.verdicts import Result, judge

TERMINATED = 143
"""The exit code after SIGTERM: by the way of an exception, so that the stack ends too."""


def main() -> int:
    """Print the table; 0 where every drop got an honest answer."""
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="corpus-")))
        drops, expectations = _drops(options, scratch)
        service = stack.enter_context(_service(options))
        results = list(_results(service, drops, expectations, options))
    print(totals(results))
    if options.out:
        save(results, options.out)
    return 1 if any(result.is_defect for result in results) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, metavar="DIR", help="folders to feed")
    parser.add_argument("--out", type=Path, help="the table as CSV; as JSON beside it")
    parser.add_argument("--only", action="append", default=[], help="labels that hold this text")
    parser.add_argument("--at-once", type=int, default=8, help="manifests in flight")
    parser.add_argument("--runs", type=int, default=2, help="runs that work at once")
    parser.add_argument("--timeout", type=float, default=300, help="seconds to wait for an answer")
    parser.add_argument(
        "--retry-without-crs",
        nargs="?",
        const="EPSG:4326",
        metavar="CRS",
        help="drop the files of folders that lack a CRS again, with this one declared",
    )
    parser.add_argument("--fuzz", type=int, metavar="N", help="feed N mutated files")
    parser.add_argument("--seed", type=int, default=1, help="of the mutations")
    parser.add_argument(
        "--phases-alone", action="store_true", help="without Dagster's daemon: faster"
    )
    parser.add_argument("--state-dir", type=Path, help="use the stack that runs there")
    return parser


def _drops(
    options: argparse.Namespace, scratch: Path
) -> tuple[Iterable[Drop], dict[str, Expectation]]:
    if options.fuzz:
        drops = mutated_drops(scratch, options.fuzz, options.seed)
        return (drop for drop in drops if _is_wanted(drop.label, options.only)), {}
    if options.folders:
        found = [drop for folder in options.folders for drop in find_drops(folder, scratch)]
        return [drop for drop in found if _is_wanted(drop.label, options.only)], {}
    from tests.corpus.odd_files import CASES

    cases = [case for case in CASES.values() if _is_wanted(case.name, options.only)]
    return (case.drop(scratch) for case in cases), {case.name: case.expectation for case in cases}


def _is_wanted(label: str, only: list[str]) -> bool:
    return not only or any(text in label for text in only)


def _service(options: argparse.Namespace) -> AbstractContextManager[Service]:
    if options.state_dir:
        return running_stack(options.state_dir)
    return (phases_alone if options.phases_alone else whole_stack)(options.runs)


def _results(
    service: Service,
    drops: Iterable[Drop],
    expectations: dict[str, Expectation],
    options: argparse.Namespace,
) -> Iterator[Result]:
    comparer = Comparer(options.timeout)
    without_crs: list[Drop] = []
    try:
        for answer in _feed(service, drops, options):
            if _is_to_be_retried(answer, options):
                without_crs.append(answer.drop.with_crs(options.retry_without_crs))
            result = judge(service, comparer, answer, expectations.get(answer.drop.label))
            yield _said(result.of_a_broken_file(SOUND_ROWS) if options.fuzz else result)
        for answer in _feed(service, without_crs, options):
            yield _said(judge(service, comparer, answer))
    finally:
        comparer.close()


def _is_to_be_retried(answer: Answer, options: argparse.Namespace) -> bool:
    is_wanted = bool(options.folders and options.retry_without_crs)
    return is_wanted and answer.reason.get("code") == "crs.missing"


def _feed(service: Service, drops: Iterable[Drop], options: argparse.Namespace) -> Iterator[Answer]:
    return feed(
        service.user,
        drops,
        prefix=f"corpus-{uuid.uuid4().hex[:6]}",
        at_once=options.at_once,
        timeout_s=options.timeout,
    )


def _said(result: Result) -> Result:
    print(line_of(result), flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
