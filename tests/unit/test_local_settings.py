"""Settings of the local stack: what is generated, what is taken from the environment."""

import json
import os
import shlex
import stat
import subprocess
from pathlib import Path

import pytest

from libs.models.config import MinIOSettings, MongoSettings, ServiceSettings
from services.local.errors import StackError
from services.local.identities import s3_configuration, write_identities
from services.local.layout import Layout
from services.local.ports import PREFERRED, S3_INNER
from services.local.settings import (
    Plan,
    child_environment,
    given_services,
    load_plan,
    load_secrets,
    make_plan,
    save_plan,
)

PORTS = {**PREFERRED, **{name: 20000 + i for i, name in enumerate(S3_INNER)}}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return the layout of a state directory whose name a shell would split."""
    state_dir = tmp_path / "a state"
    state_dir.mkdir()
    return Layout.of(state_dir)


def local_plan(layout: Layout, environ: dict[str, str] | None = None) -> Plan:
    """Return the plan of a stack all of whose servers are its own."""
    return make_plan(layout, PORTS, frozenset(), environ or {})


def test_every_setting_of_the_service_is_in_the_plan(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = local_plan(layout)
    for name, value in plan.settings.items():
        monkeypatch.setenv(name, value)
    assert MinIOSettings().endpoint == "127.0.0.1:9000"
    assert not MinIOSettings().secure
    assert MongoSettings().uri.get_secret_value().endswith("@127.0.0.1:27017/spatial_etl")
    assert ServiceSettings().work_dir == layout.work_dir


def test_passwords_are_made_once_and_kept_private(layout: Layout) -> None:
    first = load_secrets(layout.secrets)
    assert load_secrets(layout.secrets) == first
    assert len(set(first.values())) == len(first)
    assert stat.S_IMODE(layout.secrets.stat().st_mode) == 0o600


def test_a_saved_plan_is_read_back_and_by_a_shell(layout: Layout) -> None:
    plan = local_plan(layout)
    save_plan(layout, plan)
    assert load_plan(layout) == plan
    assert stat.S_IMODE(layout.stack_env.stat().st_mode) == 0o600
    command = f'. {shlex.quote(str(layout.stack_env))}; printf %s "$SPATIAL_ETL_WORK_DIR"'
    said = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert said.stdout == str(layout.work_dir)


def test_a_given_endpoint_keeps_its_own_settings(layout: Layout) -> None:
    environ = {
        "MINIO_ENDPOINT": "minio.example:443",
        "MINIO_ACCESS_KEY": "someone",
        "MINIO_SECRET_KEY": "secret",
        "MINIO_SECURE": "true",
    }
    given = given_services(environ, None)
    assert given == {"s3"}
    plan = make_plan(layout, PORTS, given, environ)
    assert {name: plan.settings[name] for name in environ} == environ
    assert plan.settings["POSTGRES_PORT"] == "5432"


def test_a_given_endpoint_without_its_password_is_refused(layout: Layout) -> None:
    environ = {"POSTGRES_HOST": "db.example"}
    with pytest.raises(StackError, match="POSTGRES_PASSWORD must be set"):
        make_plan(layout, PORTS, given_services(environ, None), environ)


def test_a_shell_that_has_read_stack_env_gives_no_endpoint(layout: Layout) -> None:
    plan = local_plan(layout)
    assert given_services(plan.settings, plan) == frozenset()
    assert given_services({**plan.settings, "POSTGRES_PORT": "6000"}, plan) == {"postgis"}


def test_settings_that_name_no_server_are_taken_from_the_environment(layout: Layout) -> None:
    plan = local_plan(layout, {"MINIO_LAKE_BUCKET": "lake", "SPATIAL_ETL_MAX_ATTEMPTS": "5"})
    assert plan.settings["MINIO_LAKE_BUCKET"] == "lake"
    assert plan.settings["SPATIAL_ETL_MAX_ATTEMPTS"] == "5"


def test_each_identity_has_its_own_keys_and_no_other(layout: Layout) -> None:
    plan, keys = local_plan(layout), load_secrets(layout.secrets)
    write_identities(layout, plan, keys)

    seen = {}
    for identity in ("admin", "uploader", "reader"):
        path = layout.identity_env(identity)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        seen[identity] = {name for name, secret in keys.items() if secret in path.read_text()}
    assert seen == {
        "admin": {"s3_admin_secret_key", "mongo_admin_password"},
        "uploader": {"s3_uploader_secret_key", "mongo_reader_password"},
        "reader": {"s3_reader_secret_key", "mongo_reader_password"},
    }


def test_the_policies_are_of_the_stacks_own_buckets(layout: Layout) -> None:
    plan = local_plan(layout, {"MINIO_LANDING_BUCKET": "drops", "MINIO_LAKE_BUCKET": "lake"})
    config = s3_configuration(plan.settings, load_secrets(layout.secrets))

    policies = {policy["name"]: json.loads(policy["content"]) for policy in config["policies"]}
    named = {
        resource.removeprefix("arn:aws:s3:::").partition("/")[0]
        for policy in policies.values()
        for statement in policy["Statement"]
        for resource in statement["Resource"]
    }
    assert named == {"drops", "lake"}
    assert set(policies) == {"pipeline", "reaper", "uploader", "reader"}


def test_no_identity_is_known_of_servers_that_are_given(layout: Layout) -> None:
    keys = load_secrets(layout.secrets)
    write_identities(layout, local_plan(layout), keys)
    environ = {"MINIO_ENDPOINT": "a:1", "MINIO_ACCESS_KEY": "me", "MINIO_SECRET_KEY": "secret"}
    given = make_plan(layout, PORTS, frozenset({"s3"}), environ)

    write_identities(layout, given, keys)

    assert not layout.s3_config.exists()
    assert not layout.identity_env("uploader").exists()
    assert given.settings["MINIO_REAPER_ACCESS_KEY"] == ""


def test_children_do_not_inherit_what_redirects_their_clients(layout: Layout) -> None:
    plan = local_plan(layout)
    environ = {"PATH": os.defpath, "PGHOST": "x", "AWS_PROFILE": "y", "POSTGRES_HOST": "z"}
    child = child_environment(environ, plan)
    assert child == {"PATH": os.defpath, **plan.settings}
