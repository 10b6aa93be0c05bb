"""One question a server, asked as its users ask it, with short timeouts.

What belongs here: what a healthy server answers, and the remedy where it does not. What does not:
this machine's programs and folders (`services.cli.machine_probes`), asking all and printing
(`services.cli.doctor`).
"""

import io
import math
import re
import uuid
from collections.abc import Callable

import grpc
import psycopg2
import pymongo
import urllib3
from grpc_health.v1 import health_pb2, health_pb2_grpc
from minio import Minio
from minio.error import MinioException, S3Error
from pymongo.errors import OperationFailure, PyMongoError

from libs.models.config import (
    DagsterPostgresSettings,
    MinIOSettings,
    MongoSettings,
    PostGISSettings,
    ServiceSettings,
)
from libs.storage import client as s3
from libs.storage.landing import ARCHIVE
from services.cli.settings import Environment
from services.cli.webserver import DagsterState, WebserverError, dagster_state

CONNECT_S, ANSWER_S = 3, 5
UNAUTHORIZED = {13, 18}
START = "Start it (`make up` for the local stack), or correct {}."

Probe = Callable[[Environment], str]


class ProblemError(Exception):
    """A service is not as it should be."""

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(found)
        self.found, self.remedy = found, remedy


def probe_s3(environment: Environment) -> str:
    """Write, read and delete an object in both buckets, each as a run does."""
    settings = environment.build(MinIOSettings)
    http = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=CONNECT_S, read=ANSWER_S), retries=False
    )
    try:
        client, remover = s3.connect(settings, pool=http), s3.connect(settings.reaper, pool=http)
        scheme = "https" if settings.secure else "http"
        server = http.request("HEAD", f"{scheme}://{settings.endpoint}/").headers.get("Server")
        _probe_bucket(client, client, settings.landing_bucket, ARCHIVE)
        _probe_bucket(client, remover, settings.lake_bucket, "")
    except S3Error as err:
        raise ProblemError(
            f"{err.code}: {err.message}",
            "Check MINIO_ACCESS_KEY, MINIO_SECRET_KEY, the reaper's pair, and what they may "
            "do (docs/rights.md).",
        ) from err
    except (urllib3.exceptions.HTTPError, MinioException, OSError, ValueError) as err:
        raise ProblemError(
            f"no answer from {settings.endpoint}: {cause(err)}", START.format("MINIO_ENDPOINT")
        ) from err
    return (
        f"{server or 'S3'} at {settings.endpoint}; {settings.landing_bucket} "
        f"and {settings.lake_bucket} can be read and written"
    )


def _probe_bucket(client: Minio, remover: Minio, bucket: str, folder: str) -> None:
    if not client.bucket_exists(bucket):
        raise ProblemError(
            f"no bucket {bucket}",
            f"Create {bucket}, or name the right one: MINIO_LANDING_BUCKET, MINIO_LAKE_BUCKET.",
        )
    key, content = f"{folder}.doctor/{uuid.uuid4()}", b"spatial-etl doctor"
    client.put_object(bucket, key, io.BytesIO(content), len(content))
    try:
        response = client.get_object(bucket, key)
        try:
            found = response.read()
        finally:
            response.close()
            response.release_conn()
    finally:
        remover.remove_object(bucket, key)
    if found != content:
        raise ProblemError(f"{bucket} gives back other bytes", "Check the S3 server's disks.")


def probe_ledger(environment: Environment) -> str:
    """Read from the ledger, and ask for the right to write without writing."""
    settings = environment.build(MongoSettings)
    try:
        with pymongo.MongoClient[dict[str, object]](
            settings.uri.get_secret_value(),
            serverSelectionTimeoutMS=CONNECT_S * 1000,
            connectTimeoutMS=CONNECT_S * 1000,
            socketTimeoutMS=ANSWER_S * 1000,
        ) as client:
            database = client[settings.database]
            version = client.server_info()["version"]
            versions = database.assets.estimated_document_count()
            database.manifests.update_one({"_id": "doctor"}, {"$set": {"status": "doctor"}})
            indexes = database.assets.index_information() if versions else {"version": {}}
    except OperationFailure as err:
        remedy = "Check the server's log."
        if err.code in UNAUTHORIZED:
            remedy = "Check user, password and rights in MONGO_URI: readWrite on MONGO_DATABASE."
        raise ProblemError(f"refused: {cause(err)}", remedy) from err
    except (PyMongoError, ValueError) as err:
        raise ProblemError(f"no answer: {cause(err)}", START.format("MONGO_URI")) from err
    if "version" not in indexes:
        raise ProblemError(
            "the unique index on versions is missing", "Restart the code server: it makes it."
        )
    return f"MongoDB {version}, database {settings.database}: can be read and written"


