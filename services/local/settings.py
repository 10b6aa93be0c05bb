"""The settings of a running stack: generated passwords, chosen ports, endpoints given from outside.

What belongs here: computing them, and `stack.env`, `secrets.json`, `plan.json`, which keep them.
What does not: what each setting means (`libs.models.config`), who else may use the servers
(`identities`).
"""

import json
import os
import secrets
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic_settings import BaseSettings

from libs.models.config import (
    DagsterPostgresSettings,
    MinIOSettings,
    MongoSettings,
    PostGISSettings,
    ServiceSettings,
)
from services.local.errors import StackError
from services.local.layout import Layout
from services.local.ports import LOOPBACK

SETTINGS: tuple[type[BaseSettings], ...] = (
    MinIOSettings,
    PostGISSettings,
    MongoSettings,
    DagsterPostgresSettings,
    ServiceSettings,
)
# What tells that a server is given from outside, the endpoint's name first.
ENDPOINTS = {
    "s3": ("MINIO_ENDPOINT",),
    "postgis": ("POSTGRES_HOST", "POSTGRES_PORT"),
    "mongo": ("MONGO_URI",),
    "dagster-postgres": ("DAGSTER_POSTGRES_HOST", "DAGSTER_POSTGRES_PORT"),
}
SECRET_NAMES = (
    "dagster_postgres_admin_password",
    "dagster_postgres_password",
    "mongo_admin_password",
    "mongo_password",
    "mongo_reader_password",
    "postgis_admin_password",
    "postgis_password",
    "s3_admin_secret_key",
    "s3_reader_secret_key",
    "s3_reaper_secret_key",
    "s3_secret_key",
    "s3_signing_key",
    "s3_uploader_secret_key",
)


@dataclass(frozen=True)
class Plan:
    """What one `up` decided: ports by listener, services given from outside, settings by name."""

    ports: Mapping[str, int]
    given: frozenset[str]
    settings: Mapping[str, str]


def load_secrets(path: Path) -> dict[str, str]:
    """Return the passwords, generating and keeping those that are missing."""
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    missing = [name for name in SECRET_NAMES if name not in known]
    if missing:
        known |= {name: secrets.token_hex(20) for name in missing}
        write_private(path, json.dumps(known, indent=1))
    return known


def given_services(environ: Mapping[str, str], last: Plan | None) -> frozenset[str]:
    """Return the services whose endpoint the environment gives.

    An endpoint that equals the one this stack itself wrote to `stack.env` is not given: a shell
    that has read that file must be able to start the stack again.
    """

    def is_own(service: str, names: Iterable[str]) -> bool:
        if last is None or service in last.given:
            return False
        return all(environ.get(name) == last.settings[name] for name in names)

    return frozenset(
        service
        for service, names in ENDPOINTS.items()
        if environ.get(names[0]) and not is_own(service, names)
    )


def make_plan(
    layout: Layout,
    ports: Mapping[str, int],
    given: frozenset[str],
    environ: Mapping[str, str],
) -> Plan:
    """Return the settings of the stack: those of local servers are ours, the rest as given."""
    keys = load_secrets(layout.secrets)
    ours = _local_settings(ports, keys, given) | {
        "DAGSTER_HOME": str(layout.dagster_home),
        "SPATIAL_ETL_CODE_SERVER_HOST": LOOPBACK,
        "SPATIAL_ETL_CODE_SERVER_PORT": str(ports["user-code"]),
        "SPATIAL_ETL_WEBSERVER_URL": f"http://{LOOPBACK}:{ports['webserver']}",
    }
    defaults = {
        "SPATIAL_ETL_MAX_CONCURRENT_RUNS": str(max(2, os.cpu_count() or 2)),
        "SPATIAL_ETL_WORK_DIR": str(layout.work_dir),
        "SPATIAL_ETL_COMPUTE_DIR": "" if "postgis" in given else str(layout.postgres_root()),
    }
    settings = dict(ours)
    for name, default in {**_model_defaults(), **defaults}.items():
        if name not in ours:
            settings[name] = _given_or_default(name, environ, default)
    return Plan(dict(ports), given, dict(sorted(settings.items())))


