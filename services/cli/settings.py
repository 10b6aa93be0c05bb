"""Settings of the command line: from the environment, else from the file of the local stack.

What belongs here: finding the file, building the settings of `libs.models.config`, naming what
is missing, and striking secrets out of a text. What does not: what a setting means
(`libs.models.config`), clients made from them (`services.cli.connections`).
"""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import click
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from services.cli.exits import CliUsageError

PREFIXES = ("MINIO_", "POSTGRES_", "MONGO_", "DAGSTER_POSTGRES_", "SPATIAL_ETL_")
ENV_FILE_VARIABLE = "SPATIAL_ETL_ENV_FILE"
LOCAL_FILES = Path(".local")
STACK_ENV = "stack.env"
# With which keys of the local stack a command is run, where nobody says; the others with the
# pipeline's own.
IDENTITY_FILES = {
    "submit": "uploader.env",
    "status": "uploader.env",
    "explain": "uploader.env",
    "datasets": "reader.env",
    "show": "reader.env",
    "download": "reader.env",
    "contract": "reader.env",
}
CHECKOUT = Path(__file__).resolve().parents[2]
SECRET_WORDS = ("SECRET", "PASSWORD", "URI")
LEAST_SECRET_LENGTH = 4

Settings = TypeVar("Settings", bound=BaseSettings)


@dataclass(frozen=True)
class Environment:
    """Settings by the name of their variable, and where they were looked for."""

    values: Mapping[str, str]
    looked_in: tuple[str, ...]

    def build(self, model: type[Settings]) -> Settings:
        """Return settings of the class `model`.

        Raises `CliUsageError` naming the variables that are missing or wrong, never their value.
        """
        prefix = model.model_config["env_prefix"]
        names = {field: f"{prefix}{field.upper()}" for field in model.model_fields}
        missing = [
            names[field]
            for field, info in model.model_fields.items()
            if info.is_required() and names[field] not in self.values
        ]
        if missing:
            raise CliUsageError(
                "settings.missing",
                f"expected {', '.join(missing)} to be set, found nothing in "
                f"{', '.join(self.looked_in)}.",
                remedy="Start the local stack with `make up`, name its settings with --env-file, "
                "or set the variables.",
            )
        given = {field: self.values[name] for field, name in names.items() if name in self.values}
        try:
            return model.model_validate(given)
        except ValidationError as err:
            wrong = "; ".join(
                f"{names[str(item['loc'][0])]}: {item['msg']}" for item in err.errors()
            )
            raise CliUsageError(
                "settings.invalid", f"expected valid settings, found {wrong}.",
                remedy=f"Correct them in {' or '.join(self.looked_in)}.",
            ) from None  # fmt: skip

    def redact(self, text: str) -> str:
        """Return `text` with every secret of the settings struck out."""
        for secret in sorted(self._secrets(), key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def _secrets(self) -> set[str]:
        found = {
            value
            for name, value in self.values.items()
            if any(word in name for word in SECRET_WORDS)
        }
        for uri in [value for value in found if "://" in value]:
            password = _password_of(uri)
            if password:
                found |= {password, unquote(password)}
        return {secret for secret in found if len(secret) >= LEAST_SECRET_LENGTH}


def load_environment(
    env_file: Path | None, environ: Mapping[str, str], command: str | None = None
) -> Environment:
    """Return the settings that are given to a command.

    `env_file`, named on the command line, goes before the environment; the file that
    `SPATIAL_ETL_ENV_FILE` names, else the one that `make up` wrote for such commands to `.local` of
    the current directory or of the checkout, goes after it.
    """
    given = {name: value for name, value in environ.items() if name.startswith(PREFIXES) and value}
    if env_file is not None:
        return Environment(given | read_env_file(env_file), (str(env_file), "the environment"))
    candidates = _local_files(command)
    named = environ.get(ENV_FILE_VARIABLE)
    path = Path(named) if named else next((path for path in candidates if path.is_file()), None)
    if path is None:
        return Environment(given, ("the environment", *map(str, candidates)))
    return Environment(read_env_file(path) | given, ("the environment", str(path)))


def read_env_file(path: Path) -> dict[str, str]:
    """Return the settings in a file of KEY=VALUE lines, quoted as a shell does."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as err:
        found = err.strerror if isinstance(err, OSError) else "another encoding than UTF-8"
        raise CliUsageError(
            "settings.env_file",
            f"expected a readable file of settings, found: {found}.",
            remedy="Name the stack.env that `make up` writes to .local/, as the user who ran it.",
            file=str(path),
        ) from err
    values = {}
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, separator, quoted = text.partition("=")
        try:
            value = "".join(shlex.split(quoted))
        except ValueError:
            separator = ""
        if not separator:
            raise CliUsageError(
                "settings.env_file",
                "expected KEY=VALUE, found another form.",
                remedy="Correct the line; quote values as in a shell.",
                file=str(path),
                row=number,
            )
        if name.startswith(PREFIXES) and value:
            values[name] = value
    return values


def _local_files(command: str | None) -> list[Path]:
    """Return the files that may hold a command's settings, the first one that is there goes."""
    here = Path.cwd()
    folders = (here,) if here == CHECKOUT else (here, CHECKOUT)
    own = IDENTITY_FILES.get(command or "")
    names = (own, STACK_ENV) if own else (STACK_ENV,)
    return [folder / LOCAL_FILES / name for folder in folders for name in names]


def current_environment(context: click.Context) -> Environment:
    """Return the settings given to the command that is run."""
    env_file: Path | None = context.obj
    return load_environment(env_file, os.environ, context.info_name)


def _password_of(uri: str) -> str | None:
    try:
        return urlsplit(uri).password
    except ValueError:
        return None
