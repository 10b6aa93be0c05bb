"""Each identity tries what it may not: the servers refuse, and nothing has changed.

What an identity may is seen elsewhere: the daemon's tests drop as the uploader and run as the
pipeline (`tests/e2e`), and `tests/e2e/test_rights.py` reads as the reader.
"""

import http.client
import io
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult

import psycopg2
import psycopg2.errorcodes
import pytest
from minio import Minio
from minio.commonconfig import CopySource
from minio.credentials import Credentials
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from minio.helpers import sha256_hash
from minio.signer import sign_v4_s3
from minio.time import to_amz_date
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from services.local.layout import Layout
from services.local.settings import read_env_file
from tests.support import bare_s3_client

UNAUTHORIZED = 13
Settings = dict[str, str]
Clients = dict[str, Minio]


@pytest.fixture(scope="module")
def settings(stack_env: Settings) -> dict[str, Settings]:
    """The settings of each identity, as `make up` wrote them."""
    layout = Layout.of(Path(stack_env["DAGSTER_HOME"]).parent)
    reaper = {
        "MINIO_ACCESS_KEY": stack_env["MINIO_REAPER_ACCESS_KEY"],
        "MINIO_SECRET_KEY": stack_env["MINIO_REAPER_SECRET_KEY"],
    }
    nobody = {"MINIO_ACCESS_KEY": "", "MINIO_SECRET_KEY": ""}
    return {
        "pipeline": stack_env,
        "reaper": stack_env | reaper,
        "nobody": stack_env | nobody,
        "uploader": read_env_file(layout.identity_env("uploader")),
        "reader": read_env_file(layout.identity_env("reader")),
    }


@pytest.fixture(scope="module")
def clients(settings: dict[str, Settings]) -> Clients:
    """An S3 client of each identity."""
    return {name: bare_s3_client(its) for name, its in settings.items()}


@pytest.fixture
def there(s3_client: Minio) -> Iterator[dict[str, str]]:
    """The keys of a dropped file, a receipt and a published file, which must stay as they are."""
    name = f"rights-{uuid.uuid4().hex[:8]}"
    objects = {
        "file": ("landing-zone", f"uploads/{name}.gpkg"),
        "receipt": ("landing-zone", f"receipts/{name}.json"),
        "published": ("data-lake", f"test/{name}/v1-0b1c/{name}.parquet"),
    }
    for bucket, key in objects.values():
        put(s3_client, bucket, key, b"as it was")
    yield {what: key for what, (_, key) in objects.items()}
    for bucket, key in objects.values():
        response = s3_client.get_object(bucket, key)
        assert response.read() == b"as it was"
        response.release_conn()
        s3_client.remove_object(bucket, key)


def put(client: Minio, bucket: str, key: str, content: bytes = b"forged") -> None:
    client.put_object(bucket, key, io.BytesIO(content), len(content))


def put_json(folder: str) -> Callable[[Minio, dict[str, str]], object]:
    return lambda client, _: put(client, "landing-zone", f"{folder}/rights.json")


