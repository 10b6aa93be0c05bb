"""Settings: where they come from, what they hide, and the example that lists them all."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from libs.models import config

ROOT = Path(__file__).parents[2]
CLASSES = sorted(
    (item for item in vars(config).values() if isinstance(item, type)
     and issubclass(item, BaseSettings) and item is not BaseSettings),
    key=lambda item: item.__name__,
)  # fmt: skip
FIELDS = {
    f"{settings.model_config['env_prefix']}{name}".upper(): field
    for settings in CLASSES
    for name, field in settings.model_fields.items()
}


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away the settings of the shell that runs the tests."""
    for name in FIELDS:
        monkeypatch.delenv(name, raising=False)


def example_lines() -> list[str]:
    return (ROOT / ".env.example").read_text().splitlines()


def example() -> dict[str, str]:
    return dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", "\n".join(example_lines()), re.MULTILINE))


def test_the_example_names_every_setting_and_no_other() -> None:
    assert sorted(example()) == sorted(FIELDS)


def test_the_example_explains_every_setting_on_the_line_above() -> None:
    lines = example_lines()
    unexplained = [
        line
        for above, line in zip(["", *lines], lines, strict=False)
        if "=" in line and not line.startswith("#") and not re.match(r"# \S.{10,}", above)
    ]
    assert unexplained == []


@pytest.mark.parametrize("settings", CLASSES, ids=lambda item: item.__name__)
def test_the_example_is_valid_and_holds_the_defaults(
    settings: type[BaseSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in example().items():
        monkeypatch.setenv(name, value)
    read = settings()
    for name, field in settings.model_fields.items():
        if not field.is_required():
            assert getattr(read, name) == field.default, name


@pytest.mark.parametrize(
    ("settings", "variables", "attribute", "expected"),
    [
        (config.MinIOSettings, {"MINIO_SECURE": "true"}, "secure", True),
        (config.MinIOSettings, {}, "landing_bucket", "landing-zone"),
        (config.MinIOSettings, {}, "lake_bucket", "data-lake"),
        (config.PostGISSettings, {"POSTGRES_PORT": "6000"}, "port", 6000),
        (config.MongoSettings, {}, "database", "spatial_etl"),
        (config.DagsterPostgresSettings, {}, "port", 5433),
        (config.ServiceSettings, {"SPATIAL_ETL_MAX_ATTEMPTS": "5"}, "max_attempts", 5),
    ],
)
def test_a_setting_is_read_from_its_variable(
    monkeypatch: pytest.MonkeyPatch,
    settings: type[BaseSettings],
    variables: dict[str, str],
    attribute: str,
    expected: object,
) -> None:
    for name, value in {**example(), **variables}.items():
        monkeypatch.setenv(name, value)
    assert getattr(settings(), attribute) == expected


@pytest.mark.parametrize(
    "name", ["SPATIAL_ETL_MAX_ATTEMPTS", "SPATIAL_ETL_MAX_QUEUED", "SPATIAL_ETL_GDAL_TIMEOUT_S"]
)
def test_a_limit_of_zero_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "0")
    with pytest.raises(ValidationError, match=name.removeprefix("SPATIAL_ETL_").lower()):
        config.ServiceSettings()


SECRETS = [
    "MINIO_SECRET_KEY",
    "MINIO_REAPER_SECRET_KEY",
    "POSTGRES_PASSWORD",
    "MONGO_URI",
    "DAGSTER_POSTGRES_PASSWORD",
]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for other, value in example().items():
        monkeypatch.setenv(other, value)
    monkeypatch.setenv(name, "hunter2")
    for settings in (item() for item in CLASSES):
        assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump()}"


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        (config.MinIOSettings, {}),
        (config.PostGISSettings, {"POSTGRES_PORT": "no port"}),
        (config.DagsterPostgresSettings, {"DAGSTER_POSTGRES_PORT": "no port"}),
    ],
)
def test_a_secret_is_not_shown_where_another_setting_is_wrong(
    settings: type[BaseSettings], wrong: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**dict.fromkeys(SECRETS, "hunter2"), **wrong}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as caught:
        settings()
    assert "hunter2" not in str(caught.value)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        config.ServiceSettings().max_attempts = 9
