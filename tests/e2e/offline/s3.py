"""Starts SeaweedFS with the identities that services/minio/init.sh gives MinIO."""

import json
import os
from pathlib import Path

from services.local.identities import S3_SECRETS, s3_configuration

NAMES = {"pipeline": "MINIO_PIPELINE_SECRET_KEY", "admin": "MINIO_ROOT_PASSWORD"}
BUCKETS = ("MINIO_LANDING_BUCKET", "MINIO_LAKE_BUCKET")


def main() -> None:
    """Become the server."""
    keys = {
        secret: os.environ[NAMES.get(name, f"MINIO_{name.upper()}_SECRET_KEY")]
        for name, secret in S3_SECRETS.items()
    }
    config = Path("/tmp/s3.json")
    config.touch(mode=0o600)
    config.write_text(json.dumps(s3_configuration(os.environ, keys)))
    buckets = ",".join(os.environ[name] for name in BUCKETS)
    os.execvp(
        "weed",
        ["weed", "-logtostderr=true", "mini", "-dir=/data", "-ip=127.0.0.1", "-ip.bind=0.0.0.0",
         "-s3.port=9000", f"-bucket={buckets}", f"-s3.config={config}", "-admin.ui=false",
         "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"],
    )  # fmt: skip


if __name__ == "__main__":
    main()
