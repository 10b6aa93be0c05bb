"""Settings, read from the environment when a function asks for them, never at import.

What belongs here: every setting of the service, one class a server and one for the service itself.
What does not: how a client is made from them (`libs.storage`, `libs.ledger`, `libs.compute`).
"""

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024
GIB = 1024 * MIB


class MinIOSettings(BaseSettings):
    """The S3 server with the landing zone and the lake (`MINIO_*`)."""

    model_config = SettingsConfigDict(
        env_prefix="MINIO_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    endpoint: str = Field(description="host:port of the S3 server")
    access_key: str = Field(description="access key id")
    secret_key: SecretStr = Field(description="secret access key")
    reaper_access_key: str = Field(
        default="", description="access key id that may delete in the lake; empty: the one above"
    )
    reaper_secret_key: SecretStr = Field(
        default=SecretStr(""), description="secret access key of the one that may delete"
    )
    secure: bool = Field(default=False, description="true for https")
    region: str = Field(default="us-east-1", description="region the requests are signed for")
    landing_bucket: str = Field(default="landing-zone", description="where users drop files")
    lake_bucket: str = Field(default="data-lake", description="where published files live")

    @property
    def reaper(self) -> Self:
        """The same server with the keys of who may delete in the lake."""
        if not self.reaper_access_key:
            return self
        keys = {"access_key": self.reaper_access_key, "secret_key": self.reaper_secret_key}
        return self.model_copy(update=keys)


class PostGISSettings(BaseSettings):
    """The throw-away compute database (`POSTGRES_*`)."""

    model_config = SettingsConfigDict(
        env_prefix="POSTGRES_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    host: str = Field(default="127.0.0.1", description="host of the compute server")
    port: int = Field(default=5432, description="port of the compute server")
    user: str = Field(default="spatial_etl", description="role that owns the compute database")
    password: SecretStr = Field(description="password of that role")
    db: str = Field(default="spatial_compute", description="compute database")


class MongoSettings(BaseSettings):
    """The ledger (`MONGO_*`)."""

    model_config = SettingsConfigDict(
        env_prefix="MONGO_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    uri: SecretStr = Field(description="connection URI, with user and password")
    database: str = Field(default="spatial_etl", description="database of the ledger")


class DagsterPostgresSettings(BaseSettings):
    """Dagster's own, durable database (`DAGSTER_POSTGRES_*`)."""

    model_config = SettingsConfigDict(
        env_prefix="DAGSTER_POSTGRES_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    host: str = Field(default="127.0.0.1", description="host of Dagster's database")
    port: int = Field(default=5433, description="port of Dagster's database")
    user: str = Field(default="dagster", description="role that owns Dagster's database")
    password: SecretStr = Field(description="password of that role")
    db: str = Field(default="dagster", description="Dagster's database")


class ServiceSettings(BaseSettings):
    """The service itself: where it works, what a run may use (`SPATIAL_ETL_*`)."""

    model_config = SettingsConfigDict(
        env_prefix="SPATIAL_ETL_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    work_dir: Path = Field(
        default=Path("/tmp/spatial-etl"),  # noqa: S108 - a default a user overrides
        description="folder under which each run has a work folder of its own",
    )
    webserver_url: str = Field(
        default="http://127.0.0.1:3000", description="address of the Dagster webserver"
    )
    gdal_timeout_s: int = Field(
        default=3600, gt=0, description="seconds one GDAL child process may take"
    )
    gdal_memory_bytes: int = Field(
        default=2 * GIB, gt=0, description="address space of one GDAL child process"
    )
    max_file_bytes: int = Field(
        default=64 * GIB, gt=0, description="largest file a manifest may name"
    )
    max_unpacked_bytes: int = Field(
        default=64 * GIB, gt=0, description="largest sum of sizes inside an archive"
    )
    max_raster_bytes: int = Field(
        default=64 * GIB,
        gt=0,
        description="largest raster: width x height x bytes of all bands, as its header claims",
    )
    max_record_bytes: int = Field(
        default=16 * MIB, gt=0, description="longest record of a CSV or JSON file"
    )
    max_attempts: int = Field(
        default=3, ge=1, description="attempts of a drop before a transient cause is final"
    )
    code_server_host: str = Field(default="127.0.0.1", description="host of the code server")
    code_server_port: int = Field(default=4000, description="gRPC port of the code server")
    max_concurrent_runs: int = Field(default=2, ge=1, description="runs that work at once")
    max_queued: int = Field(
        default=25, ge=1, description="runs that may wait in Dagster's queue at once"
    )
    large_drop_bytes: int = Field(
        default=256 * MIB,
        gt=0,
        description="size of a drop's files from which it is large: one place to run is left free "
        "of large drops",
    )
    shared_drop_bytes: int = Field(
        default=MIB,
        ge=0,
        description="size of a drop's files below which it shares a run with others where more are "
        "due than may run; 0: none does",
    )
    shared_run_drops: int = Field(default=25, ge=1, description="drops that share a run at most")
    disk_factor: float = Field(
        default=8,
        ge=0,
        description="bytes of disk a run is taken to need for each byte of its files, in the work "
        "folder and in PostGIS each",
    )
    compute_dir: str = Field(
        default="",
        description="data folder of PostGIS where it is on this machine; empty where it is not",
    )
    retry_backoff_s: float = Field(
        default=15,
        ge=0,
        description="seconds before the second attempt; each later one waits twice as long",
    )
    lease_s: float = Field(
        default=60,
        gt=0,
        description="seconds after its last sign of life that an attempt is given up",
    )
    outage_patience_s: float = Field(
        default=90,
        ge=0,
        description="seconds a run waits for a server that does not answer before it gives up",
    )
    reap_after_s: float = Field(
        default=3600,
        ge=0,
        description="seconds after the end of its lease that a run on another machine is dead",
    )
    sensor_interval_s: int = Field(
        default=1, ge=1, description="least seconds between two looks at the landing zone"
    )

    @property
    def large_runs(self) -> int:
        """How many large drops may be in hand at once."""
        return max(self.max_concurrent_runs - 1, 1)
