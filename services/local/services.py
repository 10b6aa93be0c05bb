"""What it takes to bring up each service: its order, what comes before its start and after it.

What belongs here: one entry a service. What does not: carrying it out (`stack`), the command lines
(`programs`), the questions a health check asks (`health`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.local.health import Probe, probes
from services.local.identities import ledger_users
from services.local.layout import CHECKOUT, Layout
from services.local.mongo import provision_users
from services.local.ports import LOOPBACK
from services.local.postgres import Cluster
from services.local.settings import Plan

DATA_SERVICES = frozenset({"postgis", "s3", "mongo"})


@dataclass(frozen=True)
class Service:
    """One service: steps run in the order of the fields, each once the one before is done.

    `after` names services that must be healthy first. `prepare` runs before the process starts.
    `listens` and `initialise` are for servers that must be filled before their users can log in.
    """

    name: str
    probe: Probe
    after: tuple[str, ...] = ()
    prepare: Callable[[], None] | None = None
    listens: Probe | None = None
    initialise: Callable[[], None] | None = None
    timeout_s: float = 60


def services(
    layout: Layout,
    plan: Plan,
    keys: Mapping[str, str],
    daemon_started_at: Callable[[], float],
) -> dict[str, Service]:
    """Return every service of the stack by name, given ones included."""
    probe = probes(plan.settings, daemon_started_at)
    every = (
        _postgres("postgis", _compute_cluster(layout, plan, keys), probe["postgis"]),
        _postgres(
            "dagster-postgres", _dagster_cluster(layout, plan, keys), probe["dagster-postgres"]
        ),
        Service("s3", probe["s3"]),
        Service(
            "mongo",
            probe["mongo"],
            prepare=lambda: provision_users(
                layout, plan.ports["mongo"], tuple(ledger_users(plan, keys).values())
            ),
        ),
        Service("user-code", probe["user-code"]),
        Service("webserver", probe["webserver"], after=("dagster-postgres", "user-code")),
        Service("daemon", probe["daemon"], after=("dagster-postgres", "user-code")),
    )
    return {service.name: service for service in every}


def place(service: str, settings: Mapping[str, str]) -> str:
    """Return where a service is reached, in words for people."""
    places = {
        "postgis": f"{settings['POSTGRES_HOST']}:{settings['POSTGRES_PORT']}",
        "dagster-postgres": (
            f"{settings['DAGSTER_POSTGRES_HOST']}:{settings['DAGSTER_POSTGRES_PORT']}"
        ),
        "s3": settings["MINIO_ENDPOINT"],
        "mongo": settings["MONGO_URI"].rpartition("@")[2].partition("/")[0],
        "user-code": (
            f"{settings['SPATIAL_ETL_CODE_SERVER_HOST']}:{settings['SPATIAL_ETL_CODE_SERVER_PORT']}"
        ),
        "webserver": settings["SPATIAL_ETL_WEBSERVER_URL"],
    }
    return places.get(service, "")


def _postgres(name: str, cluster: Cluster, probe: Probe) -> Service:
    return Service(
        name,
        probe,
        prepare=cluster.prepare,
        listens=cluster.accepts_admin,
        initialise=cluster.initialise,
    )


def _compute_cluster(layout: Layout, plan: Plan, keys: Mapping[str, str]) -> Cluster:
    folder = CHECKOUT / "services" / "postgis"
    return Cluster(
        data_dir=layout.postgres_dir("postgis"),
        host=LOOPBACK,
        port=plan.ports["postgis"],
        admin_password=keys["postgis_admin_password"],
        init_sql=folder / "init.sql",
        init_environment={
            "COMPUTE_ROLE": plan.settings["POSTGRES_USER"],
            "COMPUTE_PASSWORD": plan.settings["POSTGRES_PASSWORD"],
            "COMPUTE_DB": plan.settings["POSTGRES_DB"],
        },
        conf=folder / "postgresql.conf",
        is_durable=False,
    )


def _dagster_cluster(layout: Layout, plan: Plan, keys: Mapping[str, str]) -> Cluster:
    folder = CHECKOUT / "services" / "dagster"
    return Cluster(
        data_dir=layout.postgres_dir("dagster-postgres"),
        host=LOOPBACK,
        port=plan.ports["dagster-postgres"],
        admin_password=keys["dagster_postgres_admin_password"],
        init_sql=folder / "init.sql",
        init_environment={
            "DAGSTER_ROLE": plan.settings["DAGSTER_POSTGRES_USER"],
            "DAGSTER_PASSWORD": plan.settings["DAGSTER_POSTGRES_PASSWORD"],
            "DAGSTER_DB": plan.settings["DAGSTER_POSTGRES_DB"],
        },
        conf=folder / "postgresql.conf",
    )
