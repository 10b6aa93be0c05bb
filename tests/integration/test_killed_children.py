"""A GDAL child that dies, hangs or grows: a reason for its drop, and no harm to the next one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from libs.models.errors import ComputeError, SourceError, SpatialEtlError
from libs.pipeline.fetch import fetch
from libs.pipeline.intake import intake
from libs.pipeline.load import load
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


@pytest.mark.parametrize("program", ["ogr2ogr", "describe"])
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
    limits = Limits(4 if ending == "loop" else 60, memory_bytes=512 * MIB, file_bytes=512 * MIB)
    content = geojson(({"id": 1}, point(1, 2)))
    path = line.user.put(f"uploads/{name}/roads.geojson", content)

    with monkeypatch.context() as patch:
        if program == "describe":
            patch.setattr(ogr, "GDAL_PYTHON", program)
        broken = Line(replace(line.clients, gdal=Gdal(limits, tmp_path)), line.user)
        error, folder, schema = failure_of_load(broken, name, make_manifest(name, [path]))

    assert type(error) is kind
    assert error.reason.code == code
    assert remedy in error.reason.remedy
    assert error.reason.file == path
    assert not folder.exists()
    schemas = line.clients.postgis.run("SELECT nspname FROM pg_namespace")
    assert schema not in [row[0] for row in schemas]
    assert line.run(f"{name}-next", make_manifest(f"{name}-next", [path])).version == 1


def failure_of_load(
    line: Line, name: str, manifest: dict[str, Any]
) -> tuple[SpatialEtlError, Path, str]:
    """Run a drop up to the load that fails; return the error, the run's folder and its schema."""
    order = line.order(name, manifest)
    with pytest.raises(SpatialEtlError) as failed, line.workbench() as bench:
        load(bench, fetch(bench, intake(bench, order.drop_id, order.attempt)))
    return failed.value, bench.folder, bench.schema
