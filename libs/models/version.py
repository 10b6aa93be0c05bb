"""A dataset version: the document in the ledger's `assets` that makes files visible.

What belongs here: the published facts about a version, its tables and its files.
What does not: what happened to a drop (`libs.models.receipt`).
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from libs.models.fidelity import Bbox, Hops
from libs.models.manifest import ManifestMetadata

Kind = Literal["vector", "raster", "tabular", "join"]


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
    is_confirmed: bool | None = Field(
        default=None,
        description="whether sampled coordinates are those of this operation; None: not compared",
    )


class Output(_Fact):
    """A published file; `key` is inside the lake bucket."""

    format: str
    key: str
    size_bytes: int
    sha256: str


class RasterBand(_Fact):
    """A band as it is published; `sha256` is over its pixels in row order, little-endian."""

    type: str = Field(description="GDAL's name, e.g. UInt16")
    nodata: float | str | None = Field(description="'nan' or 'inf' where JSON has no number")
    min: float | None = Field(description="None where no pixel has data")
    max: float | None
    description: str = ""
    color_interpretation: str
    color_table_entries: int = 0
    mask: str = Field(description="nodata, alpha, per_dataset or all_valid")
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""
    sha256: str


class Raster(_Fact):
    """A raster as it is published."""

    width: int
    height: int
    bands: tuple[RasterBand, ...]
    resolution: tuple[float, float] = Field(description="pixel width and height in the CRS's unit")
    overviews: int = Field(description="levels inside the file")
    compression: str
    is_warped: bool
    footprint: dict[str, Any] = Field(description="GeoJSON polygon in EPSG:4326, from PostGIS")


class JoinStatistics(_Fact):
    """How the two sides of a join met; counts are rows."""

    left_rows: int
    right_rows: int
    left_matched: int
    right_matched: int
    left_matched_more_than_once: int
    right_matched_more_than_once: int
    left_null_keys: int
    right_null_keys: int
    match_rate: float = Field(description="left_matched / left_rows; 1 where there is no left row")


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
    raster: Raster | None = None
    join: JoinStatistics | None = None


class InputFile(_Fact):
    """A file, or the version of another dataset, that went into a version."""

    path: str = Field(description="s3://landing-zone/<key>, or <dataset id>@<version>")
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

    @property
    def size_bytes(self) -> int:
        """Size of all its files."""
        return sum(output.size_bytes for table in self.tables for output in table.outputs)


def dataset_path(dataset_id: str, version: int | None) -> str:
    """Return how claims and lineage name a dataset's version: `<dataset id>@<version>`."""
    return f"{dataset_id}@{version or 'newest'}"
