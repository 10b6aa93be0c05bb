"""A dataset version: the document in the ledger's `assets` that makes files visible.

What belongs here: the published facts about a version, its tables and its files.
What does not: what happened to a drop (`libs.models.receipt`).
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from libs.models.manifest import ManifestMetadata

Kind = Literal["vector"]
Bbox = Annotated[
    tuple[float, float, float, float],
    Field(description="xmin, ymin, xmax, ymax in the table's CRS"),
]


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Warn(_Fact):
    """Something a user should know about a drop that was accepted."""

    code: str
    message: str
    file: str | None = None
    layer: str | None = None


class Column(_Fact):
    """A column as it is published; `type` is a name of `libs.spatial_utils.column_types`."""

    name: str
    type: str


class SourceRef(_Fact):
    """Where rows came from."""

    file: str = Field(
        description="s3://landing-zone/<key>, with !/<member> for an archive's member"
    )
    layer: str


class SourceRows(SourceRef):
    """Where rows came from, and how many were read."""

    rows: int


class Transformation(_Fact):
    """A change of CRS between a source and a table, as PROJ names it."""

    source_crs: str
    target_crs: str
    name: str
    accuracy_m: float | None = Field(default=None, description="None where PROJ does not know it")
    is_ballpark: bool = False
    missing_grids: tuple[str, ...] = Field(
        default=(), description="grids of a more accurate operation that are not installed"
    )


class Hops(_Fact):
    """Rows of a table at each hop of the pipeline."""

    read: int
    loaded: int
    transformed: int
    written: dict[str, int] = Field(description="output format -> rows read back from the file")


class Output(_Fact):
    """A published file; `key` is inside the lake bucket."""

    format: str
    key: str
    size_bytes: int
    sha256: str


class TableVersion(_Fact):
    """A table of a version."""

    name: str
    rows: int
    columns: tuple[Column, ...]
    geometry_types: tuple[str, ...] = Field(description="empty for an attribute table")
    crs: str | None = Field(description="authority:code, else WKT2; None for an attribute table")
    bbox: Bbox | None
    source: SourceRef = Field(description="the first source")
    sources: tuple[SourceRows, ...] = Field(description="every source, in order of appending")
    transformations: tuple[Transformation, ...] = ()
    hops: Hops
    outputs: tuple[Output, ...]


class InputFile(_Fact):
    """A file that went into a version."""

    path: str
    size_bytes: int
    sha256: str


class Version(_Fact):
    """A version of a dataset: one document, inserted once, never changed."""

    dataset_id: str
    version: int = Field(ge=1)
    manifest_id: str = Field(description="id of the drop")
    run_id: str
    attempt: int
    content_hash: str = Field(description="sha256 over inputs, request and recipe version")
    kind: Kind
    tables: tuple[TableVersion, ...]
    inputs: tuple[InputFile, ...]
    metadata: ManifestMetadata
    warnings: tuple[Warn, ...] = ()
    created_at: datetime
