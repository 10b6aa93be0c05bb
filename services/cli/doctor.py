"""`spatial-etl doctor`: every service asked, and what to do about those that do not answer.

What belongs here: asking all at once, and telling. What does not: the questions
(`services.cli.probes`, `services.cli.machine_probes`).
"""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import click

from libs.models.errors import SpatialEtlError
from services.cli import machine_probes, probes
from services.cli.exits import ExitCode
from services.cli.output import clean, json_option, print_json, print_lines, say
from services.cli.settings import Environment, current_environment

PROBES: dict[str, probes.Probe] = {
    "s3": probes.probe_s3,
    "ledger": probes.probe_ledger,
    "postgis": probes.probe_postgis,
    "dagster-postgres": probes.probe_dagster_postgres,
    "user-code": probes.probe_code_server,
    "webserver": probes.probe_webserver,
    "daemon": probes.probe_daemon,
    "gdal": machine_probes.probe_gdal,
    "work-dir": machine_probes.probe_work_dir,
}


@dataclass(frozen=True)
class Finding:
    """What a probe found."""

    service: str
    is_ok: bool
    found: str
    remedy: str | None
    seconds: float


@click.command()
@json_option
@click.pass_context
def doctor(context: click.Context, /, as_json: bool) -> int:
    """Check every service and say what to do about it.

    Asks the S3 server, the ledger, PostGIS, Dagster's database, code server, webserver and daemon,
    GDAL's programs and the work folder: are they reached, in which version, do the credentials
    suffice. Ends with 1 where any check fails.
    """
    environment = current_environment(context)
    findings = examine(environment, PROBES)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        print_lines(line for finding in findings for line in finding_lines(finding))
    failed = [finding.service for finding in findings if not finding.is_ok]
    looked_in = ", then ".join(environment.looked_in)
    say(f"{len(findings) - len(failed)} of {len(findings)} checks passed; "
        f"settings from {looked_in}")  # fmt: skip
    return ExitCode.ERROR if failed else ExitCode.OK


def examine(environment: Environment, asked: Mapping[str, probes.Probe]) -> list[Finding]:
    """Ask all services at once and return what was found, in the order of `asked`."""
    with ThreadPoolExecutor(max_workers=len(asked)) as pool:
        futures = [pool.submit(_examine, environment, name, probe) for name, probe in asked.items()]
    return [future.result() for future in futures]


def _examine(environment: Environment, name: str, probe: probes.Probe) -> Finding:
    started = time.monotonic()
    remedy = None
    try:
        found = probe(environment)
    except probes.ProblemError as err:
        found, remedy = err.found, err.remedy
    except SpatialEtlError as err:
        found, remedy = err.reason.message, err.reason.remedy
    seconds = round(time.monotonic() - started, 3)
    return Finding(name, remedy is None, environment.redact(found), remedy, seconds)


def finding_lines(finding: Finding) -> list[str]:
    """Return a finding in words."""
    mark = "ok" if finding.is_ok else "FAIL"
    lines = [clean(f"{mark:4}  {finding.service:16}  {finding.found}")]
    if finding.remedy is not None:
        lines.append(clean(f"{'':24}{finding.remedy}"))
    return lines