def save_plan(layout: Layout, plan: Plan) -> None:
    """Write `plan.json` and `stack.env`."""
    recorded = {"ports": dict(plan.ports), "given": sorted(plan.given)}
    write_private(layout.plan, json.dumps(recorded, indent=1))
    write_env_file(layout.stack_env, plan.settings)


def load_plan(layout: Layout) -> Plan | None:
    """Return the plan of the last `up`, or None where there was none."""
    if not (layout.plan.exists() and layout.stack_env.exists()):
        return None
    recorded = json.loads(layout.plan.read_text())
    return Plan(recorded["ports"], frozenset(recorded["given"]), read_env_file(layout.stack_env))


def write_env_file(path: Path, settings: Mapping[str, str]) -> None:
    """Write settings as KEY=VALUE lines that a shell reads, for their owner alone."""
    lines = (f"{name}={shlex.quote(value)}\n" for name, value in sorted(settings.items()))
    write_private(path, "".join(lines))


def read_env_file(path: Path) -> dict[str, str]:
    """Return the settings that `write_env_file` wrote."""
    pairs = (line.partition("=") for line in path.read_text().splitlines())
    return {name: "".join(shlex.split(value)) for name, _, value in pairs}


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 600, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)


def child_environment(environ: Mapping[str, str], plan: Plan) -> dict[str, str]:
    """Return the environment of every process of the stack.

    Settings of another stack and variables that redirect libpq or S3 clients do not come along.
    """
    known = {*_model_defaults(), *plan.settings}
    kept = {
        name: value
        for name, value in environ.items()
        if name not in known and not name.startswith(("PG", "AWS_"))
    }
    return kept | dict(plan.settings)


def _local_settings(
    ports: Mapping[str, int], keys: Mapping[str, str], given: frozenset[str]
) -> dict[str, str]:
    mongo_address = f"{LOOPBACK}:{ports['mongo']}"
    by_service = {
        "s3": {
            "MINIO_ENDPOINT": f"{LOOPBACK}:{ports['s3']}",
            "MINIO_ACCESS_KEY": "spatial-etl-pipeline",
            "MINIO_SECRET_KEY": keys["s3_secret_key"],
            "MINIO_REAPER_ACCESS_KEY": "spatial-etl-reaper",
            "MINIO_REAPER_SECRET_KEY": keys["s3_reaper_secret_key"],
            "MINIO_SECURE": "false",
        },
        "postgis": _postgres_settings(
            "POSTGRES",
            ports["postgis"],
            "spatial_etl",
            keys["postgis_password"],
            "spatial_compute",
        ),
        "mongo": {
            "MONGO_URI": f"mongodb://spatial_etl:{keys['mongo_password']}@{mongo_address}/spatial_etl"
        },
        "dagster-postgres": _postgres_settings(
            "DAGSTER_POSTGRES",
            ports["dagster-postgres"],
            "dagster",
            keys["dagster_postgres_password"],
            "dagster",
        ),
    }
    local = (values for service, values in by_service.items() if service not in given)
    return {name: value for values in local for name, value in values.items()}


def _postgres_settings(prefix: str, port: int, user: str, password: str, db: str) -> dict[str, str]:
    return {
        f"{prefix}_HOST": LOOPBACK,
        f"{prefix}_PORT": str(port),
        f"{prefix}_USER": user,
        f"{prefix}_PASSWORD": password,
        f"{prefix}_DB": db,
    }


def _model_defaults() -> dict[str, str | None]:
    """Return each setting's name and default; None where a value must be given."""
    return {
        f"{model.model_config['env_prefix']}{name.upper()}": (
            None if field.is_required() else _as_text(field.default)
        )
        for model in SETTINGS
        for name, field in model.model_fields.items()
    }


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _given_or_default(name: str, environ: Mapping[str, str], default: str | None) -> str:
    value = environ.get(name, default)
    if value is None:
        raise StackError(f"{name} must be set too, as its server is given by the environment")
    return value