S3_ATTEMPTS: dict[str, Callable[[Minio, dict[str, str]], object]] = {
    "list the landing zone": lambda client, _: [*client.list_objects("landing-zone")],
    "read a dropped file": lambda client, at: client.get_object("landing-zone", at["file"]),
    "read a receipt": lambda client, at: client.get_object("landing-zone", at["receipt"]),
    "drop a file": lambda client, at: put(client, "landing-zone", at["file"]),
    "drop a manifest": put_json("manifests"),
    "forge a receipt": put_json("receipts"),
    "forge an archived manifest": put_json("archive"),
    "forge a rejected manifest": put_json("rejected"),
    "forge a receipt by a copy": lambda client, at: client.copy_object(
        "landing-zone", at["receipt"], CopySource("landing-zone", at["file"])
    ),
    "delete a dropped file": lambda client, at: client.remove_object("landing-zone", at["file"]),
    "delete a receipt": lambda client, at: client.remove_object("landing-zone", at["receipt"]),
    "delete a manifest": lambda client, _: client.remove_object("landing-zone", "manifests/x.json"),
    "list the lake": lambda client, _: [*client.list_objects("data-lake")],
    "read a published file": lambda client, at: client.get_object("data-lake", at["published"]),
    "write the lake": lambda client, at: put(client, "data-lake", f"{at['published']}.new"),
    "overwrite a published file": lambda client, at: put(client, "data-lake", at["published"]),
    "copy out of the lake": lambda client, at: client.copy_object(
        "landing-zone", at["file"], CopySource("data-lake", at["published"])
    ),
    "delete a published file": lambda client, at: client.remove_object(
        "data-lake", at["published"]
    ),
    "delete published files in one go": lambda client, at: raise_first(
        client.remove_objects("data-lake", [DeleteObject(at["published"])])
    ),
    "make a bucket": lambda client, _: client.make_bucket("rights-of-its-own"),
    "remove the lake": lambda client, _: client.remove_bucket("data-lake"),
    "open the lake to all": lambda client, _: client.set_bucket_policy("data-lake", "{}"),
}
MAY = {
    "uploader": {"list the landing zone", "read a dropped file", "read a receipt", "drop a file",
                 "drop a manifest"},
    "pipeline": {"list the landing zone", "read a dropped file", "read a receipt",
                 "forge a receipt", "forge an archived manifest", "forge a rejected manifest",
                 "forge a receipt by a copy", "delete a manifest", "list the lake",
                 "read a published file", "write the lake", "overwrite a published file"},
    "reaper": {"delete a published file", "delete published files in one go"},
    "reader": {"list the lake", "read a published file"},
    "nobody": set[str](),
}  # fmt: skip


def raise_first(errors: Iterator[Any]) -> None:
    for error in errors:
        raise S3Error(None, error.code, error.message, None, None, None)


@pytest.mark.parametrize(
    ("identity", "attempt"),
    [
        pytest.param(identity, attempt, id=f"{identity}: {attempt}")
        for identity, may in MAY.items()
        for attempt in S3_ATTEMPTS
        if attempt not in may
    ],
)
def test_an_identity_may_not(
    clients: Clients, there: dict[str, str], identity: str, attempt: str
) -> None:
    with pytest.raises(S3Error) as caught:
        S3_ATTEMPTS[attempt](clients[identity], there)

    assert caught.value.code == "AccessDenied"


@pytest.mark.parametrize(
    ("identity", "method", "path"),
    [
        ("uploader", "PUT", "/landing-zone/uploads/../receipts/rights.json"),
        ("uploader", "PUT", "/landing-zone/uploads/%2e%2e%2freceipts%2frights.json"),
        ("uploader", "PUT", "/landing-zone/uploads/../../data-lake/rights"),
        ("uploader", "PUT", "/landing-zone//receipts/rights.json"),
        ("uploader", "GET", "/landing-zone/%2e%2e/data-lake/{published}"),
        ("reader", "GET", "/data-lake/../landing-zone/{file}"),
    ],
)
def test_a_path_leads_nowhere_else(
    settings: dict[str, Settings], there: dict[str, str], identity: str, method: str, path: str
) -> None:
    assert raw_status(settings[identity], method, path.format(**there)) in {400, 403}


def raw_status(settings: Settings, method: str, path: str) -> int:
    """Send a signed request whose path no client library has tidied up; return its status."""
    host, body, moment = settings["MINIO_ENDPOINT"], b"forged", datetime.now(UTC)
    digest = sha256_hash(body)
    headers = sign_v4_s3(
        method=method,
        url=SplitResult("http", host, path, "", ""),
        region=settings["MINIO_REGION"],
        headers={
            "Host": host,
            "x-amz-date": to_amz_date(moment),
            "x-amz-content-sha256": digest,
        },
        credentials=Credentials(settings["MINIO_ACCESS_KEY"], settings["MINIO_SECRET_KEY"]),
        content_sha256=digest,
        date=moment,
    )
    connection = http.client.HTTPConnection(host)
    try:
        connection.request(method, path, body, {name: str(text) for name, text in headers.items()})
        return connection.getresponse().status
    finally:
        connection.close()


