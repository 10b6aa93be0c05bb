"""The manifest: what a user drops beside the files, parsed once at the door.

What belongs here: the typed manifest, its JSON Schema, and the reading of its bytes.
What does not: whether the files it names exist (`libs.pipeline.reception`) or can be read
(`libs.pipeline.fetch`).
"""

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from libs.models.errors import ManifestError

MAX_MANIFEST_BYTES = 1024 * 1024
MAX_DATASET_ID = 200

Intent = Literal[
    "ingest_vector", "ingest_building_footprints", "ingest_road_network", "ingest_raster",
    "ingest_tabular", "join_datasets",
]  # fmt: skip
FileType = Literal["vector", "raster", "tabular"]
OutputFormat = Literal["geoparquet", "flatgeobuf", "gpkg", "parquet", "cog"]
JoinHow = Literal["left", "inner", "right", "outer"]
JoinPredicate = Literal["intersects", "within", "contains", "nearest"]
GeometryType = Literal[
    "Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon",
    "GeometryCollection",
]  # fmt: skip

INTENT_GEOMETRY_TYPES: dict[str, tuple[GeometryType, ...]] = {
    "ingest_building_footprints": ("Polygon", "MultiPolygon"),
    "ingest_road_network": ("LineString", "MultiLineString"),
}

INTENT_FILE_TYPES: dict[str, FileType] = {
    "ingest_vector": "vector",
    "ingest_building_footprints": "vector",
    "ingest_road_network": "vector",
    "ingest_raster": "raster",
    "ingest_tabular": "tabular",
}
JOIN_INPUTS = 2

_SLUG_PART = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?")
_TABLE_NAME = re.compile(r"[^\x00-\x1f/\\]{1,120}")


