"""Who may do what on the servers of a local stack: S3 identities and the users of the ledger.

The pipeline's own keys are in `stack.env`. Every other identity has a file of its own beside it,
with nothing in it but what that user needs. What an S3 identity may do is said once, by the
policies of `services/minio`, which SeaweedFS reads as MinIO does.

What belongs here: names of identities, what they may do, their environment files. What does not:
generating passwords (`settings`), making the ledger's users (`mongo`).
"""

import json
from collections.abc import Mapping
from typing import Any

from services.local.layout import CHECKOUT, Layout
from services.local.settings import Plan, write_env_file, write_private
from services.mongodb.users import LedgerUser, admin_user, pipeline_user, reader_user

POLICIES = CHECKOUT / "services" / "minio" / "policies"
# The secret of each S3 identity; each but the administrator has a policy of its name.
S3_SECRETS = {
    "admin": "s3_admin_secret_key",
    "pipeline": "s3_secret_key",
    "reaper": "s3_reaper_secret_key",
    "uploader": "s3_uploader_secret_key",
    "reader": "s3_reader_secret_key",
}
# Whose settings are written beside the stack's, and which user of the ledger each is.
LEDGER_USER_OF = {"admin": "admin", "uploader": "reader", "reader": "reader"}
SHARED_SETTINGS = (
    "MINIO_ENDPOINT",
    "MINIO_LAKE_BUCKET",
    "MINIO_LANDING_BUCKET",
    "MINIO_REGION",
    "MINIO_SECURE",
    "MONGO_DATABASE",
    "SPATIAL_ETL_MAX_QUEUED",
    "SPATIAL_ETL_WEBSERVER_URL",
)


def ledger_users(plan: Plan, keys: Mapping[str, str]) -> dict[str, LedgerUser]:
    """Return the pipeline, who writes one database, its readers, and who may do everything."""
    database = plan.settings["MONGO_DATABASE"]
    return {
        "pipeline": pipeline_user(keys["mongo_password"], database),
        "reader": reader_user(keys["mongo_reader_password"], database),
        "admin": admin_user(keys["mongo_admin_password"]),
    }


def s3_configuration(settings: Mapping[str, str], keys: Mapping[str, str]) -> dict[str, Any]:
    """Return the identities and policies of the S3 server, as SeaweedFS's `-s3.config` wants."""
    identities: list[dict[str, Any]] = []
    policies: list[dict[str, str]] = []
    for name, secret in S3_SECRETS.items():
        credentials = [{"accessKey": _access_key(name), "secretKey": keys[secret]}]
        identity: dict[str, Any] = {"name": name, "credentials": credentials}
        if name == "admin":
            identity["actions"] = ["Admin"]
        else:
            identity["policyNames"] = [name]
            policies.append({"name": name, "content": _policy(name, settings)})
        identities.append(identity)
    return {"identities": identities, "policies": policies}


def write_identities(layout: Layout, plan: Plan, keys: Mapping[str, str]) -> None:
    """Write the S3 server's configuration, and the settings of each identity.

    Of servers that are given from outside nobody here knows the identities.
    """
    for path in (layout.s3_config, *(layout.identity_env(name) for name in LEDGER_USER_OF)):
        path.unlink(missing_ok=True)
    if "s3" not in plan.given:
        write_private(layout.s3_config, json.dumps(s3_configuration(plan.settings, keys), indent=1))
    if plan.given.isdisjoint({"s3", "mongo"}):
        for name in LEDGER_USER_OF:
            write_env_file(layout.identity_env(name), _settings_of(name, plan, keys))


def _settings_of(name: str, plan: Plan, keys: Mapping[str, str]) -> dict[str, str]:
    user = ledger_users(plan, keys)[LEDGER_USER_OF[name]]
    place = plan.settings["MONGO_URI"].rpartition("@")[2]
    shared = {setting: plan.settings[setting] for setting in SHARED_SETTINGS}
    return shared | {
        "MINIO_ACCESS_KEY": _access_key(name),
        "MINIO_SECRET_KEY": keys[S3_SECRETS[name]],
        "MONGO_URI": f"mongodb://{user.name}:{user.password}@{place}",
    }


def _access_key(identity: str) -> str:
    return f"spatial-etl-{identity}"


def _policy(name: str, settings: Mapping[str, str]) -> str:
    """Return a policy of `services/minio` over the buckets of the stack."""
    template = (POLICIES / f"{name}.json").read_text()
    for bucket in ("LANDING_BUCKET", "LAKE_BUCKET"):
        template = template.replace(bucket, settings[f"MINIO_{bucket}"])
    return template
