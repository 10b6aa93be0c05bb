"""Raster, tabular data and joins through the real daemon."""

from pathlib import Path
from typing import Any

from tests.e2e.webserver import Webserver
from tests.rasters import header_only_tiff
from tests.support import LandingUser, make_manifest

POINTS = {"x_column": "longitude_deg", "y_column": "latitude_deg"}


def drop(user: LandingUser, name: str, kind: str, file: Path, **changes: Any) -> str:
    """Drop a raster or a table and return its manifest's name."""
    path = user.put(f"uploads/{name}/{file.name}", file)
    facts = changes.pop("facts", {})
    manifest = make_manifest(name, [], intent=f"ingest_{kind}", **changes)
    manifest["files"] = [{"path": path, "type": kind, **facts}]
    user.drop(name, manifest)
    return name


def test_rasters_and_tables_are_published_each_in_its_form(
    user: LandingUser, data: Path, name: str
) -> None:
    image, navaids = data / "naip_20100629.tif", data / "navaids.csv"
    crs = {"crs": "EPSG:4326"}
    names = [
        drop(user, f"{name}-raster", "raster", image),
        drop(user, f"{name}-table", "tabular", navaids),
        drop(user, f"{name}-points", "tabular", navaids, options=POINTS, facts=crs),
    ]

    receipts = [user.receipt(label) for label in names]

    assert [receipt["status"] for receipt in receipts] == ["published"] * 3
    raster, table, points = (receipt["tables"][0] for receipt in receipts)
    assert (raster["raster"]["width"], raster["raster"]["height"]) == (934, 723)
    assert [band["type"] for band in raster["raster"]["bands"]] == ["Byte"] * 4
    assert raster["crs"] == "EPSG:26914"
    assert [output["format"] for output in raster["outputs"]] == ["cog"]
    assert {column["type"] for column in table["columns"]} == {"text"}
    assert [output["format"] for output in table["outputs"]] == ["parquet"]
    assert points["geometry_types"] == ["Point"]
    written = {form: facts["rows"] for form, facts in points["hops"]["written"].items()}
    assert written == {"geoparquet": 200, "flatgeobuf": 200}


def test_a_raster_and_a_table_that_are_wrong_are_rejected_with_their_place(
    user: LandingUser, name: str, tmp_path: Path
) -> None:
    bomb, ragged = tmp_path / "a.tif", tmp_path / "a.csv"
    bomb.write_bytes(header_only_tiff(65_535, 65_535))
    ragged.write_bytes(b"a,b\n1,2\n3\n")
    names = [
        drop(user, f"{name}-raster", "raster", bomb, facts={"crs": "EPSG:25832"}),
        drop(user, f"{name}-table", "tabular", ragged),
    ]

    receipts = [user.receipt(label) for label in names]

    assert [receipt["status"] for receipt in receipts] == ["rejected"] * 2
    reasons = [receipt["reason"] for receipt in receipts]
    assert [(reason["code"], reason["row"]) for reason in reasons] == [
        ("source.raster_too_large", None),
        ("source.ragged_rows", 2),
    ]
    assert all(reason["remedy"] for reason in reasons)


def join(name: str, *inputs: dict[str, str]) -> dict[str, Any]:
    """Return the manifest of a join of two datasets: what lies within what."""
    options = {"predicate": "within", "how": "inner"}
    manifest = make_manifest(name, [], intent="join_datasets", inputs=list(inputs), options=options)
    del manifest["files"]
    return manifest


def test_a_join_waits_for_its_inputs_and_one_without_a_match_is_rejected(
    user: LandingUser, webserver: Webserver, data: Path, name: str
) -> None:
    places, countries = ({"dataset_id": f"test/{name}-{part}"} for part in ("places", "countries"))
    user.drop(f"{name}-join", join(f"{name}-join", places, countries))
    user.drop_files(f"{name}-places", data / "ne_110m_populated_places.geojson")
    parts = [data / f"naturalearth_lowres.{part}" for part in ("shp", "shx", "dbf", "cpg", "prj")]
    user.drop_files(f"{name}-countries", *parts)

    receipt = user.receipt(f"{name}-join")

    assert receipt["status"] == "published", receipt["reason"]
    (table,) = receipt["tables"]
    assert table["join"]["left_rows"] == 243
    assert table["rows"] == table["join"]["left_matched"] > 150
    assert webserver.materialization(["silver", "test", f"{name}-join"])["version"] == 1

    user.drop(f"{name}-none", join(f"{name}-none", countries, places))
    none = user.receipt(f"{name}-none")

    assert (none["status"], none["reason"]["code"]) == ("rejected", "join.no_match")
    assert "allow_no_match" in none["reason"]["remedy"]
