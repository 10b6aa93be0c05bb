"""What a phase hands to the next one: frozen values, each holding the one before it.

What belongs here: the values and the facts a phase reports about itself. What does not: how they
come about (one module a phase).
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from libs.compute.measure import TableFacts
from libs.compute.plain_geometry import NestedShapes
from libs.compute.tables import GeometryPlan, TableShape
from libs.ledger.records import Delivery, FileClaim
from libs.models.fidelity import HopFacts
from libs.models.manifest import Manifest, ManifestFile
from libs.models.version import (
    Column,
    InputFile,
    JoinStatistics,
    TableVersion,
    Transformation,
    Version,
    Warn,
    dataset_path,
)
from libs.spatial_utils.crs import Crs

Facts = dict[str, int | float | str]


@dataclass(frozen=True)
class Intake:
    """A drop that this run may work on."""

    drop_id: str
    attempt: int
    run_id: str
    manifest: Manifest
    dataset_id: str
    claims: tuple[FileClaim, ...]
    delivery: Delivery
    warnings: tuple[Warn, ...]
    published: Version | None = None

    @property
    def facts(self) -> Facts:
        """What the phase reports."""
        size_bytes = sum(claim.size_bytes for claim in self.claims)
        return {
            "dataset_id": self.dataset_id,
            "files": len(self.claims),
            "size_bytes": size_bytes,
            "attempt": self.attempt,
        }


@dataclass(frozen=True)
class FetchedFile:
    """A file of the manifest in the run's work folder."""

    file: ManifestFile
    path: Path
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class FetchedDataset:
    """A table of another dataset's version, as its Parquet file in the run's work folder."""

    dataset_id: str
    version: int
    table: TableVersion
    path: Path
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Fetched:
    """All inputs, hashed; `unchanged` is the version that already holds this content."""

    intake: Intake
    files: tuple[FetchedFile, ...]
    content_hash: str
    unchanged: Version | None
    datasets: tuple[FetchedDataset, ...] = ()

    @property
    def inputs(self) -> tuple[InputFile, ...]:
        """The files and dataset versions as a version names them."""
        files = [(item.file.path, item.size_bytes, item.sha256) for item in self.files]
        datasets = [
            (dataset_path(item.dataset_id, item.version), item.size_bytes, item.sha256)
            for item in self.datasets
        ]
        return tuple(
            InputFile(path=path, size_bytes=size_bytes, sha256=sha256)
            for path, size_bytes, sha256 in files + datasets
        )

    @property
    def facts(self) -> Facts:
        """What the phase reports."""
        return {
            "files": len(self.inputs),
            "size_bytes": sum(item.size_bytes for item in self.inputs),
            "content_hash": self.content_hash,
        }


class TableSource(Protocol):
    """Where rows of a table come from, as it was found before anything was loaded."""

    @property
    def file(self) -> str:
        """The file as a user knows it."""

    @property
    def layer_name(self) -> str:
        """The layer, sheet or table in it."""

    @property
    def rows(self) -> int:
        """Rows read."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Its columns."""

    @property
    def has_geometry(self) -> bool:
        """Whether it has a geometry column."""

    @property
    def crs(self) -> Crs | None:
        """The CRS of its geometries."""

    @property
    def is_swapped(self) -> bool:
        """Whether its coordinates stand in lat, lon order."""


SourceT_co = TypeVar("SourceT_co", bound=TableSource, covariant=True)


@dataclass(frozen=True)
class TablePlan(Generic[SourceT_co]):
    """A table to publish: its sources, its columns, its geometry."""

    name: str
    sources: tuple[SourceT_co, ...]
    columns: tuple[Column, ...]
    geometry: GeometryPlan | None
    crs: Crs | None

    @property
    def shape(self) -> TableShape:
        """Columns and geometry."""
        return TableShape(self.columns, self.geometry)


@dataclass(frozen=True)
class LoadedTable:
    """What every kind knows of a loaded table."""

    name: str
    rows: int
    parts: int


