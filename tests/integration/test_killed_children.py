"""A GDAL child that dies, hangs or grows: a reason for its drop, and no harm to the next one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from libs.models.errors import ComputeError, SourceError, SpatialEtlError
from libs.pipeline.check import check
from libs.pipeline.dump import dump
from libs.pipeline.fetch import fetch
from libs.pipeline.intake import intake
from libs.pipeline.load import load
from libs.pipeline.transform import transform
from libs.spatial_utils import ogr
from libs.spatial_utils.child import Limits
from libs.spatial_utils.ogr import Gdal
from tests.integration.line import Line
from tests.support import geojson, make_manifest, point

MIB = 1024**2
ENDINGS = {
    "SIGSEGV": ("kill -SEGV $$", SourceError, "source.driver_crashed", "repair or export it"),
    "SIGKILL": ("kill -KILL $$", ComputeError, "compute.child_lost", "tried again"),
    "loop": ("while :; do :; done", SourceError, "source.timeout", "SPATIAL_ETL_GDAL_TIMEOUT_S"),
    "10 GB": (
        "exec /usr/bin/python3 -c 'bytearray(10 << 30)'",
        SourceError, "source.too_much_memory", "SPATIAL_ETL_GDAL_MEMORY_BYTES",
    ),
}  # fmt: skip


PHASES = (fetch, load, transform, check, dump)
FAILING_PHASE = {"reader": load, "ogr2ogr": dump}


@pytest.mark.parametrize("program", FAILING_PHASE)
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_killed_child_gives_a_reason_and_leaves_the_next_drop_unharmed(
    line: Line,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    program: str,
    ending: str,
) -> None:
    script, kind, code, remedy = ENDINGS[ending]
    fake = tmp_path / program
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    limits = Limits(3 if ending == "loop" else 60, memory_bytes=512 * MIB, file_bytes=512 * MIB)
    broken = replace(line.clients, gdal=Gdal(limits, tmp_path))
    path = line.user.put(f"uploads/{name}/roads.geojson", geojson(({"id": 1}, point(1, 2))))

    order = line.order(name, make_manifest(name, [path]))
    with line.workbench() as bench:
        state: Any = intake(bench, order.drop_id, order.attempt)
        for phase in PHASES[: PHASES.index(FAILING_PHASE[program])]:
            state = phase(bench, state)
        with monkeypatch.context() as patch:
            if program == "reader":
                patch.setattr(ogr, "DESCRIBE_TABLE", "tests.readers.on_path")
            with pytest.raises(SpatialEtlError) as failed:
                FAILING_PHASE[program](replace(bench, clients=broken), state)

    assert type(failed.value) is kind
    assert failed.value.reason.code == code
    assert remedy in failed.value.reason.remedy
    assert not bench.folder.exists()
    schemas = line.clients.postgis.run("SELECT nspname FROM pg_namespace")
    assert bench.schema not in [row[0] for row in schemas]
    assert line.run(f"{name}-next", make_manifest(f"{name}-next", [path])).version == 1
