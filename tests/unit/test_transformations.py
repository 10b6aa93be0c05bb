"""Which way a table's sources took from their CRS to the table's."""

from types import SimpleNamespace
from typing import Any

import pytest

from libs.pipeline.kinds import tables
from libs.pipeline.kinds.planning import plan_tables
from tests.unit.examples import found, geometry_rows, layer, manifest, wkt

NORWAY = (5.0, 58.0, 10.0, 62.0)
NORWAY_LAT_LON = (58.0, 5.0, 62.0, 10.0)


@pytest.mark.parametrize(
    ("is_swapped", "bounds"), [(False, NORWAY), (True, NORWAY_LAT_LON)], ids=["x, y", "lat, lon"]
)
def test_the_way_is_that_of_the_area_where_the_data_lies(
    is_swapped: bool, bounds: tuple[float, ...]
) -> None:
    crs = wkt(4230).model_copy(update={"is_swapped": is_swapped})
    described = layer("roads", geometry_rows("Point", 1), crs=crs)
    (plan,), _ = plan_tables(manifest(), "transport/roads", [found(described)])
    postgis = SimpleNamespace(bounds=lambda *_: bounds)
    bench: Any = SimpleNamespace(clients=SimpleNamespace(postgis=postgis), schema="proc_run1")
    loaded: Any = SimpleNamespace(plan=plan, raw_tables=("raw_0_0",))
    (way,) = tables._transformations(bench, loaded)
    assert (way.is_ballpark, way.accuracy_m) == (False, 1.0)
