"""GDAL as a child process: every way a program can end, with programs that end that way."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from libs.models.errors import ComputeError, InternalError, SourceError, SpatialEtlError
from libs.spatial_utils import child, ogr
from libs.spatial_utils.child import Limits, run_children
from libs.spatial_utils.ogr import Gdal
from tests.unit.conftest import MIB, Program

FILE = "s3://landing-zone/a.gpkg"


def error_of(gdal: Gdal, cwd: Path, *, env: dict[str, str] | None = None) -> SpatialEtlError:
    with pytest.raises(SpatialEtlError) as caught:
        gdal.run("ogr2ogr", ["a b", "$(c)"], cwd=cwd, env=env, file=FILE, layer="a")
    assert (caught.value.reason.file, caught.value.reason.layer) == (FILE, "a")
    return caught.value


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that ended and was not waited for does not.

    Its first thread may have ended before others that hold its files open.
    """
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z" or len([*Path(f"/proc/{pid}/task").iterdir()]) > 1
    except FileNotFoundError:
        return False


def wait_until_gone(pid: int) -> None:
    until = time.monotonic() + 5
    while is_alive(pid):
        assert time.monotonic() < until, f"process {pid} still runs"
        time.sleep(0.01)


def wait_until_written(path: Path) -> str:
    until = time.monotonic() + 20
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < until, f"nothing in {path}"
        time.sleep(0.01)
    return path.read_text()


