"""Contracts of the manifest: every breach told at once, with counts and the rows of the source."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from libs.models.errors import ContractError, Reason
from libs.models.version import Version
from services.cli.main import cli
from tests.integration.line import Line
from tests.support import geojson, make_manifest, multi_layer_geopackage, point

LINE_STRING = {"type": "LineString", "coordinates": [[0, 0], [30, 30]]}
PLACES = geojson(
    ({"id": "a", "n": 1}, point(1, 1)),
    ({"id": "b", "n": 2}, point(20, 2)),
    ({"id": "a", "n": 3}, point(3, 3)),
    ({"id": None, "n": 4}, LINE_STRING),
    ({"id": "c", "n": 5}, None),
)
SOURCE_CRS = {"target_crs": "EPSG:25832"}


def drop(line: Line, name: str, *contents: bytes, **changes: Any) -> Version:
    paths = [
        line.user.put(f"uploads/{name}/{number}.geojson", content)
        for number, content in enumerate(contents)
    ]
    return line.run(name, make_manifest(name, paths, **changes))


def refusal(line: Line, name: str, *contents: bytes, **changes: Any) -> Reason:
    with pytest.raises(ContractError) as refused:
        drop(line, name, *contents, **changes)
    assert line.clients.catalog.latest(f"test/{name}") is None
    return refused.value.reason


@pytest.mark.parametrize(
    ("contract", "code", "row", "found"),
    [
        (
            {"bbox": [0, 0, 10, 10]},
            "contract.bbox",
            2,
            "found 2 of 5 features outside and the extent [0.0, 0.0, 30.0, 30.0]: "
            "row 2 (20, 2); row 4 (0, 0, 30, 30).",
        ),
        (
            {"geometry_types": ["Point"]},
            "contract.geometry_types",
            4,
            "expected only Point, found 1 LineString: row 4 (LineString).",
        ),
        (
            {"columns": {"id": "text", "n": "text", "gone": "date"}},
            "contract.columns",
            None,
            "found no column gone date; another type for n text (found integer).",
        ),
        (
            {"columns": {"n": "int"}},
            "contract.columns",
            None,
            "a contract with the unknown type int. Types are integer,",
        ),
        ({"crs": "EPSG:3857"}, "contract.crs", None, "expected EPSG:3857, found EPSG:4326."),
        ({"min_rows": 6}, "contract.min_rows", None, "expected at least 6 rows, found 5."),
        ({"max_rows": 4}, "contract.max_rows", None, "expected at most 4 rows, found 5."),
        ({"key": ["n", "gone"]}, "contract.key", None, "expected key column gone, found id, n."),
    ],
    ids=str,
)
def test_a_breach_is_told_with_counts_and_rows(
    line: Line, name: str, contract: dict[str, Any], code: str, row: int | None, found: str
) -> None:
    reason = refusal(line, name, PLACES, contract=contract)

    assert (reason.code, reason.row) == (code, row)
    assert found in reason.message


def test_null_and_repeated_keys_are_told_apart(line: Line, name: str) -> None:
    reason = refusal(line, name, PLACES, contract={"key": ["id"]})

    assert reason.code == "contract.key"
    assert "expected (id) not to be NULL, found 1: row 4 (NULL)." in reason.message
    assert (
        "expected (id) to be unique, found 2 rows that share their key with another: "
        "row 1 (a); row 3 (a)." in reason.message
    )


def test_all_breaches_are_told_at_once(line: Line, name: str) -> None:
    contract = {"bbox": [0, 0, 10, 10], "key": ["id"], "max_rows": 1}

    reason = refusal(line, name, PLACES, contract=contract)

    assert reason.code == "contract.several"
    assert reason.message.startswith("4 promises are broken. (1) Table ")
    for part in ("share their key", "not to be NULL", "at most 1", "2 of 5 features outside"):
        assert part in reason.message


def test_rows_are_those_of_the_file_they_came_from(line: Line, name: str) -> None:
    north = geojson(*(({"id": f"n{number}"}, point(number, 50)) for number in range(3)))
    south = geojson(({"id": "s"}, point(0, -50)), ({"id": "n1"}, point(170, -60)))
    contract = {"bbox": [0, -90, 100, 90], "key": ["id"]}

    reason = refusal(line, name, north, south, contract=contract)

    assert "row 2 of " in reason.message
    assert f"uploads/{name}/0.geojson (n1); row 2 of " in reason.message
    assert f"uploads/{name}/1.geojson (170, -60)" in reason.message


def test_an_attribute_table_keeps_no_spatial_promise_but_all_others(
    line: Line, name: str, tmp_path: Path
) -> None:
    source = multi_layer_geopackage(tmp_path / "layers.gpkg")
    path = line.user.put(f"uploads/{name}/layers.gpkg", source)
    spatial = {"crs": "EPSG:4326", "geometry_types": ["Point", "MultiPolygon"]}

    version = line.run(name, make_manifest(name, [path], contract=spatial))
    assert len(version.tables) == 3

    manifest = make_manifest(f"{name}-2", [path], contract={"columns": {"name": "text"}})
    with pytest.raises(ContractError, match="Table 'population'"):
        line.run(f"{name}-2", manifest)

    manifest = make_manifest(f"{name}-3", [path], contract=spatial)
    manifest["files"][0]["layer"] = "population"
    with pytest.raises(ContractError, match="found no geometry"):
        line.run(f"{name}-3", manifest)


def printed(line: Line, monkeypatch: pytest.MonkeyPatch, dataset: str) -> dict[str, Any]:
    """Return what `spatial-etl contract` prints, over the catalog of the line."""
    monkeypatch.setattr("services.cli.contract.connections", lambda _: line.clients)
    result = CliRunner().invoke(cli, ["contract", dataset], standalone_mode=False)
    assert result.exit_code == 0, result.output
    assert '"key"' in result.stderr
    contract: dict[str, Any] = json.loads(result.stdout)
    return contract


def test_a_printed_contract_holds_for_the_same_data_and_refuses_other(
    line: Line, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = drop(line, name, PLACES, options=SOURCE_CRS)

    contract = printed(line, monkeypatch, f"test/{name}")

    assert contract == {
        "crs": "EPSG:25832",
        "bbox": list(first.tables[0].bbox),
        "geometry_types": ["Point", "LineString"],
        "columns": {"id": "text", "n": "integer"},
        "min_rows": 5,
    }
    again = drop(line, name, PLACES, options=SOURCE_CRS, contract=contract)
    assert again.version == 2
    fewer = geojson(({"id": 7}, point(40, 2)))
    reason = refusal(line, f"{name}-2", fewer, options=SOURCE_CRS, contract=contract)
    assert reason.code == "contract.several"
    for part in ("no column n", "id text (found integer)", "at least 5 rows", "1 of 1 features"):
        assert part in reason.message


def test_a_contract_of_several_tables_holds_for_all_of_them(
    line: Line, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = multi_layer_geopackage(tmp_path / "layers.gpkg")
    path = line.user.put(f"uploads/{name}/layers.gpkg", source)
    line.run(name, make_manifest(name, [path]))

    contract = printed(line, monkeypatch, f"test/{name}@1")

    assert contract["min_rows"] == 177
    assert contract["geometry_types"] == ["Point", "MultiPolygon"]
    again = make_manifest(name, [path], contract=contract)
    assert line.run(name, again).version == 2
