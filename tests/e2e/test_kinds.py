"""Raster, tabular data and joins through the real daemon, one drop each."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.webserver import Webserver
from tests.rasters import header_only_tiff, make_raster
from tests.support import LandingUser, geojson, make_manifest


def drop(user: LandingUser, name: str, kind: str, file: Path, **changes: Any) -> dict[str, Any]:
    """Drop a raster or a table and return the receipt."""
    path = user.put(f"uploads/{name}/{file.name}", file)
    facts = changes.pop("facts", {})
    manifest = make_manifest(name, [], intent=f"ingest_{kind}", **changes)
    manifest["files"] = [{"path": path, "type": kind, **facts}]
    user.drop(name, manifest)
    return user.receipt(name)


def test_a_raster_is_published_with_its_bands(user: LandingUser, data: Path, name: str) -> None:
    receipt = drop(user, name, "raster", data / "naip_20100629.tif")

    assert receipt["status"] == "published", receipt["reason"]
    (table,) = receipt["tables"]
    assert (table["raster"]["width"], table["raster"]["height"]) == (934, 723)
    assert [band["type"] for band in table["raster"]["bands"]] == ["Byte"] * 4
    assert table["crs"] == "EPSG:26914"
    assert [output["format"] for output in table["outputs"]] == ["cog"]


@pytest.mark.parametrize(
    ("name_of_file", "content", "code"),
    [
        ("a.vrt", b"<VRTDataset/>", "source.unknown_format"),
        ("a.tif", b"II*\0 truncated", "source.unreadable"),
        ("a.tif", header_only_tiff(65_535, 65_535), "source.raster_too_large"),
    ],
    ids=["vrt", "truncated", "bomb"],
)
def test_a_raster_that_cannot_be_read_is_rejected(
    user: LandingUser, name: str, tmp_path: Path, name_of_file: str, content: bytes, code: str
) -> None:
    (tmp_path / name_of_file).write_bytes(content)

    receipt = drop(user, name, "raster", tmp_path / name_of_file, facts={"crs": "EPSG:25832"})

    assert (receipt["status"], receipt["reason"]["code"]) == ("rejected", code)


def test_a_raster_without_crs_is_rejected(user: LandingUser, name: str, tmp_path: Path) -> None:
    receipt = drop(user, name, "raster", make_raster(tmp_path / "a.tif", crs=None))

    assert (receipt["status"], receipt["reason"]["code"]) == ("rejected", "crs.missing")


def test_a_raster_with_control_points_only_is_rejected(
    user: LandingUser, name: str, tmp_path: Path
) -> None:
    corners = [[10, 50, 0, 0, 0], [11, 50, 0, 9, 0], [10, 49, 0, 0, 9]]
    image = make_raster(tmp_path / "a.tif", crs="EPSG:4326", geotransform=None, gcps=corners)

    receipt = drop(user, name, "raster", image)

    assert (receipt["status"], receipt["reason"]["code"]) == (
        "rejected",
        "source.not_georeferenced",
    )
    assert receipt["reason"]["remedy"]


def test_a_table_is_published_as_it_is(user: LandingUser, data: Path, name: str) -> None:
    receipt = drop(user, name, "tabular", data / "navaids.csv")

    (table,) = receipt["tables"]
    assert (receipt["status"], table["rows"]) == ("published", 200)
    assert {column["type"] for column in table["columns"]} == {"text"}
    assert [output["format"] for output in table["outputs"]] == ["parquet"]


def test_a_table_becomes_points(user: LandingUser, data: Path, name: str) -> None:
    options = {"x_column": "longitude_deg", "y_column": "latitude_deg"}
    receipt = drop(
        user, name, "tabular", data / "navaids.csv", options=options, facts={"crs": "EPSG:4326"}
    )

    (table,) = receipt["tables"]
    assert (receipt["status"], table["geometry_types"]) == ("published", ["Point"])
    assert {name: facts["rows"] for name, facts in table["hops"]["written"].items()} == {
        "geoparquet": 200,
        "flatgeobuf": 200,
    }


def test_a_ragged_table_is_rejected_with_its_row(
    user: LandingUser, name: str, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,b\n1,2\n3\n")

    reason = drop(user, name, "tabular", tmp_path / "a.csv")["reason"]

    assert (reason["code"], reason["row"]) == ("source.ragged_rows", 2)


def test_undecodable_bytes_are_rejected_with_their_row(
    user: LandingUser, name: str, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_bytes(b"a\n1\n\xe9\n")

    reason = drop(user, name, "tabular", tmp_path / "a.csv")["reason"]

    assert (reason["code"], reason["row"]) == ("source.encoding", 2)
    assert "files[].encoding" in reason["remedy"]


def test_points_without_crs_are_rejected(user: LandingUser, data: Path, name: str) -> None:
    options = {"x_column": "longitude_deg", "y_column": "latitude_deg"}

    receipt = drop(user, name, "tabular", data / "navaids.csv", options=options)

    assert (receipt["status"], receipt["reason"]["code"]) == ("rejected", "crs.missing")


def test_a_join_that_falls_short_is_rejected(user: LandingUser, name: str) -> None:
    tables = {
        "unique": [("1", "a"), ("2", "b")],
        "double": [("1", "a"), ("1", "b")],
        "number": [(1, "a"), (2, "b")],
    }
    for label, rows in tables.items():
        content = geojson(*(({"code": code, "value": value}, None) for code, value in rows))
        path = user.put(f"uploads/{name}-{label}/a.geojson", content)
        user.drop(f"{name}-{label}", make_manifest(f"{name}-{label}", [path]))
    cases = {
        "join.match_rate": ("unique", "double", {"min_match_rate": 0.9}),
        "join.not_many_to_one": ("unique", "double", {"expect": "many_to_one"}),
        "join.not_one_to_one": ("double", "unique", {"expect": "one_to_one"}),
        "join.key_types_differ": ("unique", "number", {}),
    }
    for code, (left, right, options) in cases.items():
        manifest = make_manifest(
            f"{name}-{code}",
            [],
            intent="join_datasets",
            dataset_id=f"test/{name}-joined",
            inputs=[{"dataset_id": f"test/{name}-{side}"} for side in (left, right)],
            options={"on": [{"left": "code", "right": "code"}], **options},
        )
        del manifest["files"]
        user.drop(f"{name}-{code}", manifest)

    receipts = {code: user.receipt(f"{name}-{code}") for code in cases}

    assert {receipt["status"] for receipt in receipts.values()} == {"rejected"}
    assert {code: receipt["reason"]["code"] for code, receipt in receipts.items()} == {
        code: code for code in cases
    }


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