def probe_postgis(environment: Environment) -> str:
    """Ask PostGIS for its version, and whether a run may create its schema."""
    row = _ask_postgres(
        environment.build(PostGISSettings),
        "SELECT current_setting('server_version'), "
        "(SELECT extversion FROM pg_extension WHERE extname = 'postgis'), "
        "has_database_privilege(current_database(), 'CREATE'), "
        "has_database_privilege(current_database(), 'TEMP')",
        "POSTGRES",
    )
    version, postgis, may_create, may_temp = row
    if postgis is None:
        raise ProblemError(
            f"PostgreSQL {version} without PostGIS",
            "As its superuser: CREATE EXTENSION postgis; in the database POSTGRES_DB.",
        )
    if not (may_create and may_temp):
        raise ProblemError(
            "the role may not create schemas",
            "As its superuser: GRANT CREATE, TEMPORARY ON DATABASE to the role POSTGRES_USER.",
        )
    return f"PostgreSQL {version}, PostGIS {postgis}; may create schemas"


def probe_dagster_postgres(environment: Environment) -> str:
    """Ask Dagster's database for its version and its tables."""
    version, runs = _ask_postgres(
        environment.build(DagsterPostgresSettings),
        "SELECT current_setting('server_version'), to_regclass('runs')",
        "DAGSTER_POSTGRES",
    )
    if runs is None:
        raise ProblemError(
            "Dagster's tables are missing", "Start the webserver or the daemon: they make them."
        )
    return f"PostgreSQL {version}, Dagster's tables are there"


def _ask_postgres(
    settings: PostGISSettings | DagsterPostgresSettings, query: str, prefix: str
) -> tuple[object, ...]:
    try:
        connection = psycopg2.connect(
            host=settings.host,
            port=settings.port,
            user=settings.user,
            password=settings.password.get_secret_value(),
            dbname=settings.db,
            connect_timeout=math.ceil(CONNECT_S),
            options=f"-c statement_timeout={ANSWER_S * 1000}",
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute(query)
                row: tuple[object, ...] = cursor.fetchone() or ()
        finally:
            connection.close()
    except psycopg2.Error as err:
        refused = "FATAL" in str(err)
        names = [f"{prefix}_{name}" for name in ("USER", "PASSWORD", "DB")]
        raise ProblemError(
            cause(err),
            f"Check {', '.join(names)}."
            if refused
            else START.format(f"{prefix}_HOST and {prefix}_PORT"),
        ) from err
    return row


def probe_code_server(environment: Environment) -> str:
    """Ask the gRPC health service, which answers once the definitions are loaded."""
    host = environment.values.get("SPATIAL_ETL_CODE_SERVER_HOST", "127.0.0.1")
    port = environment.values.get("SPATIAL_ETL_CODE_SERVER_PORT", "4000")
    request = health_pb2.HealthCheckRequest(service="DagsterApi")
    with grpc.insecure_channel(f"{host}:{port}", [("grpc.enable_http_proxy", 0)]) as channel:
        try:
            reply = health_pb2_grpc.HealthStub(channel).Check(request, timeout=CONNECT_S)
        except grpc.RpcError as err:
            raise ProblemError(
                f"no answer from {host}:{port}: {err.details()}",
                START.format("SPATIAL_ETL_CODE_SERVER_HOST and SPATIAL_ETL_CODE_SERVER_PORT"),
            ) from err
    if reply.status != health_pb2.HealthCheckResponse.SERVING:
        raise ProblemError(f"{host}:{port} does not serve yet", "Wait, or see its log.")
    return f"serves at {host}:{port}"


def probe_webserver(environment: Environment) -> str:
    """Ask whether the webserver has loaded the definitions."""
    url = environment.build(ServiceSettings).webserver_url
    state = _dagster_state(url)
    if state.load_errors:
        raise ProblemError(
            f"definitions are not loaded: {'; '.join(state.load_errors)}",
            "See the code server's log, then reload the location in the webserver.",
        )
    return f"Dagster {state.version} at {url}"


def probe_daemon(environment: Environment) -> str:
    """Ask whether the daemons report and the manifest sensor runs."""
    state = _dagster_state(environment.build(ServiceSettings).webserver_url)
    if state.unhealthy_daemons:
        raise ProblemError(
            f"does not report: {'; '.join(state.unhealthy_daemons)}",
            "Start `dagster-daemon run` (`make up` for the local stack), or see its log.",
        )
    found = state.sensors.get("manifest_sensor", "missing")
    if found != "RUNNING":
        raise ProblemError(
            f"manifest_sensor is {found}", "Start it in the webserver, under Automation."
        )
    return "all daemons report, manifest_sensor runs"


def _dagster_state(url: str) -> DagsterState:
    try:
        return dagster_state(url)
    except WebserverError as err:
        raise ProblemError(
            f"no answer from {err}", START.format("SPATIAL_ETL_WEBSERVER_URL")
        ) from err


def cause(err: BaseException) -> str:
    """Return the first line of what went wrong at the bottom of a chain of errors."""
    inner = getattr(err, "reason", None)
    if isinstance(inner, BaseException):
        return cause(inner)
    text = str(err).strip() or type(err).__name__
    return re.split(r", full error: | \(configured timeouts: ", text.splitlines()[0])[0]