def slugify(text: str) -> str:
    """Return `text` as one part of a dataset id: lower-case letters, digits, `-`, `_` and `.`."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._") or "unnamed"


def _dataset_id(value: str) -> str:
    parts = value.split("/")
    if not all(_SLUG_PART.fullmatch(part) for part in parts) or len(value) > MAX_DATASET_ID:
        raise ValueError(
            f"expected a slug path such as 'transport/roads' (parts of a-z, 0-9, '.', '_', '-', "
            f"at most 200 characters), found {value!r}"
        )
    return value


def _table_name(value: str) -> str:
    if not _TABLE_NAME.fullmatch(value) or value in {".", ".."}:
        raise ValueError(
            "expected a table name of 1 to 120 characters without '/', '\\' or control "
            f"characters, found {value!r}"
        )
    return value


def _landing_path(value: str) -> str:
    key = re.fullmatch(r"s3://[^/]+/(.+)", value, re.DOTALL)
    if not key:
        raise ValueError(f"expected s3://<landing bucket>/<key>, found {value!r}")
    parts = key.group(1).split("/")
    if any(part in {"", ".", ".."} for part in parts) or re.search(r"[\x00-\x1f]", value):
        raise ValueError(
            f"expected a key without '.', '..', empty parts or control characters, found {value!r}"
        )
    return value


def _column_name(value: str) -> str:
    if "\x00" in value:
        raise ValueError(f"expected a column name without NUL, found {value!r}")
    return value


def _label(value: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise ValueError(f"expected text without control characters, found {value!r}")
    return value


DatasetId = Annotated[str, AfterValidator(_dataset_id)]
TableName = Annotated[str, AfterValidator(_table_name)]
LandingPath = Annotated[str, AfterValidator(_landing_path)]
Label = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_label)]
ColumnName = Annotated[str, AfterValidator(_column_name)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=False)


class ManifestFile(_Part):
    """One file in the landing zone."""

    path: LandingPath = Field(description="s3://landing-zone/<key>")
    type: FileType = Field(description="kind of data in the file")
    format: str | None = Field(default=None, description="GDAL driver name, where it is known")
    crs: str | None = Field(
        default=None,
        min_length=1,
        description="CRS of the data: declares what a file lacks, is checked against what it says",
    )
    layer: str | tuple[str, ...] | None = Field(
        default=None, description="layer or layers to take; all where it is missing"
    )
    table: TableName | None = Field(default=None, description="name of the table it becomes")
    encoding: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_.:-]{1,40}$",
        description="encoding of its text, where the file names none or a wrong one",
    )
    delimiter: str | None = Field(
        default=None, min_length=1, max_length=1, description="of a CSV; detected where missing"
    )
    columns: dict[ColumnName, str] | None = Field(
        default=None, description="column of a CSV -> its type, named as `spatial-etl show` does"
    )
    sha256: Sha256 | None = Field(default=None, description="checked after the download")

    @property
    def key(self) -> str:
        """Key inside its bucket."""
        return self.path.removeprefix("s3://").partition("/")[2]

    @property
    def bucket(self) -> str:
        """Bucket that the path names."""
        return self.path.removeprefix("s3://").partition("/")[0]

    @property
    def name(self) -> str:
        """Last part of the key."""
        return PurePosixPath(self.key).name

    @property
    def layers(self) -> tuple[str, ...]:
        """Layers asked for; empty for all."""
        if self.layer is None:
            return ()
        return (self.layer,) if isinstance(self.layer, str) else self.layer


class ManifestMetadata(_Part):
    """What people read about the dataset."""

    project: Label
    description: str = Field(min_length=1, max_length=20_000)
    title: str | None = None
    source: str | None = None
    license: str | None = None
    keywords: tuple[str, ...] = ()


class Contract(_Part):
    """What the data must be; checked before publishing, for every table of the drop.

    crs, bbox and geometry_types are promises about tables with geometry: attribute tables beside
    them are free of them, but a drop without any geometry breaks them. NULL geometries are allowed.
    """

    crs: str | None = Field(default=None, description="CRS of the published tables with geometry")
    bbox: tuple[float, float, float, float] | None = Field(
        default=None,
        description="xmin, ymin, xmax, ymax in the published CRS that hold every geometry",
    )
    geometry_types: tuple[GeometryType, ...] | None = Field(
        default=None, description="the only types there may be, with or without Z and M"
    )
    key: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="columns that together are unique and not null, in every table",
    )
    columns: dict[ColumnName, str] | None = Field(
        default=None,
        description="column name -> type as `spatial-etl show` names it, in every table; columns "
        "that are not named here are allowed",
    )
    min_rows: int | None = Field(
        default=None, ge=0, lt=2**63, description="least number of rows of every table"
    )
    max_rows: int | None = Field(
        default=None, ge=0, lt=2**63, description="largest number of rows of every table"
    )


class JoinInput(_Part):
    """A published dataset that takes part in a join."""

    dataset_id: DatasetId
    version: int | None = Field(
        default=None, ge=1, lt=2**63, description="the newest where missing"
    )
    table: TableName | None = Field(
        default=None, description="needed where the version has several tables"
    )


class JoinKey(_Part):
    """A pair of columns that must be equal; their types must agree."""

    left: ColumnName
    right: ColumnName


class Options(_Part):
    """What the user asks for beyond a faithful copy."""

    target_crs: str = Field(
        default="EPSG:4326", min_length=1, description="CRS to publish in; 'source' keeps each own"
    )
    repair: bool = Field(default=False, description="make invalid geometries valid")
    union_columns: bool = Field(
        default=False, description="append sources whose columns differ, missing ones as NULL"
    )
    outputs: tuple[OutputFormat, ...] | None = Field(
        default=None,
        min_length=1,
        description="formats to publish; where missing geoparquet and flatgeobuf for geometries, "
        "parquet for tables without, cog for rasters",
    )
    wait_for_files_s: int = Field(
        default=600, ge=0, le=7 * 86_400, description="how long a manifest waits for its files"
    )
    x_column: ColumnName | None = Field(
        default=None, description="with y_column: a table becomes points"
    )
    y_column: ColumnName | None = None
    guess_types: bool = Field(
        default=False, description="give a CSV's columns types where every value survives it"
    )
    bad_rows: Literal["refuse", "keep"] = Field(
        default="refuse",
        description="rows with too few or too many fields and undecodable bytes: refuse the file, "
        "or keep them (missing fields NULL, surplus fields in a column of their own)",
    )
    how: JoinHow = Field(default="left", description="which rows a join keeps")
    on: tuple[JoinKey, ...] | None = Field(
        default=None, min_length=1, description="key columns of a join"
    )
    predicate: JoinPredicate | None = Field(
        default=None, description="relation of the left geometry to the right one"
    )
    max_distance_m: float | None = Field(
        default=None, gt=0, description="of predicate nearest, in metres"
    )
    min_match_rate: float | None = Field(
        default=None, ge=0, le=1, description="least share of left rows with a match"
    )
    expect: Literal["one_to_one", "many_to_one"] | None = Field(
        default=None, description="refuse a join that multiplies rows"
    )
    allow_no_match: bool = Field(default=False, description="publish a join without any match")

    @model_validator(mode="after")
    def _pairs_are_whole(self) -> "Options":
        if (self.x_column is None) != (self.y_column is None):
            raise ValueError("expected x_column and y_column together, found one of them")
        if self.on and self.predicate:
            raise ValueError("expected a join by 'on' or by 'predicate', found both")
        if (self.predicate == "nearest") != (self.max_distance_m is not None):
            raise ValueError("expected max_distance_m with predicate 'nearest', and only there")
        return self


class Manifest(_Part):
    """A drop: the files, what they are, and what to make of them."""

    batch_id: Label = Field(description="the user's label of the drop")
    uploader: Label
    intent: Intent
    dataset_id: DatasetId | None = Field(
        default=None, description="slug path; derived from project and first file where missing"
    )
    files: tuple[ManifestFile, ...] = Field(
        default=(), max_length=1000, description="required for every intent but join_datasets"
    )
    inputs: tuple[JoinInput, ...] = Field(
        default=(), description="of join_datasets: the left and the right dataset"
    )
    metadata: ManifestMetadata
    contract: Contract = Contract()
    options: Options = Options()

    @model_validator(mode="after")
    def _paths_are_distinct(self) -> "Manifest":
        paths = [file.path for file in self.files]
        twice = sorted({path for path in paths if paths.count(path) > 1})
        if twice:
            raise ValueError(f"expected each file once, found {', '.join(twice)} more than once")
        return self

    @model_validator(mode="after")
    def _intent_has_what_it_needs(self) -> "Manifest":
        if self.intent == "join_datasets":
            self._require_join()
            return self
        if not self.files:
            raise ValueError(f"files: Field required for intent {self.intent}")
        if self.inputs:
            raise ValueError("inputs: only join_datasets takes published datasets")
        wanted = INTENT_FILE_TYPES[self.intent]
        for number, file in enumerate(self.files):
            if file.type != wanted:
                raise ValueError(
                    f"files.{number}.type: expected {wanted!r} for intent {self.intent}, found "
                    f"{file.type!r} in {file.path}"
                )
        return self

    def _require_join(self) -> None:
        if self.files or len(self.inputs) != JOIN_INPUTS or self.dataset_id is None:
            raise ValueError("expected a dataset_id, two inputs and no files for join_datasets")
        if self.options.on is None and self.options.predicate is None:
            raise ValueError("expected options.on or options.predicate for join_datasets")

    @property
    def resolved_dataset_id(self) -> str:
        """The dataset id, derived from project and first file's name where it is missing."""
        if self.dataset_id:
            return self.dataset_id
        stem = self.files[0].name.partition(".")[0]
        half = MAX_DATASET_ID // 2 - 1
        return f"{slugify(self.metadata.project[:half])}/{slugify(stem[:half])}"

    @property
    def geometry_types(self) -> tuple[GeometryType, ...] | None:
        """Geometry types allowed by the contract and by the intent; None for any."""
        by_intent = INTENT_GEOMETRY_TYPES.get(self.intent)
        if self.contract.geometry_types is None or by_intent is None:
            return self.contract.geometry_types or by_intent
        return tuple(name for name in self.contract.geometry_types if name in by_intent)


