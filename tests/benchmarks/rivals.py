"""What people would use instead, timed on the same files and the same servers.

What belongs here: one function a rival, returning seconds. What does not: the service.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg2

SCHEMA = "bench_plain"
DUCKDB = """
COPY (
    SELECT * EXCLUDE geom,
        ST_MakeValid(ST_Transform(geom, '{source}', 'EPSG:4326', always_xy := true)) AS geom
    FROM ST_Read('{path}')
) TO '{target}' (FORMAT parquet, COMPRESSION zstd)
"""
PLAIN = (
    "CREATE TABLE {s}.reprojected AS "
    "SELECT {columns}, ST_Transform({g}, 4326) AS geometry FROM {s}.loaded",
    "CREATE TABLE {s}.valid AS SELECT {columns}, ST_MakeValid(geometry) AS geometry "
    "FROM {s}.reprojected",
    "CREATE INDEX ON {s}.valid USING gist (geometry)",
)
COG_OPTIONS = (
    "COMPRESS=DEFLATE", "PREDICTOR=STANDARD", "OVERVIEW_COMPRESS=DEFLATE",
    "OVERVIEW_PREDICTOR=STANDARD", "OVERVIEW_RESAMPLING=AVERAGE", "NUM_THREADS=ALL_CPUS",
)  # fmt: skip
COLUMNS = "building_id, municipality, use, levels, height_m, surveyed"


def time_duckdb(path: Path, source_crs: str, folder: Path) -> float:
    """Return DuckDB's seconds to read, reproject, make valid and write GeoParquet.

    Its own process measures the query alone: start and extension are not counted.
    """
    target = folder / "duckdb.parquet"
    statement = DUCKDB.format(source=source_crs, path=path, target=target)
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.duckdb_query", statement],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    target.unlink()
    return float(done.stdout)


def time_plain_load(path: Path, env: dict[str, str]) -> float:
    """Return the seconds of `ogr2ogr -f PostgreSQL` with its defaults."""
    _sql(env, f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA}")
    try:
        return _timed_load(path, env)
    finally:
        _sql(env, f"DROP SCHEMA {SCHEMA} CASCADE")


def time_plain(path: Path, env: dict[str, str], folder: Path) -> float:
    """Return the seconds of the plain way: load, two CREATE TABLE AS, an index, an export."""
    _sql(env, f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA}")
    target = folder / "plain.fgb"
    try:
        seconds = _timed_load(path, env)
        geometry = "geom" if path.suffix == ".gpkg" else "wkb_geometry"
        started = time.monotonic()
        for statement in PLAIN:
            _sql(env, statement.format(s=SCHEMA, columns=COLUMNS, g=geometry))
        _ogr(env, "-f", "FlatGeobuf", str(target), _source(env), f"{SCHEMA}.valid")
        return seconds + time.monotonic() - started
    finally:
        target.unlink(missing_ok=True)
        _sql(env, f"DROP SCHEMA {SCHEMA} CASCADE")


def time_gdal_translate(path: Path, folder: Path) -> float:
    """Return the seconds of gdal_translate to a COG, with the options that we use and all cores."""
    target = folder / "plain.tif"
    options = [part for option in COG_OPTIONS for part in ("-co", option)]
    started = time.monotonic()
    subprocess.run(
        ["gdal_translate", "-q", "-of", "COG", *options, str(path), str(target)], check=True
    )
    seconds = time.monotonic() - started
    target.unlink()
    return seconds


def _timed_load(path: Path, env: dict[str, str]) -> float:
    started = time.monotonic()
    _ogr(env, "-f", "PostgreSQL", _source(env), str(path), "-nln", f"{SCHEMA}.loaded")
    return time.monotonic() - started


def _source(env: dict[str, str]) -> str:
    return (
        f"PG:host={env['POSTGRES_HOST']} port={env['POSTGRES_PORT']} "
        f"user={env['POSTGRES_USER']} dbname={env['POSTGRES_DB']}"
    )


def _ogr(env: dict[str, str], *args: str) -> None:
    secret = {"PGPASSWORD": env["POSTGRES_PASSWORD"]}
    subprocess.run(["ogr2ogr", *args], check=True, env={**os.environ, **secret})


def _sql(env: dict[str, str], statement: str) -> None:
    with (
        psycopg2.connect(
            host=env["POSTGRES_HOST"],
            port=env["POSTGRES_PORT"],
            user=env["POSTGRES_USER"],
            password=env["POSTGRES_PASSWORD"],
            dbname=env["POSTGRES_DB"],
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