LEDGER_ATTEMPTS: dict[str, Callable[[MongoClient[Any]], object]] = {
    "read another database": lambda client: client.another.things.find_one(),
    "write another database": lambda client: client.another.things.insert_one({}),
    "read who there is": lambda client: client.admin["system.users"].find_one(),
    "make a user": lambda client: client.spatial_etl.command(
        "createUser", "mallory", pwd="x", roles=["readWrite"]
    ),
    "give itself more rights": lambda client: client.spatial_etl.command(
        "grantRolesToUser", "spatial_etl_reader", roles=["readWrite"]
    ),
    "write a version": lambda client: client.spatial_etl.assets.insert_one({}),
    "change drops": lambda client: client.spatial_etl.manifests.update_many({}, {"$set": {"a": 1}}),
    "delete the versions": lambda client: client.spatial_etl.assets.delete_many({}),
    "drop the versions": lambda client: client.spatial_etl.assets.drop(),
    "write by a query": lambda client: [*client.spatial_etl.assets.aggregate([{"$out": "copied"}])],
    "look into the server": lambda client: client.admin.command("serverStatus"),
}  # fmt: skip
PIPELINE_MAY = {"write a version", "change drops", "delete the versions", "drop the versions",
                "write by a query"}  # fmt: skip


@pytest.mark.parametrize(
    ("identity", "attempt"),
    [
        pytest.param(identity, attempt, id=f"{identity}: {attempt}")
        for identity, may in {"pipeline": PIPELINE_MAY, "reader": set[str]()}.items()
        for attempt in LEDGER_ATTEMPTS
        if attempt not in may
    ],
)
def test_a_user_of_the_ledger_may_not(
    settings: dict[str, Settings], identity: str, attempt: str
) -> None:
    with (
        MongoClient[Any](settings[identity]["MONGO_URI"]) as client,
        pytest.raises(OperationFailure) as caught,
    ):
        LEDGER_ATTEMPTS[attempt](client)

    assert caught.value.code == UNAUTHORIZED


SQL_ATTEMPTS = {
    "run a program": "COPY pg_temp.x FROM PROGRAM 'id'",
    "read a file": "SELECT pg_read_file('/etc/passwd')",
    "read a file by COPY": "COPY pg_temp.x FROM '/etc/passwd'",
    "write a file": "COPY (SELECT 1) TO '/tmp/spatial-etl-rights'",
    "list a folder": "SELECT pg_ls_dir('/')",
    "import a file": "SELECT lo_import('/etc/passwd')",
    "make a role": "CREATE ROLE mallory",
    "become a superuser": "ALTER ROLE CURRENT_USER SUPERUSER",
    "become another": "SET SESSION AUTHORIZATION postgres",
    "make a database": "CREATE DATABASE mallory",
    "change the server": "ALTER SYSTEM SET fsync = on",
    "read passwords": "SELECT rolpassword FROM pg_authid",
    "load code": "LOAD '/tmp/mallory.so'",
    "call a library": "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE c AS '/tmp/mallory.so'",
    "reach other servers": "CREATE EXTENSION dblink",
    "read rasters from files": "CREATE EXTENSION postgis_raster",
    "delete a CRS": "DELETE FROM spatial_ref_sys",
}


@pytest.mark.parametrize("attempt", SQL_ATTEMPTS)
def test_the_compute_role_may_not(stack_env: Settings, attempt: str) -> None:
    connection = connect(stack_env, "POSTGRES", stack_env["POSTGRES_DB"])
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY TABLE x (line text)")
        connection.autocommit = True
        with connection.cursor() as cursor, pytest.raises(psycopg2.Error) as caught:
            cursor.execute(SQL_ATTEMPTS[attempt])
    finally:
        connection.close()

    assert caught.value.pgcode == psycopg2.errorcodes.INSUFFICIENT_PRIVILEGE, str(caught.value)


@pytest.mark.parametrize("prefix", ["POSTGRES", "DAGSTER_POSTGRES"])
@pytest.mark.parametrize("database", ["postgres", "template1"])
def test_a_role_sees_no_other_database(stack_env: Settings, prefix: str, database: str) -> None:
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        connect(stack_env, prefix, database)


def connect(settings: Settings, prefix: str, database: str) -> Any:
    return psycopg2.connect(
        host=settings[f"{prefix}_HOST"],
        port=settings[f"{prefix}_PORT"],
        user=settings[f"{prefix}_USER"],
        password=settings[f"{prefix}_PASSWORD"],
        dbname=database,
    )
