"""GDAL in child processes: its programs and our readers run, its messages read, failures named.

ogr2ogr's exit code is no proof: every `ERROR n` on stderr counts as a failure.

What belongs here: arguments and environment of programs and readers. What does not: limits and
signals of a child (`libs.spatial_utils.child`, `libs.spatial_utils.forked`), what its end means
(`libs.spatial_utils.gdal_failures`), what to load (`libs.compute.loading`).
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from libs.models.errors import ComputeError, SourceError
from libs.spatial_utils.child import ChildEnd, Limits, run_children
from libs.spatial_utils.cog import cog_env
from libs.spatial_utils.drivers import RASTER_DRIVERS, unknown_format
from libs.spatial_utils.forked import ForkServer
from libs.spatial_utils.gdal_failures import Failure, not_utf_8, require_readable
from libs.spatial_utils.gdal_messages import read_messages
from libs.spatial_utils.layers import Problem, SourceDescription, TableAnswer
from libs.spatial_utils.looks import look_of
from libs.spatial_utils.opening import NOWHERE, driver_config, own_options
from libs.spatial_utils.rasters import RasterAnswer, RasterDescription
from libs.spatial_utils.references import DatabaseSchema, require_self_contained
from libs.spatial_utils.table_request import TableRequest

DESCRIBE_SOURCE = "libs.spatial_utils.describe_source"
DESCRIBE_TABLE = "libs.spatial_utils.describe_table"
LIST_SQLITE = "libs.spatial_utils.list_sqlite"
DESCRIBE_RASTER_PROGRAM = Path(__file__).with_name("describe_raster.py")
GDAL_PYTHON = "/usr/bin/python3"
SHAPEFILE_MAGIC = (9994).to_bytes(4, "big")

_FORMAT_LINE = re.compile(r"^\s+(.+?) -[a-z, ]+- \(", re.M)
_NOT_CONVERTED = re.compile(r"One or several characters couldn't be converted correctly[^.\"]*")
_UNDECODED_NAME = re.compile(r'"[^"]*(?<!\\ud[89ab][0-9a-f][0-9a-f])\\udc[89a-f][0-9a-f][^"]*"')
_RASTER_OUTPUT_DRIVERS = ("GTiff", "COG")
_ALONE = {"GDAL_PAM_ENABLED": "NO", "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
_FRUGAL = {"OPENBLAS_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
# A thread that is there before a fork is not there after it.
_ONE_THREAD = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
_GDAL_ENV = {
    "LC_ALL": "C.UTF-8",
    "PGTZ": "UTC",
    "PGCLIENTENCODING": "UTF8",
    "PG_USE_COPY": "YES",
    "OGR_GEOJSON_MAX_OBJ_SIZE": "0",
    "DXF_ENCODING": "UTF-8",
    # After a thousand messages GDAL falls silent, and an error would go unseen.
    "CPL_MAX_ERROR_REPORTS": "2000000000",
    # No configuration, driver or password file may lie where a drop could have put one.
    "HOME": NOWHERE,
    "GDAL_CONFIG_FILE": "/dev/null",
    "GDAL_DRIVER_PATH": "disable",
    # No way to the network: a proxy that nobody listens at.
    "CPL_VSIL_CURL_ALLOWED_FILENAME": NOWHERE,
    "GDAL_HTTP_PROXY": "127.0.0.1:9",
    "GDAL_HTTPS_PROXY": "127.0.0.1:9",
    "GDAL_HTTP_MAX_RETRY": "0",
    "PROJ_NETWORK": "OFF",
}

READERS = ForkServer({**_GDAL_ENV, **_FRUGAL, **_ONE_THREAD})
"""Where this process' readers are forked; it begins with the first of them."""


