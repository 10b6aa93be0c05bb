"""What a phase hands to the next one: frozen values, each holding the one before it.

What belongs here: the values and the facts a phase reports about itself. What does not: how they
come about (one module a phase).
"""

from dataclasses import dataclass
from pathlib import Path

from libs.compute.measure import TableFacts
from libs.compute.tables import GeometryPlan, TableShape
from libs.ledger.records import Delivery, FileClaim
from libs.models.manifest import Manifest, ManifestFile
from libs.models.version import Column, InputFile, Transformation, Version, Warn
from libs.spatial_utils.crs import Crs
from libs.spatial_utils.layers import Layer

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
class Fetched:
    """All files, hashed; `unchanged` is the version that already holds this content."""

    intake: Intake
    files: tuple[FetchedFile, ...]
    content_hash: str
    unchanged: Version | None

    @property
    def inputs(self) -> tuple[InputFile, ...]:
        """The files as a version names them."""
        return tuple(
            InputFile(path=item.file.path, size_bytes=item.size_bytes, sha256=item.sha256)
            for item in self.files
        )

    @property
    def facts(self) -> Facts:
        """What the phase reports."""
        return {
            "files": len(self.files),
            "size_bytes": sum(item.size_bytes for item in self.files),
            "content_hash": self.content_hash,
        }


@dataclass(frozen=True)
class SourceLayer:
    """A layer of a fetched file, and the table it goes to."""

    path: Path
    driver: str
    layer: Layer
    file: str
    encoding: str | None
    table: str
    columns: tuple[Column, ...]
    crs: Crs | None
    is_swapped: bool


@dataclass(frozen=True)
class TablePlan:
    """A table to publish: its sources, its columns, its geometry."""

    name: str
    sources: tuple[SourceLayer, ...]
    columns: tuple[Column, ...]
    geometry: GeometryPlan | None
    crs: Crs | None

    @property
    def shape(self) -> TableShape:
        """Columns and geometry."""
        return TableShape(self.columns, self.geometry)


@dataclass(frozen=True)
class LoadedTable:
    """A table whose sources are loaded; names and rows in the order of `plan.sources`."""

    plan: TablePlan
    raw_tables: tuple[str, ...]
    loaded_rows: tuple[int, ...]


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
            "layers": sum(len(table.raw_tables) for table in self.tables),
            "rows": sum(sum(table.loaded_rows) for table in self.tables),
        }


@dataclass(frozen=True)
class TransformedTable:
    """A table as it will be published, measured in PostGIS."""

    loaded: LoadedTable
    name: str
    facts: TableFacts
    transformations: tuple[Transformation, ...]

    @property
    def plan(self) -> TablePlan:
        """The plan of the table."""
        return self.loaded.plan


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
            "null_geometries": sum(table.facts.null_geometries for table in self.tables),
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
    rows: int
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
