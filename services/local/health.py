"""One health check a service; each returns when the service answers as its users need, else raises.

What belongs here: questions asked of a server with the settings its clients have. What does not:
asking again until it answers (`stack`).
"""

import json
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

import grpc
import psycopg2
import pymongo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from minio import Minio
from minio.error import MinioException
from pymongo.errors import PyMongoError
from urllib3 import PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

PROBE_TIMEOUT_S = 5
_WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_WORKSPACE_AND_DAEMONS = """
{
  workspaceOrError { ... on Workspace { locationEntries {
    name loadStatus locationOrLoadError { __typename ... on PythonError { message } } } } }
  instance { daemonHealth { allDaemonStatuses {
    daemonType required healthy lastHeartbeatTime lastHeartbeatErrors { message } } } }
}
"""

Probe = Callable[[], None]


class UnhealthyError(Exception):
    """The service answers, but not as it should."""


PROBE_ERRORS = (
    UnhealthyError,
    OSError,
    ValueError,
    psycopg2.Error,
    PyMongoError,
    MinioException,
    HTTPError,
)


def probes(settings: Mapping[str, str], daemon_started_at: Callable[[], float]) -> dict[str, Probe]:
    """Return the health check of each service; `daemon_started_at` gives seconds since 1970."""
    return {
        "postgis": lambda: check_postgres(settings, "POSTGRES"),
        "dagster-postgres": lambda: check_postgres(settings, "DAGSTER_POSTGRES"),
        "s3": lambda: check_s3(settings),
        "mongo": lambda: check_mongo(settings),
        "user-code": lambda: check_code_server(settings),
        "webserver": lambda: check_webserver(settings),
        "daemon": lambda: check_daemon(settings, daemon_started_at()),
    }


def check_postgres(settings: Mapping[str, str], prefix: str) -> None:
    """Log in as the service does, and ask one question."""
    connection = psycopg2.connect(
        host=settings[f"{prefix}_HOST"],
        port=int(settings[f"{prefix}_PORT"]),
        user=settings[f"{prefix}_USER"],
        password=settings[f"{prefix}_PASSWORD"],
        dbname=settings[f"{prefix}_DB"],
        connect_timeout=PROBE_TIMEOUT_S,
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        connection.close()


def check_s3(settings: Mapping[str, str]) -> None:
    """List the buckets: both must be there."""
    http = PoolManager(timeout=Timeout(PROBE_TIMEOUT_S), retries=Retry(0))
    client = Minio(
        settings["MINIO_ENDPOINT"],
        access_key=settings["MINIO_ACCESS_KEY"],
        secret_key=settings["MINIO_SECRET_KEY"],
        secure=settings["MINIO_SECURE"] == "true",
        region=settings["MINIO_REGION"],
        http_client=http,
    )
    found = {bucket.name for bucket in client.list_buckets()}
    missing = {settings["MINIO_LANDING_BUCKET"], settings["MINIO_LAKE_BUCKET"]} - found
    if missing:
        raise UnhealthyError(f"bucket {', '.join(sorted(missing))} does not exist: create it")


def check_mongo(settings: Mapping[str, str]) -> None:
    """Log in and read from the ledger's database."""
    timeout_ms = PROBE_TIMEOUT_S * 1000
    with pymongo.MongoClient[dict[str, Any]](
        settings["MONGO_URI"], serverSelectionTimeoutMS=timeout_ms, socketTimeoutMS=timeout_ms
    ) as client:
        client[settings["MONGO_DATABASE"]].list_collection_names()


def check_code_server(settings: Mapping[str, str]) -> None:
    """Ask the gRPC health service, which answers once the definitions are loaded."""
    host, port = settings["SPATIAL_ETL_CODE_SERVER_HOST"], settings["SPATIAL_ETL_CODE_SERVER_PORT"]
    request = health_pb2.HealthCheckRequest(service="DagsterApi")
    with grpc.insecure_channel(f"{host}:{port}", [("grpc.enable_http_proxy", 0)]) as channel:
        try:
            reply = health_pb2_grpc.HealthStub(channel).Check(request, timeout=PROBE_TIMEOUT_S)
        except grpc.RpcError as err:
            raise UnhealthyError(err.details()) from err
    if reply.status != health_pb2.HealthCheckResponse.SERVING:
        raise UnhealthyError("the code server does not serve yet")


def check_webserver(settings: Mapping[str, str]) -> None:
    """Ask for the server's version, and whether it has loaded the definitions."""
    url = f"{settings['SPATIAL_ETL_WEBSERVER_URL']}/server_info"
    with _WITHOUT_PROXY.open(url, timeout=PROBE_TIMEOUT_S) as reply:
        json.load(reply)
    entries = _ask_webserver(settings)["workspaceOrError"]["locationEntries"]
    for entry in entries:
        loaded = entry["locationOrLoadError"] or {"__typename": entry["loadStatus"]}
        if loaded["__typename"] != "RepositoryLocation":
            reason = loaded.get("message", loaded["__typename"])
            raise UnhealthyError(f"definitions of {entry['name']} are not loaded: {reason}")


def check_daemon(settings: Mapping[str, str], started_at: float) -> None:
    """Ask the webserver for the daemons' heartbeats: each since `started_at`, and without error."""
    statuses = _ask_webserver(settings)["instance"]["daemonHealth"]["allDaemonStatuses"]
    for status in statuses:
        if not status["required"]:
            continue
        name, errors = status["daemonType"], status["lastHeartbeatErrors"]
        if errors:
            raise UnhealthyError(f"daemon {name}: {errors[0]['message']}")
        if not status["healthy"] or (status["lastHeartbeatTime"] or 0) < started_at:
            raise UnhealthyError(f"daemon {name} has not reported since it was started")


def _ask_webserver(settings: Mapping[str, str]) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310 - http to our own webserver
        f"{settings['SPATIAL_ETL_WEBSERVER_URL']}/graphql",
        data=json.dumps({"query": _WORKSPACE_AND_DAEMONS}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with _WITHOUT_PROXY.open(request, timeout=PROBE_TIMEOUT_S) as reply:
        answer: dict[str, Any] = json.load(reply)
    if answer.get("errors"):
        raise UnhealthyError(f"the webserver answers: {answer['errors'][0]['message']}")
    data: dict[str, Any] = answer["data"]
    return data
