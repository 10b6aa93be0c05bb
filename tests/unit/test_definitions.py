"""What Dagster knows: everything built in one place, nothing lost unseen."""

import json
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    Definitions,
    build_sensor_context,
    validate_run_config,
)

from etl_pipelines.definitions import build_defs
from etl_pipelines.jobs.ingest import ingest
from etl_pipelines.jobs.phases import PHASES
from etl_pipelines.resources.gdal_resource import GDALResource
from etl_pipelines.resources.minio_resource import MinIOResource
from etl_pipelines.resources.mongodb_resource import MongoDBResource
from etl_pipelines.resources.postgis_resource import PostGISResource
from etl_pipelines.sensors import manifest_sensor
from libs.pipeline.attempts import Reconciled, RunOrder
from libs.storage.landing import LandingZone
from tests.unit.conftest import Program
from tests.unit.examples import BUCKET, drop, receipt, version
from tests.unit.fakes import FakeMinio

SNAPSHOT = Path(__file__).parents[1] / "data" / "definitions.json"


def snapshot(definitions: Definitions) -> dict[str, Any]:
    """Return the names of all that Dagster knows."""
    repository = definitions.get_repository_def()
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    return {
        "assets": sorted(
            key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()
        ),
        "asset_checks": sorted(str(key) for key in repository.asset_graph.asset_check_keys),
        "jobs": {
            job.name: [node.name for node in job.graph.nodes_in_topological_order]
            for job in sorted(jobs, key=lambda job: job.name)
        },
        "schedules": sorted(item.name for item in repository.schedule_defs),
        "sensors": {
            item.name: {
                "jobs": [target.job_name for target in item.targets],
                "status": item.default_status.value,
            }
            for item in sorted(repository.sensor_defs, key=lambda item: item.name)
        },
        "resources": sorted(repository.get_top_level_resources()),
    }


def test_dagster_knows_what_the_committed_snapshot_says() -> None:
    found = snapshot(build_defs())
    message = (
        f"where the change is wanted, write this to {SNAPSHOT}:\n{json.dumps(found, indent=2)}"
    )
    assert found == json.loads(SNAPSHOT.read_text()), message


def test_the_steps_of_the_job_are_the_phases_in_order() -> None:
    assert [node.name for node in ingest.graph.nodes_in_topological_order] == list(PHASES)


def test_definitions_can_be_loaded_and_are_fresh() -> None:
    Definitions.validate_loadable(build_defs())
    assert build_defs() is not build_defs()


def test_building_definitions_needs_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MINIO_ENDPOINT", "POSTGRES_PASSWORD", "MONGO_URI"):
        monkeypatch.delenv(name, raising=False)
    assert build_defs().resources


def test_a_resource_is_replaced_by_name() -> None:
    other = MinIOResource()
    definitions = build_defs(resources={"minio": other, "more": "anything"})
    assert definitions.resources["minio"] is other
    assert set(definitions.resources) == {*build_defs().resources, "more"}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("minio", MinIOResource),
        ("postgis", PostGISResource),
        ("mongodb", MongoDBResource),
        ("gdal", GDALResource),
    ],
)
def test_a_replaced_resource_is_the_one_that_runs_use(name: str, kind: type) -> None:
    other = kind()
    workbench = build_defs(resources={name: other}).resources["workbench"]
    assert workbench.nested_resources[name] is other


@pytest.mark.parametrize(
    ("resource", "methods"),
    [
        (
            MinIOResource,
            "list_manifests get_manifest move_to_archive upload_to_lake get_presigned_url",
        ),
        (
            PostGISResource,
            "ephemeral_schema execute_sql table_exists get_table_bounds get_engine",
        ),
        (
            MongoDBResource,
            "insert_manifest update_manifest_status get_manifest insert_asset get_latest_asset "
            "get_next_version asset_exists",
        ),
        (GDALResource, "ogr2ogr ogrinfo gdalinfo gdal_translate gdalwarp"),
    ],
)
def test_a_resource_has_the_methods_that_others_rely_on(resource: type, methods: str) -> None:
    for method in methods.split():
        assert callable(getattr(resource, method)), method
        assert getattr(resource, method).__doc__, method


@pytest.fixture
def minio_resource(
    monkeypatch: pytest.MonkeyPatch, landing: LandingZone, lake: Any
) -> MinIOResource:
    monkeypatch.setattr(MinIOResource, "get_landing_zone", lambda _: landing)
    monkeypatch.setattr(MinIOResource, "get_lake", lambda _: lake)
    return MinIOResource()


