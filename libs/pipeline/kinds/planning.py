"""From layers to tables: names, columns and CRSs decided before anything is loaded.

What belongs here: every decision about what a table will be. What does not: carrying it out
(`libs.pipeline.kinds.vector`), what holds for tabular sources as well (`merging`), the geometry
column (`geometry_planning`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from libs.models.errors import SourceError
from libs.models.manifest import Manifest
from libs.models.version import Column, Warn
from libs.pipeline.kinds.geometry_planning import plan_geometry
from libs.pipeline.kinds.merging import (
    default_table,
    merge_columns,
    require_distinct_keys,
    table_crs,
)
from libs.pipeline.kinds.source_crs import source_crs
from libs.pipeline.kinds.sources import FoundLayer
from libs.pipeline.state import TablePlan
from libs.spatial_utils.column_types import from_ogr
from libs.spatial_utils.crs import Crs, parse_crs
from libs.spatial_utils.layers import Field, Layer


@dataclass(frozen=True)
class SourceLayer:
    """A layer of a fetched file, and the table it goes to."""

    spool: Path
    layer: Layer
    file: str
    table: str
    columns: tuple[Column, ...]
    crs: Crs | None
    is_swapped: bool

    @property
    def layer_name(self) -> str:
        """Name of the layer."""
        return self.layer.name

    @property
    def rows(self) -> int:
        """Features read."""
        return self.layer.rows

    @property
    def has_geometry(self) -> bool:
        """Whether the layer has a geometry column."""
        return self.layer.has_geometry


def plan_tables(
    manifest: Manifest, dataset_id: str, layers: Sequence[FoundLayer]
) -> tuple[list[TablePlan[SourceLayer]], list[Warn]]:
    """Return the tables that a drop's layers become, and what was decided that a user should know.

    Raises `CrsError` where a CRS is missing or contradicts the manifest, `SourceError` where
    columns of one table disagree or a type is not supported.
    """
    warnings: list[Warn] = []
    keeps_source = manifest.options.target_crs == "source"
    sources = [_source(dataset_id, layer, warnings, keeps_source=keeps_source) for layer in layers]
    names = list(dict.fromkeys(source.table for source in sources))
    require_distinct_keys(names)
    target = None if keeps_source else parse_crs(manifest.options.target_crs)
    plans = []
    for name in names:
        members = tuple(source for source in sources if source.table == name)
        geometry = plan_geometry(name, members, warnings)
        warnings += _zone_warnings(name, members)
        plans.append(
            TablePlan(
                name=name,
                sources=members,
                columns=merge_columns(name, members, manifest.options.union_columns),
                geometry=geometry,
                crs=table_crs(name, members, target) if geometry else None,
            )
        )
    return plans, warnings


def _source(
    dataset_id: str, found: FoundLayer, warnings: list[Warn], *, keeps_source: bool
) -> SourceLayer:
    layer, file = found.layer, found.candidate.file
    label = found.candidate.label
    if len(layer.geometry_fields) > 1:
        raise SourceError(
            "source.several_geometry_columns",
            f"expected one geometry column, found "
            f"{', '.join(field.name for field in layer.geometry_fields)}.",
            remedy="Split the layer into one per geometry column.",
            file=label,
            layer=layer.name,
        )
    crs = source_crs(found, keeps_source=keeps_source)
    warnings += crs.warnings
    default, renamed = default_table(dataset_id, found.name, is_only=found.is_only, file=label)
    if not file.table:
        warnings += renamed
    return SourceLayer(
        spool=found.spool,
        layer=layer,
        file=label,
        table=file.table or default,
        columns=_columns(found),
        crs=crs.crs,
        is_swapped=crs.is_swapped,
    )


def _columns(found: FoundLayer) -> tuple[Column, ...]:
    columns = []
    for field in found.layer.fields:
        name = _type_of(field)
        if name is None:
            raise SourceError(
                "source.unsupported_type",
                f"expected a column type that PostGIS can hold, found {field.type} "
                f"({field.subtype}) in column {field.name!r}.",
                remedy="Convert the column to text and drop the file again.",
                file=found.candidate.label,
                layer=found.layer.name,
            )
        columns.append(Column(name=field.name, type=name))
    return tuple(columns)


def _type_of(field: Field) -> str | None:
    """Return our name of a field's type: its values tell whether its times have a zone."""
    if field.known_type:
        return field.known_type
    if field.zones and not field.zones.zoned:
        return "timestamp"
    return from_ogr(field.type, field.subtype)


def _zone_warnings(name: str, members: Sequence[SourceLayer]) -> list[Warn]:
    mixed = [
        (member, field)
        for member in members
        for field in member.layer.fields
        if field.zones and field.zones.zoned and field.zones.naive
    ]
    return [
        Warn(
            code="column.zone_assumed",
            message=f"Table {name!r}: {field.zones.naive} times in {field.name!r} have no time "
            f"zone and were taken as UTC, because {field.zones.zoned} others have one.",
            file=member.file,
            layer=member.layer.name,
        )
        for member, field in mixed
        if field.zones
    ]
