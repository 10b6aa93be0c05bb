"""GDAL as a child process: its programs run, its messages read, its failures named.

ogr2ogr's exit code is no proof: every `ERROR n` on stderr counts as a failure.

What belongs here: arguments, environment and errors of GDAL's programs. What does not: limits and
signals of a child (`libs.spatial_utils.child`), what to load (`libs.compute.loading`).
"""

import json
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from libs.models.errors import ComputeError, CrsError, SourceError
from libs.spatial_utils.child import ChildEnd, Limits, run_child
from libs.spatial_utils.cog import cog_env
from libs.spatial_utils.drivers import RASTER_DRIVERS, unknown_format
from libs.spatial_utils.layers import Problem, SourceDescription
from libs.spatial_utils.rasters import RasterAnswer, RasterDescription

DESCRIBE_PROGRAM = Path(__file__).with_name("describe_source.py")
DESCRIBE_RASTER_PROGRAM = Path(__file__).with_name("describe_raster.py")
DESCRIBE_PYTHON = sys.executable
GDAL_PYTHON = "/usr/bin/python3"
MAX_MESSAGE = 600
NOT_EXECUTABLE = 127

_ERROR_LINE = re.compile(r"^(?:ERROR \d+|FATAL|FAILURE):.*(?:\n(?!ERROR|Warning|FAILURE).+)?", re.M)
_WARNING_LINE = re.compile(r"^Warning \d+: (.*)", re.M)
_FORMAT_LINE = re.compile(r"^\s+(.+?) -[a-z, ]+- \(", re.M)
_NOT_UTF8 = re.compile(r"Non UTF-8 content|invalid byte sequence for encoding")
_NOT_CONVERTED = re.compile(r"One or several characters couldn't be converted correctly[^.\"]*")
_UNDECODED_NAME = re.compile(r'"[^"]*(?<!\\ud[89ab][0-9a-f][0-9a-f])\\udc[89a-f][0-9a-f][^"]*"')
_FEATURE_NUMBER = re.compile(r"Unable to write feature (\d+)")
_LOST_SERVER = re.compile(
    r"PQconnectdb failed|could not connect to server|server closed the connection|"
    r"connection to server|terminating connection|the database system is|no connection to the"
)
_PROJ_ERROR = "PROJ: "
_RASTER_OUTPUT_DRIVERS = ("GTiff", "COG")
_ALONE = {"GDAL_PAM_ENABLED": "NO", "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
_FRUGAL = {"OPENBLAS_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
_GDAL_ENV = {
    "LC_ALL": "C.UTF-8",
    "PGTZ": "UTC",
    "PGCLIENTENCODING": "UTF8",
    "PG_USE_COPY": "YES",
    "OGR_GEOJSON_MAX_OBJ_SIZE": "0",
    "DXF_ENCODING": "UTF-8",
    "CPL_VSIL_CURL_ALLOWED_FILENAME": "/nothing",
    "GDAL_HTTP_MAX_RETRY": "0",
}


@dataclass(frozen=True)
class GdalRun:
    """What a GDAL program said."""

    stdout: str
    warnings: tuple[str, ...]
    seconds: float


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
        `file` and `layer` where it reports an error, crashes or takes too long, and
        `ComputeError` where it was killed or lost its database.
        """
        environment = {**_GDAL_ENV, "PATH": self._path(), "HOME": str(cwd), **(env or {})}
        try:
            end = run_child([program, *args], env=environment, cwd=cwd, limits=self.limits)
        except FileNotFoundError as err:
            raise ComputeError(
                "compute.no_gdal",
                f"expected the program {err.filename}, found none on PATH.",
                remedy="Install GDAL: apt-get install gdal-bin python3-gdal util-linux.",
            ) from err
        secrets = [value for name, value in (env or {}).items() if "PASS" in name and value]
        stderr = _without_secrets(end.stderr, secrets)
        errors = _ERROR_LINE.findall(stderr)
        if end.returncode != 0 or errors:
            raise self._failure(program, end, errors, stderr, file, layer)
        return GdalRun(end.stdout, tuple(_WARNING_LINE.findall(stderr)), end.seconds)

    def describe(
        self,
        path: Path,
        *,
        drivers: Sequence[str],
        open_options: Sequence[str] = (),
        types: Sequence[str] | None = None,
        spool: Path | None = None,
        file: str | None = None,
    ) -> SourceDescription:
        """Return what GDAL finds in the source at `path`, opened by one of `drivers` only.

        `types` are the columns' types where they are known better than the format knows them. With
        `spool`, layer n is written down as Arrow batches in the file `<n>.arrow` of that folder.
        Raises `SourceError` where none knows the format, or reading reports an error.
        """
        request = {
            "path": str(path), "drivers": list(drivers), "open_options": list(open_options),
            "types": types, "spool": str(spool) if spool else None,
        }  # fmt: skip
        answer = self.run(
            DESCRIBE_PYTHON,
            ["-I", str(DESCRIBE_PROGRAM), json.dumps(request)],
            cwd=path.parent,
            env={**self.only_drivers(drivers), **_FRUGAL},
            file=file,
        )
        undecoded = _UNDECODED_NAME.search(answer.stdout) or _NOT_CONVERTED.search(answer.stdout)
        if undecoded:
            raise _not_utf_8(undecoded[0], file)
        description = SourceDescription.model_validate(json.loads(answer.stdout))
        _require_readable(description.problems, drivers, file)
        if description.driver is None:
            raise unknown_format(file or path.name, "another format")
        return description

    def restore_index(self, path: Path, *, file: str | None = None) -> None:
        """Make the .shx of the shapefile at `path` from its .shp.

        Raises what `run` raises, where the .shp cannot be followed from record to record.
        """
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
        _require_readable(problems, drivers, file)
        if answer.raster is None:
            raise unknown_format(file or path.name, "another format", RASTER_DRIVERS)
        return answer.raster.model_copy(update={"problems": problems})

    def raster_env(self, drivers: Sequence[str]) -> dict[str, str]:
        """Return the environment in which GDAL reads rasters by `drivers` only.

        It can write what we publish, and its memory is bounded.
        """
        allowed = {*drivers, *_RASTER_OUTPUT_DRIVERS}
        skipped = [name for name in self._raster_drivers if name not in allowed]
        return {"GDAL_SKIP": ",".join(skipped), **cog_env(self.limits.memory_bytes)}

    def only_drivers(self, drivers: Sequence[str]) -> dict[str, str]:
        """Return the environment in which GDAL has `drivers` and no other vector driver."""
        skipped = [name for name in self._vector_drivers if name not in drivers]
        return {"GDAL_SKIP": ",".join(skipped)}

    @cached_property
    def _vector_drivers(self) -> tuple[str, ...]:
        listing = self.run("ogrinfo", ["--formats"], cwd=Path("/tmp"))  # noqa: S108
        return tuple(_FORMAT_LINE.findall(listing.stdout))

    @cached_property
    def _raster_drivers(self) -> tuple[str, ...]:
        listing = self.run("gdalinfo", ["--formats"], cwd=Path("/tmp"))  # noqa: S108
        return tuple(_FORMAT_LINE.findall(listing.stdout))

    def version(self) -> str:
        """Return GDAL's own version line."""
        return self.run("ogrinfo", ["--version"], cwd=Path("/tmp")).stdout.strip()  # noqa: S108

    def _path(self) -> str:
        inherited = os.environ.get("PATH", "/usr/bin:/bin")
        return f"{self.bin_dir}:{inherited}" if self.bin_dir else inherited

    def _failure(
        self,
        program: str,
        end: ChildEnd,
        errors: Sequence[str],
        stderr: str,
        file: str | None,
        layer: str | None,
    ) -> SourceError | ComputeError:
        name = Path(program).name
        said = _shorten("; ".join(errors) or stderr.strip() or "nothing on stderr")
        if end.timed_out:
            return SourceError(
                "source.timeout",
                f"expected {name} to end within {self.limits.timeout_s:g} s, found it still "
                "running.",
                remedy="Split the file, or raise SPATIAL_ETL_GDAL_TIMEOUT_S.",
                file=file,
                layer=layer,
            )
        if end.returncode == -signal.SIGKILL or _LOST_SERVER.search(stderr):
            return ComputeError(
                "compute.child_lost",
                f"expected {name} to end by itself, found: {said} (exit {end.returncode}).",
                remedy="Nothing to do: it is tried again. If it persists, see `doctor`.",
                file=file,
                layer=layer,
            )
        if _NOT_UTF8.search(stderr):
            number = _FEATURE_NUMBER.search(stderr)
            row = int(number.group(1)) + 1 if number else None
            return _not_utf_8("other bytes", file, layer, row)
        if end.returncode < 0 or end.returncode == NOT_EXECUTABLE:
            return SourceError(
                "source.driver_crashed",
                f"expected {name} to read the file within {self.limits.memory_bytes} bytes of "
                f"memory, found it ended by {_ending(end.returncode)}: {said}.",
                remedy="The file breaks GDAL's reader: repair or export it anew.",
                file=file,
                layer=layer,
            )
        return SourceError(
            "source.gdal_error",
            f"expected {name} to report no error, found: {said} (exit {end.returncode}).",
            remedy="Correct what GDAL names in the file and drop it again.",
            file=file,
            layer=layer,
        )


def _not_utf_8(
    found: str, file: str | None, layer: str | None = None, row: int | None = None
) -> SourceError:
    return SourceError(
        "source.encoding",
        "expected text in UTF-8 or in an encoding that the file or the manifest names, found: "
        f"{found}.",
        remedy='Declare the encoding in the manifest: files[].encoding, e.g. "cp1252"; where the '
        "format has no other than UTF-8, export the file anew.",
        file=file,
        layer=layer,
        row=row,
    )


def _without_folder(problem: Problem, folder: Path) -> Problem:
    """Return a problem without the name of the run's folder."""
    return problem.model_copy(update={"message": problem.message.replace(f"{folder}/", "")})


def _require_readable(
    problems: Sequence[Problem], drivers: Sequence[str], file: str | None
) -> None:
    errors = [item.message for item in problems if item.is_error]
    if errors and all(message.startswith(_PROJ_ERROR) for message in errors):
        raise CrsError(
            "crs.unreadable",
            f"expected a CRS that PROJ knows, found: {_shorten('; '.join(errors))}.",
            remedy="Correct the CRS that the file names, or take it out and declare files[].crs.",
            file=file,
        )
    if errors:
        raise SourceError(
            "source.unreadable",
            f"expected a file that GDAL's {' or '.join(drivers)} driver can read, found: "
            f"{_shorten('; '.join(errors))}.",
            remedy="Check the file with ogrinfo or gdalinfo, export it anew and drop it again.",
            file=file,
        )


def _ending(returncode: int) -> str:
    try:
        return signal.Signals(-returncode).name
    except ValueError:
        return f"exit {returncode}"


def _without_secrets(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}…"