def test_minio_lists_reads_and_archives_manifests(
    minio_resource: MinIOResource, minio: FakeMinio
) -> None:
    minio.put(BUCKET, "manifests/a.json", b'{"a": 1}')
    assert minio_resource.list_manifests() == ["manifests/a.json"]
    assert minio_resource.get_manifest("manifests/a.json") == {"a": 1}
    assert minio_resource.move_to_archive("manifests/a.json") == "archive/a.json"
    assert minio_resource.move_to_archive("manifests/a.json") is None


def test_minio_uploads_to_the_lake_and_signs(
    minio_resource: MinIOResource, minio: FakeMinio, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(b"data")
    assert len(minio_resource.upload_to_lake(str(tmp_path / "a"), "d/v1-x/a")) == 64
    assert minio.content("data-lake", "d/v1-x/a") == b"data"
    assert "data-lake/d/v1-x/a" in minio_resource.get_presigned_url("data-lake", "d/v1-x/a")


def test_mongodb_keeps_drops_and_versions(
    monkeypatch: pytest.MonkeyPatch, ledger: Any, catalog: Any
) -> None:
    monkeypatch.setattr(MongoDBResource, "_connected", lambda _: (ledger, catalog))
    mongodb = MongoDBResource()
    assert mongodb.insert_manifest(drop())
    assert not mongodb.insert_manifest(drop())
    assert mongodb.update_manifest_status(receipt(status="canceled"))
    assert mongodb.get_manifest("d1").status == "canceled"
    assert mongodb.get_next_version("transport/roads") == 1
    assert mongodb.insert_asset(version()) == version()
    assert mongodb.get_latest_asset("transport/roads") == version()
    assert mongodb.get_next_version("transport/roads") == 2
    assert mongodb.asset_exists("c" * 64)
    assert not mongodb.asset_exists("0" * 64)


@pytest.mark.parametrize("name", ["ogr2ogr", "ogrinfo", "gdalinfo", "gdal_translate", "gdalwarp"])
def test_gdal_runs_the_program_of_that_name(program: Program, tmp_path: Path, name: str) -> None:
    program('echo "$(basename "$0") $1"', name=name)
    resource = GDALResource(bin_dir=str(tmp_path / "bin"))
    assert getattr(resource, name)(["-x"], cwd=tmp_path).stdout == f"{name} -x\n"


class Workbench:
    """The resource of that name, its clients being whatever `look` is given."""

    def get_clients(self) -> str:
        return "the clients"


ORDER = RunOrder("d1", 2, "my batch", "transport/roads")


@pytest.fixture
def tick(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that ticks the sensor over the orders of each look."""
    monkeypatch.setattr(manifest_sensor.time, "sleep", lambda _: None)

    def tick(*looks: list[RunOrder]) -> Any:
        left = iter(looks)
        monkeypatch.setattr(manifest_sensor, "look", lambda *_: Reconciled(tuple(next(left, ()))))
        monkeypatch.setattr(manifest_sensor, "LOOKING_S", 0.0 if len(looks) < 2 else 60.0)
        sensor = manifest_sensor.build_manifest_sensor()
        with (
            DagsterInstance.ephemeral() as instance,
            build_sensor_context(
                instance=instance, resources={"workbench": Workbench()}
            ) as context,
        ):
            return sensor.evaluate_tick(context)

    return tick


def test_an_order_becomes_a_run_that_the_job_accepts(tick: Any) -> None:
    (request,) = tick([ORDER]).run_requests
    assert request.run_key == "d1:2"
    assert request.tags["spatial_etl/drop"] == "d1"
    assert request.tags["spatial_etl/attempt"] == "2"
    assert request.tags["spatial_etl/batch"] == "my batch"
    assert request.tags["spatial_etl/dataset"] == "transport/roads"
    assert validate_run_config(ingest, request.run_config)


def test_a_tick_looks_again_before_it_gives_up(tick: Any) -> None:
    assert [item.run_key for item in tick([], [], [ORDER]).run_requests] == ["d1:2"]


def test_a_tick_without_an_order_says_so(tick: Any) -> None:
    ticked = tick([])
    assert ticked.run_requests == []
    assert ticked.skip_message == "No drop is due."


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, None),
        ("NOT_STARTED", None),
        ("STARTED", "active"),
        ("CANCELING", "active"),
        ("CANCELED", "canceled"),
        ("SUCCESS", "ended"),
        ("FAILURE", "ended"),
    ],
)
def test_a_run_is_found_by_its_run_key(status: str | None, expected: str | None) -> None:
    with DagsterInstance.ephemeral() as instance:
        run_id = None
        if status is not None:
            run = instance.add_run(
                DagsterRun(
                    job_name="ingest",
                    status=DagsterRunStatus[status],
                    tags={"dagster/run_key": "d1:2"},
                )
            )
            run_id = run.run_id
        find_run = manifest_sensor._run_finder(instance)
        assert find_run("d1:2", None) == expected
        assert find_run("another key", run_id) == expected
        assert find_run("d1:1", None) is None
