"""A FlatGeobuf joined from parts: it holds and finds what one that GDAL indexed holds and finds."""

from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyogrio
import pytest
import shapely

from libs.compute.flatgeobuf_index import join_indexed

POINTS = [shapely.Point(n % 7, n / 3) for n in range(300)]
SHAPES: dict[str, list[Any]] = {
    "points": POINTS,
    "one": POINTS[:1],
    "a node": POINTS[:16],
    "polygons with holes": [
        shapely.Point(n, n).buffer(2).difference(shapely.Point(n, n).buffer(1)) for n in range(40)
    ],
    "3D lines": [shapely.LineString([(n, -n, 5), (n + 1, n, 6)]) for n in range(40)],
    "a mix": [
        shapely.MultiPolygon([shapely.box(n, 0, n + 1, 1), shapely.box(-n, 5, -n + 1, 9)])
        if n % 2
        else shapely.GeometryCollection([POINTS[n], shapely.MultiPoint(POINTS[n : n + 3])])
        for n in range(40)
    ],
}


def write(path: Path, shapes: list[Any], kind: str = "Unknown", **options: Any) -> bytes:
    frame = geopandas.GeoDataFrame({"n": np.arange(len(shapes))}, geometry=shapes, crs="EPSG:4326")
    pyogrio.write_dataframe(frame, path, layer="t", geometry_type=kind, **options)
    return path.read_bytes()


@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
def test_parts_become_what_gdal_writes_of_their_order(shapes: list[Any], tmp_path: Path) -> None:
    own = tmp_path / "own.fgb"
    write(own, shapes)
    in_order = pyogrio.read_dataframe(own).geometry.tolist()
    cuts = [0, len(shapes) // 3, len(shapes)]
    parts = [tmp_path / f"{n}.fgb" for n in range(3)]
    parts[2].touch()
    for path, begin, end in zip(parts, cuts, cuts[1:], strict=False):
        if begin < end:
            write(path, in_order[begin:end], SPATIAL_INDEX="NO")
        else:
            path.touch()

    join_indexed(parts, tmp_path / "joined.fgb")

    joined = tmp_path / "joined.fgb"
    assert not any(path.exists() for path in parts)
    assert pyogrio.read_dataframe(joined).geometry.tolist() == in_order
    assert pyogrio.read_info(joined, force_total_bounds=False)["total_bounds"] == tuple(
        shapely.total_bounds(shapes)
    )
    for shape in shapes[:: max(1, len(shapes) // 10)]:
        found = pyogrio.read_dataframe(joined, bbox=shape.bounds)
        assert len(found) == len(pyogrio.read_dataframe(own, bbox=shape.bounds)) > 0


def test_parts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    torn, one, other = (tmp_path / f"{n}.fgb" for n in range(3))
    torn.write_bytes(write(torn, POINTS, SPATIAL_INDEX="NO")[:-1])
    write(one, POINTS, "Point", SPATIAL_INDEX="NO")
    write(other, POINTS, SPATIAL_INDEX="NO")

    with pytest.raises(IndexError, match="ends 1 bytes behind the file"):
        join_indexed([torn], tmp_path / "joined.fgb")
    with pytest.raises(ValueError, match="headers that differ"):
        join_indexed([one, other], tmp_path / "joined.fgb")
