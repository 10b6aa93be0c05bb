"""From the options of `submit`, or a manifest, to a drop: before anything is sent."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from libs.models.errors import ManifestError
from services.cli.drop import (
    Drop,
    Request,
    default_batch_id,
    drop_from_manifest,
    drop_from_options,
    manifest_key,
    with_companions,
)
from services.cli.exits import CliUsageError

BUCKET = "landing-zone"


def touch(folder: Path, *names: str) -> list[Path]:
    """Return new files whose content is their name."""
    paths = [folder / name for name in names]
    for path in paths:
        path.write_text(path.name)
    return paths


def request(**changes: object) -> Request:
    """Return what the required options say."""
    values: dict[str, object] = {
        "dataset_id": "transport/roads",
        "project": "city",
        "description": "All roads.",
        "uploader": "ana",
        "intent": "ingest_vector",
        "batch_id": "roads-1",
        "file_facts": {},
        "metadata": {},
        "options": {},
    }
    return Request(**(values | changes))  # type: ignore[arg-type]


def manifest_file(folder: Path, *paths: str) -> Path:
    """Return a manifest that names `paths`."""
    document = {
        "batch_id": "roads-1",
        "uploader": "ana",
        "intent": "ingest_vector",
        "files": [{"path": path, "type": "vector"} for path in paths],
        "metadata": {"project": "city", "description": "All roads."},
    }
    path = folder / "manifest.json"
    path.write_text(json.dumps(document))
    return path


def keys(drop: Drop) -> dict[str, str]:
    """Return local name -> key of the files to upload."""
    return {upload.path.name: upload.key for upload in drop.uploads}


def test_options_become_a_manifest(tmp_path: Path) -> None:
    files = touch(tmp_path, "roads.gpkg")

    drop = drop_from_options(
        request(
            file_facts={"crs": "EPSG:25832", "layer": "roads"},
            metadata={"title": "Roads", "keywords": ["road"]},
            options={"target_crs": "source", "repair": True, "outputs": ["gpkg"]},
        ),
        files,
        bucket=BUCKET,
    )

    assert json.loads(drop.content) == drop.document
    assert drop.document == {
        "batch_id": "roads-1",
        "uploader": "ana",
        "intent": "ingest_vector",
        "dataset_id": "transport/roads",
        "files": [
            {
                "path": "s3://landing-zone/uploads/transport/roads/roads-1/roads.gpkg",
                "type": "vector",
                "crs": "EPSG:25832",
                "layer": "roads",
                "sha256": hashlib.sha256(b"roads.gpkg").hexdigest(),
            }
        ],
        "metadata": {
            "project": "city",
            "description": "All roads.",
            "title": "Roads",
            "keywords": ["road"],
        },
        "options": {"target_crs": "source", "repair": True, "outputs": ["gpkg"]},
    }
    assert drop.key == "manifests/roads-1.json"
    assert keys(drop) == {"roads.gpkg": "uploads/transport/roads/roads-1/roads.gpkg"}


def test_parts_of_a_shapefile_come_along_and_carry_no_facts(tmp_path: Path) -> None:
    touch(tmp_path, "a.SHP", "a.dbf", "a.ShX", "a.shp.xml", "a.txt", "ab.dbf", "b.dbf")

    drop = drop_from_options(
        request(file_facts={"crs": "EPSG:4326"}), [tmp_path / "a.SHP"], bucket=BUCKET
    )

    assert list(keys(drop)) == ["a.SHP", "a.ShX", "a.dbf", "a.shp.xml"]
    assert [file.crs for file in drop.manifest.files] == ["EPSG:4326", None, None, None]


def test_a_part_that_is_named_too_comes_once(tmp_path: Path) -> None:
    shp, dbf = touch(tmp_path, "a.shp", "a.dbf")

    assert with_companions([dbf, shp]) == [dbf, shp]


def test_a_wrong_option_is_refused_as_the_service_would(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="dataset_id"):
        drop_from_options(
            request(dataset_id="Transport Roads"), touch(tmp_path, "a.gpkg"), bucket=BUCKET
        )


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    files = touch(tmp_path, "a.gpkg") + touch(tmp_path / "x", "a.gpkg")

    with pytest.raises(CliUsageError, match="a name of its own"):
        drop_from_options(request(), files, bucket=BUCKET)


def test_files_go_to_the_paths_of_the_manifest(tmp_path: Path) -> None:
    touch(tmp_path, "a.shp", "a.dbf", "a.cpg")
    manifest = manifest_file(tmp_path, "s3://landing-zone/x/a.shp", "s3://landing-zone/y/a.dbf")

    drop = drop_from_manifest(manifest, [tmp_path / "a.shp"], bucket=BUCKET)

    assert drop.content == manifest.read_bytes()
    assert keys(drop) == {"a.shp": "x/a.shp", "a.dbf": "y/a.dbf"}
    assert drop.left_out == (tmp_path / "a.cpg",)


def test_a_manifest_may_come_without_files(tmp_path: Path) -> None:
    manifest = manifest_file(tmp_path, "s3://landing-zone/x/a.shp")

    assert drop_from_manifest(manifest, [], bucket=BUCKET).uploads == ()


@pytest.mark.parametrize(
    "paths",
    [["s3://landing-zone/b.gpkg"], ["s3://landing-zone/x/a.gpkg", "s3://landing-zone/y/a.gpkg"]],
    ids=["no path of its name", "two paths of its name"],
)
def test_a_file_needs_one_path_in_the_manifest(tmp_path: Path, paths: list[str]) -> None:
    manifest = manifest_file(tmp_path, *paths)

    with pytest.raises(CliUsageError, match="exactly one path") as caught:
        drop_from_manifest(manifest, touch(tmp_path, "a.gpkg"), bucket=BUCKET)
    assert all(path.rpartition("/")[2] in caught.value.reason.message for path in paths)


def test_batch_ids_are_new_at_every_call_and_make_plain_keys() -> None:
    moment = datetime(2026, 11, 21, 3, 4, 5, 678901, tzinfo=UTC)

    assert default_batch_id("a/b", moment) == "a-b-20261121T030405.678Z"
    assert manifest_key("Straßen 2026/11 *") == "manifests/Straßen-2026-11-.json"