@contextmanager
def interrupted_once_written(path: Path) -> Iterator[None]:
    """Expect to be interrupted, which is done when something has been written to `path`."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def watch() -> None:
        wait_until_written(path)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)

    before = signal.signal(signal.SIGALRM, interrupt)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
    finally:
        watcher.join()
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "STOP_GRACE_S", 0.2)


def test_a_program_gets_its_arguments_as_they_are(program: Program, tmp_path: Path) -> None:
    gdal = program('printf "%s|" "$@"; pwd')
    said = gdal.run("ogr2ogr", ["a b", "$(c)", "", "*"], cwd=tmp_path)
    assert said.stdout == f"a b|$(c)||*|{tmp_path}\n"
    assert said.warnings == ()
    assert said.seconds > 0


def test_warnings_are_passed_on(program: Program, tmp_path: Path) -> None:
    gdal = program('echo "Warning 1: odd" >&2; echo "Warning 6: odder" >&2; echo progress >&2')
    assert gdal.run("ogr2ogr", [], cwd=tmp_path).warnings == ("odd", "odder")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ('echo "no such file" >&2; exit 1', "no such file (exit 1)"),
        ("exit 3", "nothing on stderr (exit 3)"),
        ('echo "ERROR 1: 2 rows lost" >&2; exit 0', "ERROR 1: 2 rows lost (exit 0)"),
        ('echo "Warning 1: x" >&2; echo "ERROR 6: lost" >&2', "ERROR 6: lost (exit 0)"),
        ('printf "ERROR 1: COPY\\nDETAIL: row 3\\n" >&2', "ERROR 1: COPY\nDETAIL: row 3 (exit 0)"),
        ('printf "ERROR 1: a\\nERROR 1: b\\n" >&2', "ERROR 1: a; ERROR 1: b (exit 0)"),
        ('echo "FAILURE: no driver" >&2; exit 0', "FAILURE: no driver (exit 0)"),
        ('printf "ERROR 1: \\377\\n" >&2', "ERROR 1: \ufffd (exit 0)"),
    ],
)
def test_a_reported_error_is_a_failure_whatever_the_exit_code(
    program: Program, tmp_path: Path, script: str, said: str
) -> None:
    error = error_of(program(script), tmp_path)
    assert isinstance(error, SourceError)
    assert error.reason.code == "source.gdal_error"
    assert said in error.reason.message


@pytest.mark.parametrize(
    ("script", "kind", "code", "said"),
    [
        ("kill -SEGV $$", SourceError, "source.driver_crashed", "SIGSEGV"),
        ("kill -ABRT $$", SourceError, "source.driver_crashed", "SIGABRT"),
        ("kill -KILL $$", ComputeError, "compute.child_lost", "exit -9"),
        (
            'echo "ERROR 1: PQconnectdb failed" >&2; exit 1',
            ComputeError, "compute.child_lost", "PQconnectdb failed",
        ),
        (
            'echo "server closed the connection unexpectedly" >&2; exit 1',
            ComputeError, "compute.child_lost", "server closed",
        ),
        (
            'printf "Traceback (most recent call last):\\n  File\\nKeyError: 1\\n" >&2; exit 1',
            InternalError, "internal.unexpected", "KeyError: 1",
        ),
    ],
)  # fmt: skip
def test_a_crash_is_the_files_fault_and_a_loss_the_worlds(
    program: Program, tmp_path: Path, script: str, kind: type, code: str, said: str
) -> None:
    error = error_of(program(script), tmp_path)
    assert type(error) is kind
    assert error.reason.code == code
    assert said in error.reason.message


def test_a_program_that_hangs_is_ended_with_all_it_started(
    program: Program, tmp_path: Path
) -> None:
    gdal = program("sleep 60 & echo $! > child; sleep 60 & wait", timeout_s=0.3)
    started = time.monotonic()
    error = error_of(gdal, tmp_path)
    assert time.monotonic() - started < 3
    assert error.reason.code == "source.timeout"
    assert "within 0.3 s" in error.reason.message
    wait_until_gone(int((tmp_path / "child").read_text()))


def test_a_program_ends_at_once_where_its_parent_ignores_sigterm(
    program: Program, tmp_path: Path
) -> None:
    gdal = program("sleep 60", timeout_s=0.3)
    handler = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        started = time.monotonic()
        assert error_of(gdal, tmp_path).reason.code == "source.timeout"
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert time.monotonic() - started < 3


@pytest.mark.usefixtures("_short_grace")
def test_a_program_that_ignores_sigterm_is_killed(program: Program, tmp_path: Path) -> None:
    gdal = program("trap '' TERM; echo $$ > pid; while :; do sleep 0.05; done", timeout_s=0.3)
    assert error_of(gdal, tmp_path).reason.code == "source.timeout"
    wait_until_gone(int((tmp_path / "pid").read_text()))


def test_what_a_program_leaves_behind_is_ended(program: Program, tmp_path: Path) -> None:
    program("sleep 60 & echo $! > child").run("ogr2ogr", [], cwd=tmp_path)
    wait_until_gone(int((tmp_path / "child").read_text()))


@pytest.mark.usefixtures("_short_grace")
def test_an_interrupt_reaches_the_program(program: Program, tmp_path: Path) -> None:
    gdal = program("echo $$ > pid; sleep 60")
    with interrupted_once_written(tmp_path / "pid"):
        gdal.run("ogr2ogr", [], cwd=tmp_path)
    wait_until_gone(int((tmp_path / "pid").read_text()))


def test_a_program_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    code = (
        "import pathlib; from libs.spatial_utils.child import Limits, run_children; "
        "run_children([['sh', '-c', 'echo $$ > pid; exec sleep 60']], "
        f"env={{'PATH': '/usr/bin:/bin'}}, cwd=pathlib.Path({str(tmp_path)!r}), "
        "limits=Limits(60, 2**30, 2**20))"
    )
    root = Path(__file__).parents[2]
    pid = tmp_path / "pid"
    with subprocess.Popen([sys.executable, "-c", code], cwd=root) as parent:
        wait_until_written(pid)
        parent.kill()
    wait_until_gone(int(pid.read_text()))


def test_a_program_that_takes_too_much_memory_is_stopped(program: Program, tmp_path: Path) -> None:
    gdal = program("exec /usr/bin/python3 -c 'bytearray(400 << 20)'", memory_bytes=200 * MIB)
    reason = error_of(gdal, tmp_path).reason
    assert reason.code == "source.too_much_memory"
    assert "MemoryError" in reason.message
    assert "SPATIAL_ETL_GDAL_MEMORY_BYTES" in reason.remedy


def test_a_program_that_floods_a_file_is_stopped(program: Program, tmp_path: Path) -> None:
    gdal = program("exec head -c 20000000 /dev/zero", file_bytes=MIB)
    reason = error_of(gdal, tmp_path).reason
    assert reason.code == "source.too_much_output"
    assert "SPATIAL_ETL_MAX_UNPACKED_BYTES" in reason.remedy


def test_a_long_message_is_shortened(program: Program, tmp_path: Path) -> None:
    gdal = program("head -c 3000000 /dev/zero | tr '\\0' x >&2; exit 1")
    assert len(error_of(gdal, tmp_path).reason.message) < 3000


def test_an_error_after_a_flood_of_warnings_is_found(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "READ_BACK_BYTES", 10_000)
    gdal = program("{ yes 'Warning 1: odd' | head -n 5000; echo 'ERROR 1: lost'; } >&2")
    assert "ERROR 1: lost" in error_of(gdal, tmp_path).reason.message


def test_no_index_is_made_of_what_is_no_shapefile(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "a.shp"
    path.write_bytes(b"")
    with pytest.raises(SourceError, match="an empty file") as caught:
        program("exit 0").restore_index(path, file=FILE)
    assert caught.value.reason.code == "source.unknown_format"


def test_a_missing_program_is_not_the_files_fault(tmp_path: Path) -> None:
    gdal = Gdal(Limits(10, 512 * MIB, MIB), tmp_path)
    with pytest.raises(ComputeError) as caught:
        gdal.run("ogr2ogr-of-nowhere", [], cwd=tmp_path)
    assert caught.value.reason.code == "compute.no_gdal"
    assert "ogr2ogr-of-nowhere" in caught.value.reason.message


def test_a_secret_is_struck_out_of_every_message(program: Program, tmp_path: Path) -> None:
    gdal = program('echo "ERROR 1: password $PGPASSWORD of $USER_NAME is wrong" >&2')
    error = error_of(gdal, tmp_path, env={"PGPASSWORD": "hunter2", "USER_NAME": "ana"})
    assert "hunter2" not in str(error)
    assert "password *** of ana is wrong" in error.reason.message


def test_a_secret_is_struck_out_of_warnings(program: Program, tmp_path: Path) -> None:
    gdal = program('echo "Warning 1: using $PGPASSWORD" >&2')
    said = gdal.run("ogr2ogr", [], cwd=tmp_path, env={"PGPASSWORD": "hunter2"})
    assert said.warnings == ("using ***",)


def test_a_program_inherits_no_secret_and_no_setting(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MINIO_SECRET_KEY", "AWS_SECRET_ACCESS_KEY", "MONGO_URI", "PGPASSWORD",
                 "GDAL_DRIVER_PATH", "LD_PRELOAD_OF_A_TEST", "CPL_DEBUG"):  # fmt: skip
        monkeypatch.setenv(name, "hunter2")
    gdal = program("exec /usr/bin/env")
    said = gdal.run("ogr2ogr", [], cwd=tmp_path, env={"PGHOST": "postgis"}).stdout
    variables = dict(line.partition("=")[::2] for line in said.splitlines())
    assert "hunter2" not in said
    assert variables["PGHOST"] == "postgis"
    assert variables["PATH"] == f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    assert variables["HOME"] == "/dev/null/nowhere", "a drop could hold .gdal/gdalrc"
    assert variables["GDAL_DRIVER_PATH"] == "disable"
    assert variables["PG_USE_COPY"] == "YES"


def test_a_program_reads_nothing_from_the_terminal(program: Program, tmp_path: Path) -> None:
    assert program("cat; echo end").run("ogr2ogr", [], cwd=tmp_path).stdout == "end\n"


def test_nothing_is_left_in_the_folder(tmp_path: Path) -> None:
    (end,) = run_children(
        [["true"]], env={"PATH": os.environ["PATH"]}, cwd=tmp_path, limits=Limits(10, 2**30, 2**20)
    )
    assert (end.returncode, end.stdout, end.stderr, end.timed_out) == (0, "", "", False)
    assert list(tmp_path.iterdir()) == []


FORMATS = """
cat <<'END'
Supported Formats:
  GPKG -raster,vector- (rw+vs): GeoPackage
  ESRI Shapefile -vector- (rw+v): ESRI Shapefile
  OGR_VRT -vector- (rov): VRT