def read_manifest_json(content: bytes) -> dict[str, Any]:
    """Return the JSON object in `content` (UTF-8, with or without a BOM).

    Raises `ManifestError` where it is too large, not UTF-8, not JSON, not an object, or names a
    field twice (a JSON reader would silently keep the last one).
    """
    if len(content) > MAX_MANIFEST_BYTES:
        raise ManifestError(
            "manifest.too_large",
            f"expected at most {MAX_MANIFEST_BYTES} bytes, found {len(content)}.",
            remedy="Put data files outside manifests/ and name them in the manifest.",
        )
    try:
        document = json.loads(
            content.decode("utf-8-sig"),
            object_pairs_hook=_object_without_duplicates,
            parse_constant=_refuse_constant,
        )
        canonical_json(document)
    except (UnicodeDecodeError, ValueError, RecursionError) as err:
        raise ManifestError(
            "manifest.invalid_json",
            f"expected a JSON document in UTF-8, found: {err}.",
            remedy="Correct the JSON and drop the manifest again.",
        ) from err
    if not isinstance(document, dict):
        raise ManifestError(
            "manifest.invalid_json",
            f"expected a JSON object, found {type(document).__name__}.",
            remedy="Wrap the manifest in { … }; `spatial-etl schema` prints its form.",
        )
    return document


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"the field {', '.join(map(repr, twice))} stands more than once")
    return dict(pairs)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def parse_manifest(document: dict[str, Any], *, landing_bucket: str) -> Manifest:
    """Return the manifest in `document`.

    Raises `ManifestError` naming every field that is missing, unknown or wrong, and the intents
    and fields that are known.
    """
    intent = document.get("intent")
    if isinstance(intent, str) and intent not in get_args(Intent):
        raise ManifestError(
            "manifest.unknown_intent",
            f"expected intent to be one of {', '.join(get_args(Intent))}; found {intent!r}.",
            remedy="Set intent to one of the known ones.",
        )
    try:
        manifest = Manifest.model_validate(document)
    except ValidationError as err:
        raise _manifest_error(err) from err
    for file in manifest.files:
        if file.bucket != landing_bucket:
            raise ManifestError(
                "manifest.foreign_path",
                f"expected a path in s3://{landing_bucket}/, found {file.path!r}.",
                remedy=f"Upload the file to s3://{landing_bucket}/ and name it there.",
                file=file.path,
            )
    return manifest


