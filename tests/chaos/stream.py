"""The drops of a chaos: each kind small and large, good and bad, its content known beforehand."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rasters import make_raster
from tests.support import LandingUser, geojson, make_manifest, point

ROWS = {"points": 50, "many points": 20_000, "table": 200, "raster": 0, "bad": 1}
CSV = {"type": "tabular"}


@dataclass(frozen=True)
class Kind:
    """A kind of drop: how its one file is named, what the manifest says, what becomes of it.

    `weight` is how often it comes, beside the others.
    """

    name: str
    suffix: str
    weight: int
    status: str = "published"
    intent: str = "ingest_vector"
    type: str = "vector"


KINDS = (
    Kind("points", "geojson", 6),
    Kind("many points", "geojson", 1),
    Kind("table", "csv", 3, intent="ingest_tabular", type="tabular"),
    Kind("raster", "tif", 2, intent="ingest_raster", type="raster"),
    Kind("bad", "geojson", 1, status="rejected"),
)


class Stream:
    """Makes drops of `kinds` one after another, each the same every time but for its dataset."""

    def __init__(
        self, user: LandingUser, folder: Path, rng: random.Random, kinds: Sequence[Kind]
    ) -> None:
        self.kinds = tuple(kinds)
        self._user, self._rng = user, rng
        self._files = {kind.name: _content(kind, folder) for kind in kinds}
        self.dropped: dict[str, Kind] = {}

    def drop(self, kind: Kind | None = None) -> str:
        """Drop a file and its manifest, of any kind unless told; return the manifest's name."""
        kind = kind or self._rng.choices(self.kinds, [kind.weight for kind in self.kinds])[0]
        return self.prepare(kind)()

    def prepare(self, kind: Kind) -> Callable[[], str]:
        """Put the file of a drop; return what drops its manifest and gives that one's name."""
        name = f"chaos-{len(self.dropped):04}-{kind.name.replace(' ', '-')}"
        path = self._user.put(f"uploads/{name}.{kind.suffix}", self._files[kind.name])
        files: list[dict[str, Any]] = [{"path": path, "type": kind.type, "table": "data"}]
        manifest = make_manifest(name, [], intent=kind.intent, files=files)
        self.dropped[name] = kind

        def drop() -> str:
            self._user.drop(name, manifest)
            return name

        return drop


def _content(kind: Kind, folder: Path) -> bytes:
    if kind.name == "bad":
        return b'{"type": "FeatureCollection", "features": [{'
    if kind.name == "raster":
        path = folder / "chaos.tif"
        make_raster(path)
        return path.read_bytes()
    numbers = range(ROWS[kind.name])
    if kind.name == "table":
        return b"id,name\n" + "".join(f"{n},row {n}\n" for n in numbers).encode()
    return geojson(*(({"id": n, "name": f"at {n}"}, point(n % 180, n % 80)) for n in numbers))