END
"""


def test_every_other_driver_is_switched_off(program: Program) -> None:
    gdal = program(FORMATS, name="ogrinfo")
    assert gdal.only_drivers(["GPKG"]) == {"GDAL_SKIP": "ESRI Shapefile,OGR_VRT"}


def description(**changes: object) -> str:
    return json.dumps({"driver": "GPKG", "layers": [], "problems": [], **changes})


@pytest.fixture
def describing(program: Program, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Return a maker of `Gdal` whose description of a source is what the script prints."""

    def make(script: str, **limits: object) -> Gdal:
        monkeypatch.setattr(ogr, "DESCRIBE_SOURCE", "tests.readers.on_path")
        return program(script, name="reader", **limits)

    return make


def test_a_source_is_described_as_asked(describing: Program, tmp_path: Path) -> None:
    gdal = describing(f'printf "%s" "$1" > {tmp_path}/asked; echo \'{description()}\'')
    options = ["ENCODING=CP1252"]
    found = gdal.describe(
        tmp_path / "a.shp",
        driver="ESRI Shapefile",
        open_options=options,
        layers=("a",),
        file=FILE,
    )
    assert (found.driver, found.layers) == ("GPKG", ())
    assert json.loads((tmp_path / "asked").read_text()) == {
        "path": str(tmp_path / "a.shp"),
        "driver": "ESRI Shapefile",
        "open_options": options,
        "types": None,
        "layers": ["a"],
        "spool": None,
    }


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        ({"driver": None}, "source.unknown_format", "another format"),
        (
            {"problems": [{"is_error": True, "number": 1, "message": "row 3 is broken"}]},
            "source.unreadable", "row 3 is broken",
        ),
        (
            {"driver": None, "problems": [{"is_error": True, "number": 4, "message": "malformed"}]},
            "source.unreadable", "malformed",
        ),
    ],
)  # fmt: skip
def test_a_source_that_cannot_be_read_is_refused(
    describing: Program, tmp_path: Path, answer: dict[str, object], code: str, said: str
) -> None:
    gdal = describing(f"echo '{description(**answer)}'")
    with pytest.raises(SourceError) as caught:
        gdal.describe(tmp_path / "a.shp", driver="ESRI Shapefile", file=FILE)
    assert caught.value.reason.code == code
    assert said in caught.value.reason.message
    assert caught.value.reason.file == FILE


def test_a_warning_about_a_source_is_kept(describing: Program, tmp_path: Path) -> None:
    problem = {"is_error": False, "number": 1, "message": "odd"}
    found = describing(f"echo '{description(problems=[problem])}'").describe(
        tmp_path / "a.shp", driver="ESRI Shapefile"
    )
    assert [item.message for item in found.problems] == ["odd"]


@pytest.mark.parametrize(
    ("name", "is_refused"),
    [("Gr\\udcf6\\udcdfe", True), ("\\ud83d\\udc80", False), ("plain", False)],
)
def test_names_that_are_no_utf_8_are_refused(
    describing: Program, tmp_path: Path, name: str, is_refused: bool
) -> None:
    problem = f'{{"is_error": false, "number": 1, "message": "{name}"}}'
    gdal = describing(
        f"""printf '%s' '{{"driver": "GPKG", "layers": [], "problems": [{problem}]}}'"""
    )
    if not is_refused:
        assert gdal.describe(tmp_path / "a.shp", driver="ESRI Shapefile").problems
        return
    with pytest.raises(SourceError) as refused:
        gdal.describe(tmp_path / "a.shp", driver="ESRI Shapefile", file=FILE)
    assert refused.value.reason.code == "source.encoding"
