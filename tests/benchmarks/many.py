"""P4: many small manifests at once, sharing runs, beside the same with a run each, taken in turn.

What has a run each is the same points in a file that spaces make larger than files may be whose
drops share a run.
"""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from libs.models.config import ServiceSettings
from tests.benchmarks.service import ANSWER_TIMEOUT_S, BenchService
from tests.support import geojson, make_manifest, point

FEATURES = 100
AT_ONCE = 8
LOOK_EVERY_S = 0.25
ALONE, SHARED = 30, 150
CONTENT = geojson(*(({"n": n, "name": f"point {n}"}, point(n, n / 2)) for n in range(FEATURES)))


def time_many_drops(
    service: BenchService, folder: Path, repeats: int
) -> tuple[list[float], list[float]]:
    """Return manifests a minute with a run each, and sharing runs, for each of `repeats`."""
    threshold = ServiceSettings.model_fields["shared_drop_bytes"].default
    alone, shared = [], []
    for _ in range(repeats):
        alone.append(_rate(service, folder, CONTENT.ljust(threshold), ALONE))
        shared.append(_rate(service, folder, CONTENT, SHARED))
    return alone, shared


def _rate(service: BenchService, folder: Path, content: bytes, drops: int) -> float:
    """Drop manifests at once and return how many a minute were published."""
    batch = f"many-{uuid.uuid4().hex[:8]}"
    path = folder / "points.geojson"
    path.write_bytes(content)
    places = [service.upload(path) for _ in range(drops)]
    started = time.monotonic()
    dropped = {f"{batch}-{number}": place for number, place in enumerate(places)}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for name, place in dropped.items():
            pool.submit(service.user.drop, name, make_manifest(name, [place]))
    for name in dropped:
        published = {"batch_id": name, "status": "published", "is_settled": True}
        while service.database.manifests.find_one(published) is None:
            if time.monotonic() - started > ANSWER_TIMEOUT_S:
                raise TimeoutError(name)
            time.sleep(LOOK_EVERY_S)
    return drops / (time.monotonic() - started) * 60