@dataclass(frozen=True)
class LoadedRows(LoadedTable):
    """A table in PostGIS; the rest is in the order of `plan.sources`: what was read, what came.

    `nested` are the shapes that hide in geometry collections; empty where none was looked for.
    """

    plan: TablePlan[TableSource]
    raw_tables: tuple[str, ...]
    read: tuple[HopFacts, ...]
    loaded: tuple[HopFacts, ...]
    nested: tuple[NestedShapes, ...] = ()

    @property
    def has_nested_curves(self) -> bool:
        """Whether a curve hides in a collection."""
        return any(shapes.curves for shapes in self.nested)

    @property
    def has_nested_surfaces(self) -> bool:
        """Whether a surface hides in a collection."""
        return any(shapes.surfaces for shapes in self.nested)


@dataclass(frozen=True)
class Loaded:
    """All tables, loaded."""

    fetched: Fetched
    tables: tuple[LoadedTable, ...]
    warnings: tuple[Warn, ...]

    @property
    def intake(self) -> Intake:
        """The drop."""
        return self.fetched.intake

    @property
    def facts(self) -> Facts:
        """What the phase reports."""
        return {
            "tables": len(self.tables),
            "layers": sum(table.parts for table in self.tables),
            "rows": sum(table.rows for table in self.tables),
        }


@dataclass(frozen=True)
class TransformedTable:
    """What every kind knows of a table as it will be published."""

    name: str
    facts: TableFacts
    crs: Crs | None
    columns: tuple[Column, ...]
    file: str
    layer: str
    transformations: tuple[Transformation, ...]


@dataclass(frozen=True)
class TransformedRows(TransformedTable):
    """A table in PostGIS, under the name `table`.

    `empty_parts` counts geometries that hold empty parts beside others.
    """

    table: str
    loaded: LoadedRows
    is_repaired: bool
    empty_parts: int = field(default=0, kw_only=True)

    @property
    def plan(self) -> TablePlan[TableSource]:
        """The plan of the table."""
        return self.loaded.plan


@dataclass(frozen=True)
class TransformedJoin(TransformedRows):
    """A join in PostGIS; `pairs` counts the matches."""

    how: str
    statistics: JoinStatistics
    pairs: int


LoadedT = TypeVar("LoadedT", bound=LoadedTable)
TransformedT = TypeVar("TransformedT", bound=TransformedTable)


@dataclass(frozen=True)
class Transformed:
    """All tables, transformed."""

    loaded: Loaded
    tables: tuple[TransformedTable, ...]
    warnings: tuple[Warn, ...]

    @property
    def intake(self) -> Intake:
        """The drop."""
        return self.loaded.intake

    @property
    def facts(self) -> Facts:
        """What the phase reports."""
        return {
            "tables": len(self.tables),
            "rows": sum(table.facts.rows for table in self.tables),
            "null_geometries": sum(table.facts.geometry.nulls for table in self.tables),
            "reprojections": sum(len(table.transformations) for table in self.tables),
        }


@dataclass(frozen=True)
class Checked:
    """Tables that agree with their sources and with the contract."""

    transformed: Transformed
    checks: int
    warnings: tuple[Warn, ...]

    @property
    def intake(self) -> Intake:
        """The drop."""
        return self.transformed.intake

    @property
    def facts(self) -> Facts:
        """What the phase reports."""
        return {"checks": self.checks, "warnings": len(self.warnings)}


@dataclass(frozen=True)
class DumpedFile:
    """A file to publish, read back."""

    format: str
    path: Path
    holds: HopFacts
    size_bytes: int


@dataclass(frozen=True)
class DumpedTable:
    """A table and its files."""

    table: TransformedTable
    files: tuple[DumpedFile, ...]


@dataclass(frozen=True)
class Dumped:
    """All files to publish."""

    checked: Checked
    tables: tuple[DumpedTable, ...]
    warnings: tuple[Warn, ...]

    @property
    def intake(self) -> Intake:
        """The drop."""
        return self.checked.intake

    @property
    def facts(self) -> Facts:
        """What the phase reports."""
        files = [file for table in self.tables for file in table.files]
        return {
            "files": len(files),
            "size_bytes": sum(file.size_bytes for file in files),
            "rows": sum(table.table.facts.rows for table in self.tables),
        }


@dataclass(frozen=True)
class Published:
    """The version as the ledger holds it."""

    intake: Intake
    version: Version

    @property
    def facts(self) -> Facts:
        """What the phase reports."""
        return {
            "dataset_id": self.version.dataset_id,
            "version": self.version.version,
            "tables": len(self.version.tables),
            "rows": sum(table.rows for table in self.version.tables),
        }