@dataclass(frozen=True)
class GdalRun:
    """What a GDAL program said; `errors` where it was asked to report them as an answer."""

    stdout: str
    warnings: tuple[str, ...]
    errors: tuple[str, ...]
    seconds: float

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What stands on stderr."""
        said = [(True, text) for text in self.errors] + [(False, text) for text in self.warnings]
        return tuple(Problem(is_error=is_error, number=0, message=text) for is_error, text in said)


@dataclass(frozen=True)
class Gdal:
    """GDAL's programs under limits; `bin_dir` is searched before the rest of PATH."""

    limits: Limits
    bin_dir: Path | None = None

    def run(
        self,
        program: str,
        args: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        file: str | None = None,
        layer: str | None = None,
    ) -> GdalRun:
        """Run `program` in `cwd` and return what it said.

        `env` may hold secrets: they are struck out of every message. Raises `SourceError` naming
        `file` and `layer` where it reports an error, crashes or takes too long, and `ComputeError`
        where it was killed or lost its database.
        """
        return self.run_together(program, [args], cwd=cwd, env=env, file=file, layer=layer)[0]

    def run_together(
        self,
        program: str,
        calls: Sequence[Sequence[str]],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        file: str | None = None,
        layer: str | None = None,
    ) -> list[GdalRun]:
        """Run `program` as often as there are `calls`, at the same time; else as `run` does."""
        environment = {**_GDAL_ENV, "PATH": self._path(), "CPL_TMPDIR": str(cwd), **(env or {})}
        commands = [[program, *args] for args in calls]
        try:
            ends = run_children(commands, env=environment, cwd=cwd, limits=self.limits)
        except FileNotFoundError as err:
            raise ComputeError(
                "compute.no_gdal",
                f"expected the program {err.filename}, found none on PATH.",
                remedy="Install GDAL: apt-get install gdal-bin python3-gdal util-linux.",
            ) from err
        secrets = [value for name, value in (env or {}).items() if "PASS" in name and value]
        return [
            self._said(
                program,
                replace(end, stderr=_without_secrets(end.stderr, secrets)),
                file=file,
                layer=layer,
            )
            for end in ends
        ]

    def _read(
        self,
        reader: str,
        request: str,
        *,
        cwd: Path,
        file: str | None,
        config: Mapping[str, str] | None = None,
        has_errors_as_answer: bool = False,
    ) -> GdalRun:
        """Have one of our readers do `request` and return what it said; raises as `run` does."""
        env = {**_GDAL_ENV, **_FRUGAL, "PATH": self._path(), "CPL_TMPDIR": str(cwd)}
        env |= config or {}
        end = READERS.run(reader, request, env=env, cwd=cwd, limits=self.limits)
        name = reader.rpartition(".")[2]
        return self._said(name, end, file=file, has_errors_as_answer=has_errors_as_answer)

    def _said(
        self,
        program: str,
        end: ChildEnd,
        *,
        file: str | None,
        layer: str | None = None,
        has_errors_as_answer: bool = False,
    ) -> GdalRun:
        """Return what a child said that ended well; raises as `run` does."""
        said = read_messages(end.stderr)
        if end.returncode != 0 or (said.errors and not has_errors_as_answer):
            raise Failure(program, end, self.limits, said.errors, file, layer).error()
        return GdalRun(end.stdout, said.warnings, said.errors, end.seconds)

    def prepare(self) -> None:
        """Do what every run needs once, before runs are forked from this process.

        The server of its readers is started, and the programs are asked for their drivers.
        """
        READERS.start()
        for program in ("ogrinfo", "gdalinfo"):
            _drivers(self, program)

    def start_readers(self) -> None:
        """Have what readers need loaded by the time the first of them is asked for."""
        READERS.start()

    def describe(
        self,
        path: Path,
        *,
        driver: str,
        open_options: Sequence[str] = (),
        types: Sequence[str] | None = None,
        layers: Sequence[str] = (),
        spool: Path | None = None,
        file: str | None = None,
    ) -> SourceDescription:
        """Return what GDAL finds in the source at `path`, opened by `driver` only.

        Of `layers`, where any are named, only those are read. `types` are the columns' types where
        they are known better than the format knows them. With `spool`, the nth layer that is read
        is written down as Arrow batches in the file `<n>.arrow` of that folder.
        Raises `SourceError` where the file refers to anything outside of itself, has another
        format, or reading reports an error.
        """
        schema = require_self_contained(
            path, driver, file, lambda: self._database_schema(path, file)
        )
        request = {
            "path": str(path), "driver": driver,
            "open_options": [*own_options(driver), *open_options],
            "types": types, "layers": list(layers), "spool": str(spool) if spool else None,
        }  # fmt: skip
        answer = self._read(
            DESCRIBE_SOURCE,
            json.dumps(request),
            cwd=path.parent,
            file=file,
            config=driver_config(driver, path),
            has_errors_as_answer=True,
        )
        undecoded = _UNDECODED_NAME.search(answer.stdout) or _NOT_CONVERTED.search(answer.stdout)
        if undecoded:
            raise not_utf_8(undecoded[0], file)
        description = SourceDescription.model_validate(json.loads(answer.stdout))
        # What a driver says in a thread of its own reaches stderr instead of the answer.
        problems = (*description.problems, *answer.problems)
        if description.reason is not None:
            raise SourceError(**{**description.reason.model_dump(), "file": file})
        require_readable(problems, [driver], self.limits, file)
        if description.driver is None:
            raise unknown_format(file or path.name, look_of(path))
        warnings = tuple(warn.model_copy(update={"file": file}) for warn in description.warnings)
        facts = description.model_copy(update={"problems": problems, "warnings": warnings})
        return _with_left_out(facts, schema)

    def describe_table(self, request: TableRequest) -> SourceDescription:
        """Return what Arrow finds in a file of Parquet or CSV, as `describe` does.

        Raises `SourceError` naming file and row where it cannot be read.
        """
        cwd = request.path.parent
        said = self._read(DESCRIBE_TABLE, request.model_dump_json(), cwd=cwd, file=request.file)
        answer = TableAnswer.model_validate_json(said.stdout)
        if answer.reason is not None:
            raise SourceError(**answer.reason.model_dump())
        return answer.description

    def _database_schema(self, path: Path, file: str | None) -> DatabaseSchema:
        said = self._read(LIST_SQLITE, str(path), cwd=path.parent, file=file)
        schema = DatabaseSchema.model_validate_json(said.stdout)
        problems = [Problem(is_error=True, number=0, message=schema.error)] if schema.error else []
        require_readable(problems, ["SQLite"], self.limits, file)
        return schema

    def restore_index(self, path: Path, *, file: str | None = None) -> None:
        """Make the .shx of the shapefile at `path` from its .shp.

        Raises what `run` raises, where the .shp cannot be followed from record to record, and
        `SourceError` where it is no shapefile at all.
        """
        with path.open("rb") as content:
            if content.read(len(SHAPEFILE_MAGIC)) != SHAPEFILE_MAGIC:
                raise unknown_format(file or path.name, look_of(path))
        env = {**self.only_drivers(["ESRI Shapefile"]), "SHAPE_RESTORE_SHX": "YES"}
        self.run("ogrinfo", ["-ro", "-so", str(path)], cwd=path.parent, env=env, file=file)

    def describe_raster(
        self,
        path: Path,
        *,
        drivers: Sequence[str],
        with_pixels: bool,
        is_alone: bool = False,
        open_options: Sequence[str] = (),
        file: str | None = None,
    ) -> RasterDescription:
        """Return what GDAL finds in the raster at `path`, opened by one of `drivers` only.

        Without `with_pixels` only its header is read; `is_alone` ignores the files beside it.
        Raises `SourceError` as `describe` does.
        """
        what = "pixels" if with_pixels else "header"
        args = [
            "-I",
            str(DESCRIBE_RASTER_PROGRAM),
            str(path),
            ",".join(drivers),
            what,
            *open_options,
        ]
        env = {**self.raster_env(drivers), **_FRUGAL}
        env |= _ALONE if is_alone else {}
        said = self.run(GDAL_PYTHON, args, cwd=path.parent, env=env, file=file)
        answer = RasterAnswer.model_validate_json(said.stdout)
        problems = tuple(_without_folder(problem, path.parent) for problem in answer.problems)
        require_readable(problems, drivers, self.limits, file)
        if answer.raster is None:
            raise unknown_format(file or path.name, "another format", RASTER_DRIVERS)
        return answer.raster.model_copy(update={"problems": problems})

    def raster_env(self, drivers: Sequence[str]) -> dict[str, str]:
        """Return the environment in which GDAL reads rasters by `drivers` only.

        It can write what we publish, and its memory is bounded.
        """
        allowed = {*drivers, *_RASTER_OUTPUT_DRIVERS}
        skipped = [name for name in _drivers(self, "gdalinfo") if name not in allowed]
        return {"GDAL_SKIP": ",".join(skipped), **cog_env(self.limits.memory_bytes)}

    def only_drivers(self, drivers: Sequence[str]) -> dict[str, str]:
        """Return the environment in which GDAL has `drivers` and no other vector driver."""
        skipped = [name for name in _drivers(self, "ogrinfo") if name not in drivers]
        return {"GDAL_SKIP": ",".join(skipped)}

    def version(self) -> str:
        """Return GDAL's own version line."""
        return self.run("ogrinfo", ["--version"], cwd=Path("/tmp")).stdout.strip()  # noqa: S108

    def _path(self) -> str:
        inherited = os.environ.get("PATH", "/usr/bin:/bin")
        return f"{self.bin_dir}:{inherited}" if self.bin_dir else inherited


def _without_folder(problem: Problem, folder: Path) -> Problem:
    """Return a problem without the name of the run's folder."""
    return problem.model_copy(update={"message": problem.message.replace(f"{folder}/", "")})


def _with_left_out(description: SourceDescription, schema: DatabaseSchema) -> SourceDescription:
    """Return a description that names the tables of a database which are no layers."""
    left_out = schema.left_out(description.names)
    if not left_out:
        return description
    message = f"Tables that the database does not register as layers: {', '.join(left_out)}"
    problem = Problem(is_error=False, number=0, message=f"{message} were left out")
    return description.model_copy(update={"problems": (*description.problems, problem)})


def _without_secrets(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


@cache
def _drivers(gdal: Gdal, program: str) -> tuple[str, ...]:
    """Return the names of the drivers that a program has, asked once a process."""
    listing = gdal.run(program, ["--formats"], cwd=Path("/tmp"))  # noqa: S108
    return tuple(_FORMAT_LINE.findall(listing.stdout))
