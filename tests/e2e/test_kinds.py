"""Raster, tabular data and joins through the real daemon, one drop each."""

from pathlib import Path

from tests.e2e.webserver import Webserver
from tests.support import LandingUser, make_manifest


def test_a_join_waits_for_its_inputs_and_names_their_versions(
    user: LandingUser, webserver: Webserver, data: Path, name: str
) -> None:
    inputs = [{"dataset_id": f"test/{name}-places"}, {"dataset_id": f"test/{name}-countries"}]
    manifest = make_manifest(
        f"{name}-join",
        [],
        intent="join_datasets",
        dataset_id=f"test/{name}-joined",
        inputs=inputs,
        options={"predicate": "within", "how": "inner"},
    )
    del manifest["files"]
    user.drop(f"{name}-join", manifest)
    user.drop_files(f"{name}-places", data / "ne_110m_populated_places.geojson")
    parts = [data / f"naturalearth_lowres.{part}" for part in ("shp", "shx", "dbf", "cpg", "prj")]
    user.drop_files(f"{name}-countries", *parts)

    receipt = user.receipt(f"{name}-join")

    assert receipt["status"] == "published", receipt["reason"]
    (table,) = receipt["tables"]
    assert table["join"]["left_rows"] == 243
    assert table["rows"] == table["join"]["left_matched"] > 150
    assert webserver.materialization(["silver", "test", f"{name}-joined"])["version"] == 1


def test_a_join_without_a_match_is_rejected(user: LandingUser, data: Path, name: str) -> None:
    user.drop_files(f"{name}-a", data / "poly.gpkg.zip")
    user.drop_files(f"{name}-b", data / "countries.fgb")
    assert user.receipt(f"{name}-a")["version"] == user.receipt(f"{name}-b")["version"] == 1
    manifest = make_manifest(
        name,
        [],
        intent="join_datasets",
        inputs=[{"dataset_id": f"test/{name}-a"}, {"dataset_id": f"test/{name}-b"}],
        options={"predicate": "within"},
    )
    del manifest["files"]
    user.drop(name, manifest)

    receipt = user.receipt(name)

    assert (receipt["status"], receipt["reason"]["code"]) == ("rejected", "join.no_match")
    assert "allow_no_match" in receipt["reason"]["remedy"]
