"""Chunks of a GeoJSON file read in several processes: as if they were read one after another."""

import os
import signal
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from libs.geojson import documents, reader
from libs.geojson.digests import digests_together
from libs.models.errors import SourceError
from libs.spatial_utils.child import Limits
from libs.spatial_utils.ogr import READERS
from tests.unit.test_geojson_reader import POINT, UTM_32, UTM_33, collection, feature, read

BLOCK_BYTES = 2000
SOME = [
    feature(f'{{"n":{n},"name":"point {n}"}}', f'{{"type":"Point","coordinates":[{n},1.5]}}')
    for n in range(100)
]
COUNTED = [feature('{"n":1}', POINT, f',"id":{n}') for n in range(100)]
ODD = [
    feature('{"n":"\\u0000"}', '{"type":"LineString","coordinates":[[1,2],[1,2,3]]}'),
    feature('{"n":1.50,"late":[1,2]}', '{"type":"Point","coordinates":[1,2,3,4],"hint":1}'),
    feature('{"n":18446744073709551615}', POINT, ',"id":"x","more":{"a":1}'),
]
BROKEN = feature('{"n":1}', '{"type":"Point","coordinates":["x"]}')


@pytest.mark.parametrize(
    "text",
    [
        collection(*SOME, *ODD, *SOME),
        collection(*COUNTED, *COUNTED),
        "\n".join([*SOME, *ODD, *SOME]),
        collection(*SOME, *[feature("{}", UTM_32)] * 60),
        collection(*[feature("{}", UTM_32)] * 60, *[feature("{}", UTM_33)] * 60),
        collection(*SOME, BROKEN, *SOME[:20], "{"),
        collection(*SOME, "{"),
        collection(*SOME, '{"type":"Feature","type":"Feature"}', *SOME),
        collection(*SOME, *SOME)[:-20],
    ],
    ids=[
        "odd",
        "counted",
        "lines",
        "crs in some",
        "two crs",
        "broken twice",
        "broken",
        "a key twice",
        "cut",
    ],
)
def test_a_large_file_is_read_as_a_small_one(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "BLOCK_BYTES", BLOCK_BYTES)
    alone = outcome(tmp_path, text)
    together = Mock(wraps=digests_together)
    monkeypatch.setattr(reader, "digests_together", together)
    monkeypatch.setattr(reader, "LARGE_BYTES", 0)

    assert outcome(tmp_path, text) == alone

    together.assert_called_once()


def outcome(folder: Path, text: str) -> Any:
    """Return what a text holds, or why it is refused."""
    try:
        return read(folder, text)
    except SourceError as err:
        return err.reason


def test_a_reader_one_of_whose_processes_is_killed_counts_as_killed(tmp_path: Path) -> None:
    code = (
        "from libs.geojson.digests import digests_together\n"
        "from libs.geojson.documents import Chunk\n"
        "from tests.unit.test_geojson_digests import killed\n"
        'list(digests_together(iter([Chunk.decoded(1, b\'{"type":"Feature"}\')]), killed))'
    )
    limits = Limits(timeout_s=10, memory_bytes=2**30, file_bytes=2**20)
    end = READERS.run("tests.readers.in_python", code, env={}, cwd=tmp_path, limits=limits)
    assert (end.returncode, end.timed_out) == (-signal.SIGKILL, False)


def killed(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