def _manifest_error(err: ValidationError) -> ManifestError:
    problems = []
    for detail in err.errors(include_url=False, include_context=False):
        place = ".".join(str(part) for part in detail["loc"]) or "manifest"
        if detail["type"] == "extra_forbidden":
            known = ", ".join(_known_fields(detail["loc"][:-1]))
            problems.append(f"{place}: unknown field; known here: {known}")
        else:
            problems.append(f"{place}: {detail['msg'].removeprefix('Value error, ')}")
    return ManifestError(
        "manifest.invalid",
        "; ".join(problems) + ".",
        remedy="Correct these fields; `spatial-etl schema` prints the form of a manifest.",
    )


def _known_fields(location: Iterable[int | str]) -> list[str]:
    model: type[BaseModel] = Manifest
    for part in location:
        children: dict[str, type[BaseModel]] = {
            "files": ManifestFile,
            "metadata": ManifestMetadata,
            "contract": Contract,
            "options": Options,
            "inputs": JoinInput,
            "on": JoinKey,
        }
        if isinstance(part, str) and part in children:
            model = children[part]
    return sorted(model.model_fields)


def canonical_json(document: dict[str, Any]) -> bytes:
    """Return `document` as UTF-8 JSON with sorted keys and no white space."""
    return json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def drop_id(document: dict[str, Any], files: Iterable[tuple[str, str, int]]) -> str:
    """Return the identity of a drop: sha256 hex over its manifest and its files.

    `files` gives (path, etag, size in bytes) of each file named by the manifest, in its order; a
    file that is not there yet has an empty etag and size -1.
    """
    digest = hashlib.sha256(canonical_json(document))
    for path, etag, size_bytes in files:
        digest.update(f"\n{path}\t{etag}\t{size_bytes}".encode())
    return digest.hexdigest()


def manifest_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a manifest."""
    schema = Manifest.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
