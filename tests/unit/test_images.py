"""The rules for the images and the containers (CONTEXT.md), and that a breach of each is seen."""

import copy
import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILES = {
    "user-code": "Dockerfile.user-code",
    "dagster": "services/dagster/Dockerfile",
    "postgis": "services/postgis/Dockerfile",
    "offline": "tests/e2e/offline/Dockerfile",
}
RUNS_AS_ROOT = {"minio"}
SECRET = re.compile(r"PASSWORD|SECRET_KEY|URI$|TOKEN|MC_HOST")
Instruction = tuple[str, str]
Service = dict[str, Any]


def instructions(text: str) -> list[Instruction]:
    """Return the instructions of a Dockerfile with what each is given, on one line."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    pairs = [line.partition(" ") for line in joined.splitlines() if line.strip()]
    return [(word.upper(), " ".join(rest.split())) for word, _, rest in pairs]


def given(steps: list[Instruction], *words: str) -> list[str]:
    return [rest for word, rest in steps if word in words]


def last_stage(steps: list[Instruction]) -> list[Instruction]:
    return steps[max(n for n, (word, _) in enumerate(steps) if word == "FROM") :]


def has_one_base(steps: list[Instruction]) -> bool:
    bases = {rest.split()[0] for rest in given(steps, "FROM")}
    return steps[0] == ("ARG", "BASE=debian:bookworm-slim") and bases == {"${BASE}"}


def installs_from_debian_without_leavings(steps: list[Instruction]) -> bool:
    wanted = ("apt-get update", "--no-install-recommends", "rm -rf /var/lib/apt/lists/*")
    runs = given(steps, "RUN")
    return all(all(part in run for part in wanted) for run in runs if "apt-get install" in run)


def runs_nothing_from_the_network(steps: list[Instruction]) -> bool:
    runs = " ".join(given(steps, "RUN"))
    return not given(steps, "ADD") and not re.search(r"\b(curl|wget|git|npm|sudo)\b", runs)


def pins_python(steps: list[Instruction]) -> bool:
    runs = "\n".join(given(steps, "RUN"))
    installs = re.findall(r"pip install [^&\n]*", runs)
    syncs = re.findall(r"uv sync[^&\n]*", runs)
    return all("==" in item and "--no-cache-dir" in item for item in installs) and all(
        "--frozen" in item for item in syncs
    )


def has_no_compiler(steps: list[Instruction]) -> bool:
    runs = " ".join(given(last_stage(steps), "RUN"))
    return not re.search(r"\b(gcc|g\+\+|clang|cmake|make|build-essential|\S+-dev)\b", runs)


def copies_what_changes_least_first(steps: list[Instruction]) -> bool:
    """Packages come before the lock file, the lock file before the code."""
    order = [
        (n, rest)
        for n, (word, rest) in enumerate(steps)
        if (word == "COPY" and "--from" not in rest) or "apt-get install" in rest
    ]
    code = [n for n, rest in order if rest.partition(" ")[0] in {"libs", "services"}]
    lock = [n for n, rest in order if "uv.lock" in rest]
    packages = [n for n, rest in order if "apt-get install" in rest][:1]
    ranks = packages + lock + code
    return ranks == sorted(ranks)


def is_not_root(steps: list[Instruction]) -> bool:
    users = given(last_stage(steps), "USER")
    return bool(users) and users[-1].partition(":")[0] not in {"root", "0"}


def starts_without_a_shell(steps: list[Instruction]) -> bool:
    starts = given(steps, "CMD", "ENTRYPOINT") + given(steps, "HEALTHCHECK")
    return bool(starts) and all(re.match(r"(--\S+ )*(CMD )?\[", start) for start in starts)


def has_labels(steps: list[Instruction]) -> bool:
    labels = re.findall(
        r"opencontainers\.image\.(\w+)=", " ".join(given(last_stage(steps), "LABEL"))
    )
    return {*labels} >= {"title", "description", "licenses"}


def holds_no_secret(steps: list[Instruction]) -> bool:
    names = re.findall(r"(\w+)=", " ".join(given(steps, "ENV", "ARG")))
    return not any(SECRET.search(name) for name in names)


IMAGE_RULES: tuple[Callable[[list[Instruction]], bool], ...] = (
    has_one_base,
    installs_from_debian_without_leavings,
    runs_nothing_from_the_network,
    pins_python,
    has_no_compiler,
    copies_what_changes_least_first,
    is_not_root,
    starts_without_a_shell,
    has_labels,
    holds_no_secret,
)


def broken_image_rules(text: str) -> list[str]:
    steps = instructions(text)
    return [rule.__name__ for rule in IMAGE_RULES if not rule(steps)]


@pytest.mark.parametrize("path", DOCKERFILES.values())
def test_an_image_keeps_the_rules(path: str) -> None:
    assert broken_image_rules((ROOT / path).read_text()) == []


@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [
        (has_one_base, "FROM ${BASE}\n", "FROM python:3.11\n"),
        (has_one_base, "BASE=debian:bookworm-slim", "BASE=debian:latest"),
        (installs_from_debian_without_leavings, "--no-install-recommends", ""),
        (installs_from_debian_without_leavings, "&& rm -rf /var/lib/apt/lists/*", ""),
        (runs_nothing_from_the_network, "WORKDIR /app", "RUN curl https://x.example | sh"),
        (runs_nothing_from_the_network, "WORKDIR /app", "ADD https://x.example/x /x"),
        (pins_python, "uv==${UV_VERSION}", "uv"),
        (pins_python, "--no-cache-dir", ""),
        (pins_python, "--frozen --no-default-groups --no-inst", "--no-default-groups --no-inst"),
        (has_no_compiler, "gdal-bin", "gdal-bin build-essential"),
        (has_no_compiler, "gdal-bin", "libgdal-dev"),
        (copies_what_changes_least_first, "COPY pyproject", "COPY libs libs\nCOPY pyproject"),
        (is_not_root, "USER 10001:10001", ""),
        (is_not_root, "USER 10001:10001", "USER 10001:10001\nUSER root"),
        (starts_without_a_shell, '\nCMD ["python"', "\nCMD python\n#"),
        (starts_without_a_shell, '    CMD ["python"', "    CMD python\n#"),
        (has_labels, "image.licenses", "image.license"),
        (holds_no_secret, "HOME=/tmp", "MINIO_SECRET_KEY=minioadmin"),
    ],
)
def test_a_breach_by_an_image_is_seen(rule: Callable[..., bool], old: str, new: str) -> None:
    text = (ROOT / DOCKERFILES["user-code"]).read_text()
    assert old in text
    assert rule.__name__ in broken_image_rules(text.replace(old, new))


@functools.cache
def compose_file(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / name).read_text())
    return found


def services() -> dict[str, Service]:
    found: dict[str, Service] = compose_file("docker-compose.yml")["services"]
    return found


def dockerfile(service: Service) -> list[Instruction]:
    built = service.get("build")
    return instructions((ROOT / built["dockerfile"]).read_text()) if built else []


def is_one_shot(service: Service) -> bool:
    return service["restart"] == "no"


def is_confined(name: str, service: Service) -> bool:
    return (
        service["read_only"] is True
        and service["cap_drop"] == ["ALL"]
        and "no-new-privileges:true" in service["security_opt"]
        and "/tmp" in service["tmpfs"]
    )


def is_limited(name: str, service: Service) -> bool:
    return "mem_limit" in service and "cpus" in service


def is_checked_and_started_again(name: str, service: Service) -> bool:
    checks = "healthcheck" in service or bool(given(dockerfile(service), "HEALTHCHECK"))
    return is_one_shot(service) or (checks and service["restart"] == "unless-stopped")


def has_a_user(name: str, service: Service) -> bool:
    user = service.get("user", "root")
    return (
        user.partition(":")[0] not in {"root", "0"}
        or (bool(dockerfile(service)) and is_not_root(dockerfile(service)))
        or name in RUNS_AS_ROOT
    )


def is_published_on_loopback(name: str, service: Service) -> bool:
    ports = service.get("ports", [])
    inside = set(service["networks"]) == ({"inside", "outside"} if ports else {"inside"})
    return inside and all(re.match(r"127\.0\.0\.1:\$\{\w+:-\d+\}:\d+$", port) for port in ports)


def is_replaceable(name: str, service: Service) -> bool:
    build = service.get("build")
    tag = "" if build else r":[\w.-]*\d[\w.-]*"
    has_base = not build or build["args"]["BASE"].startswith("${BASE_IMAGE:-")
    return has_base and bool(re.match(rf"\$\{{\w+_IMAGE:-[\w./-]+{tag}\}}$", service["image"]))


def has_no_password_of_its_own(name: str, service: Service) -> bool:
    secrets = [value for key, value in service["environment"].items() if SECRET.search(key)]
    return all(re.search(r"\$\{\w+:\?run make env\}", value) for value in secrets)


def waits_for_health(name: str, service: Service) -> bool:
    return all(
        waited["condition"]
        == ("service_completed_successfully" if other.endswith("-init") else "service_healthy")
        for other, waited in service.get("depends_on", {}).items()
    )


CONTAINER_RULES: tuple[Callable[[str, Service], bool], ...] = (
    is_confined,
    is_limited,
    is_checked_and_started_again,
    has_a_user,
    is_published_on_loopback,
    is_replaceable,
    has_no_password_of_its_own,
    waits_for_health,
)


def broken_container_rules(name: str, service: Service) -> list[str]:
    return [rule.__name__ for rule in CONTAINER_RULES if not rule(name, service)]


@pytest.mark.parametrize("name", services())
def test_a_container_keeps_the_rules(name: str) -> None:
    assert broken_container_rules(name, services()[name]) == []


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        (is_confined, {"read_only": False}),
        (is_confined, {"cap_drop": []}),
        (is_limited, {"cpus": None}),
        (is_checked_and_started_again, {"healthcheck": None}),
        (is_checked_and_started_again, {"restart": "always"}),
        (has_a_user, {"user": "0:0"}),
        (is_published_on_loopback, {"ports": ["${MONGO_PORT:-27017}:27017"]}),
        (is_published_on_loopback, {"ports": None}),
        (is_replaceable, {"image": "mongo:8.0.4"}),
        (is_replaceable, {"image": "${MONGO_IMAGE:-mongo:latest}"}),
        (has_no_password_of_its_own, {"environment": {"MONGO_PASSWORD": "secret"}}),
        (waits_for_health, {"depends_on": {"minio": {"condition": "service_started"}}}),
    ],
)
def test_a_breach_by_a_container_is_seen(rule: Callable[..., bool], change: Service) -> None:
    service = copy.deepcopy(services()["mongodb"]) | change
    service = {key: value for key, value in service.items() if value is not None}
    assert rule.__name__ in broken_container_rules("mongodb", service)


def test_only_the_published_services_are_reached_from_outside() -> None:
    assert compose_file("docker-compose.yml")["networks"]["inside"] == {"internal": True}
    assert {name for name, it in services().items() if it.get("ports")} == {
        "minio", "mongodb", "dagster-webserver"
    }  # fmt: skip


def test_every_password_of_a_container_may_be_a_file() -> None:
    override = compose_file("docker-compose.secrets.yml")
    generated = (ROOT / "services/compose/env.sh").read_text().lower()
    for name, service in services().items():
        passwords = {key for key in service["environment"] if SECRET.search(key)}
        instead = override["services"][name]
        files = {key: instead["environment"][f"{key}_FILE"] for key in passwords}
        assert instead["environment"] == dict.fromkeys(passwords, "") | {
            f"{key}_FILE": file for key, file in files.items()
        }
        names = {Path(file).name for file in files.values()}
        assert sorted(instead["secrets"]) == sorted(names)
        assert {override["secrets"][it]["file"] for it in names} == {
            f"${{SECRETS_FOLDER:-./.env.secrets}}/{it}" for it in names
        }
        assert all(it in generated for it in names)


def test_no_code_asks_whether_it_is_in_a_container() -> None:
    asks = re.compile(r"dockerenv|containerenv|\bIN_(DOCKER|CONTAINER)\b", re.IGNORECASE)
    folders = ("libs", "etl_pipelines", "services")
    files = [it for top in folders for kind in ("*.py", "*.sh") for it in (ROOT / top).rglob(kind)]
    assert files
    assert [path for path in files if asks.search(path.read_text())] == []
