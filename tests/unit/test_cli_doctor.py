"""Doctor: findings of hand-made probes, and of real ones where nothing listens."""

import json
import socket

import pytest

from services.cli import doctor, probes
from services.cli.doctor import PROBES, examine, finding_lines
from services.cli.main import main
from services.cli.settings import Environment

SERVERS = ("s3", "ledger", "postgis", "dagster-postgres", "user-code", "webserver", "daemon")


def well(environment: Environment) -> str:
    return "version 1"


def ill(environment: Environment) -> str:
    raise probes.ProblemError("password s3cret was refused", "Correct it.")


@pytest.fixture
def free_port() -> int:
    """Return a port nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_problem_has_a_remedy_and_no_secret() -> None:
    environment = Environment({"MINIO_SECRET_KEY": "s3cret"}, ())

    good, bad = examine(environment, {"good": well, "bad": ill})

    assert (good.is_ok, good.found) == (True, "version 1")
    assert (bad.is_ok, bad.found, bad.remedy) == (
        False,
        "password *** was refused",
        "Correct it.",
    )
    assert finding_lines(bad)[0].startswith("FAIL  bad")


def test_the_command_ends_with_1_where_a_check_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "PROBES", {"good": well})
    assert main(["doctor"]) == 0
    monkeypatch.setattr(doctor, "PROBES", {"good": well, "bad": ill})
    capsys.readouterr()

    assert main(["doctor", "--json"]) == 1
    assert [item["is_ok"] for item in json.loads(capsys.readouterr().out)] == [True, False]


def test_servers_that_are_down_are_findings(
    free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.cli.probes.CONNECT_S", 0.1)
    address, port = f"127.0.0.1:{free_port}", str(free_port)
    values = {"MINIO_ENDPOINT": address, "MINIO_ACCESS_KEY": "a", "MINIO_SECRET_KEY": "topsecret"}
    values |= {"MONGO_URI": f"mongodb://me:topsecret@{address}/db"}
    for prefix in ("POSTGRES", "DAGSTER_POSTGRES"):
        values |= {f"{prefix}_PORT": port, f"{prefix}_PASSWORD": "topsecret"}
    values |= {
        "SPATIAL_ETL_CODE_SERVER_PORT": port,
        "SPATIAL_ETL_WEBSERVER_URL": f"http://{address}",
    }

    findings = examine(Environment(values, ()), {name: PROBES[name] for name in SERVERS})

    assert [finding.is_ok for finding in findings] == [False] * len(SERVERS)
    assert all(finding.remedy for finding in findings)
    assert "topsecret" not in str(findings)


def test_missing_settings_are_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINIO_ENDPOINT", raising=False)

    (finding,) = examine(Environment({}, ("the environment",)), {"s3": PROBES["s3"]})

    assert "MINIO_ENDPOINT" in finding.found
    assert "make up" in str(finding.remedy)
