"""Comparisons in a child process: a reader that crashes or hangs does not end the corpus.

What belongs here: the child and its protocol, one JSON document a line in both directions. What
does not: what is compared (`comparison`, `rasters`).
"""

import json
import resource
import select
import subprocess
import sys
import tempfile
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.corpus.content import Content

MEMORY_BYTES = 8 * 1024**3
MODULE = "tests.corpus.comparer"
GPX_ELEMENTS = frozenset(
    {
        "ele", "time", "magvar", "geoidheight", "name", "cmt", "desc", "src", "sym", "type", "fix",
        "sat", "hdop", "vdop", "pdop", "ageofdgpsdata", "dgpsid", "number", "track_fid",
        "track_seg_id", "track_seg_point_id", "track_name", "route_fid", "route_point_id",
        "route_name", "link1_href", "link1_text", "link1_type", "link2_href", "link2_text",
        "link2_type",
    }
)  # fmt: skip
"""Columns of a GPX layer that its standard knows."""


@dataclass(frozen=True)
class TableOrder:
    """A published table: its sources as (local path, layer), and its downloaded file."""

    name: str
    sources: list[tuple[str, str]]
    published: str
    format: str
    crs: str | None = None
    encoding: str | None = None
    is_csv: bool = False
    delimiter: str | None = None
    is_warped: bool = False
    warnings: list[str] = field(default_factory=list)
    cells: dict[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """`same`, `differs` or `not compared`, and why."""

    word: str
    details: list[str]


class Comparer:
    """A child that compares; started when needed, and again after it was lost."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._child: subprocess.Popen[bytes] | None = None

    def compare(self, order: TableOrder) -> Verdict:
        """Return the verdict of a table; a crash or a hang of the reader is none."""
        if self._child is None or self._child.poll() is not None:
            self._child = subprocess.Popen(
                [sys.executable, "-m", MODULE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        child = self._child
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps(asdict(order), default=_as_text).encode() + b"\n")
        child.stdin.flush()
        ready, _, _ = select.select([child.stdout], [], [], self._timeout_s)
        line = child.stdout.readline() if ready else b""
        if line:
            return Verdict(**json.loads(line))
        self.close()
        return Verdict("not compared", ["the reader hung" if not ready else "the reader crashed"])

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None


def _as_text(value: bytes) -> str:
    return f"bytes {value.hex()}"


def verdict_of(order: TableOrder) -> Verdict:
    """Read both sides and compare them."""
    from tests.corpus.comparison import cell_differences, differences, unexplained
    from tests.corpus.content import as_text_table, with_rings_in_order
    from tests.corpus.independent import NotReadError, read_published

    if order.format == "cog":
        return _raster_verdict(order)
    published = read_published(Path(order.published))
    found = cell_differences(published, order.cells)
    word = "same"
    try:
        sources = _sources(order, published.names)
    except NotReadError as err:
        word, details = "not compared", [str(err)]
    else:
        details = []
        table = as_text_table(published) if order.is_csv else published
        if any(path.lower().endswith((".osm", ".pbf")) for path, _ in order.sources):
            sources, table = [with_rings_in_order(c) for c in sources], with_rings_in_order(table)
        known = {*order.cells, *_misread(order, sources)}
        found += differences(sources, table, order.crs, known)
    silent = unexplained(found, order.warnings)
    return Verdict("differs", [str(item) for item in silent]) if silent else Verdict(word, details)


def _raster_verdict(order: TableOrder) -> Verdict:
    from tests.corpus.independent import NotReadError
    from tests.corpus.rasters import raster_differences

    try:
        found = raster_differences(Path(order.sources[0][0]), order)
    except NotReadError as err:
        return Verdict("not compared", [str(err)])
    return Verdict("differs" if found else "same", [str(item) for item in found])


def _sources(order: TableOrder, names: tuple[str, ...]) -> list["Content"]:
    from tests.corpus.independent import read_csv, read_csv_with_wkt, read_source

    contents = []
    with tempfile.TemporaryDirectory(prefix="corpus-compare-") as scratch:
        for number, (path, layer) in enumerate(order.sources):
            if order.is_csv:
                contents.append(read_csv(Path(path), order.delimiter, order.encoding))
            elif path.lower().endswith(".csv"):
                contents.append(read_csv_with_wkt(Path(path), names, order.encoding))
            else:
                folder = Path(scratch) / str(number)
                folder.mkdir()
                contents.append(read_source(Path(path), layer, folder, encoding=order.encoding))
    return contents


def _misread(order: TableOrder, sources: list["Content"]) -> set[str]:
    """Return the columns that GDAL, the independent reader, changes: extensions of GPX.

    It guesses their types, and keeps of elements inside of one nothing or the last.
    """
    if not any(path.lower().endswith(".gpx") for path, _ in order.sources):
        return set()
    return {name for source in sources for name in source.names if name not in GPX_ELEMENTS}


def main() -> None:
    """Answer orders from standard input until it ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        document: dict[str, Any] = json.loads(line)
        try:
            verdict = verdict_of(TableOrder(**document))
        except Exception as err:
            verdict = Verdict("not compared", [f"comparison: {type(err).__name__}: {err}"[:300]])
        sys.stdout.write(json.dumps(asdict(verdict)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
