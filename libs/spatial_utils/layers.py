"""What GDAL says about a source: the document of `describe_source.py`, typed.

What belongs here: facts about a source's layers. What does not: decisions about them
(`libs.pipeline`).
"""

from pydantic import BaseModel, ConfigDict

from libs.models.errors import Reason
from libs.models.fidelity import HopFacts
from libs.models.version import Warn
from libs.spatial_utils.crs_text import NO_CRS_TEXT, CrsText


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GeometryTypeFact(_Fact):
    """A geometry type: flat name such as MultiPolygon, and its dimensions."""

    name: str
    has_z: bool
    has_m: bool
    is_curve: bool


class GeometryTypeRows(GeometryTypeFact):
    """A geometry type and how many features have it."""

    rows: int


class LayerCrs(_Fact):
    """The CRS a layer carries; `is_swapped` where x and y stand in lat, lon order.

    `epoch` is the year that coordinates of a dynamic CRS are of, None where none is given.
    """

    wkt: str
    is_swapped: bool
    epoch: float | None = None


class GeometryField(_Fact):
    """A geometry column; `name` is empty where the format has no name for it.

    `feature_crs` names the CRSs of its features where they differ.
    """

    name: str
    crs: LayerCrs | None
    feature_crs: tuple[str, ...] = ()


class Zones(_Fact):
    """How many values of a DateTime attribute come without a time zone, and with one."""

    naive: int
    zoned: int


class Field(_Fact):
    """An attribute as OGR types it; `zones` of a DateTime.

    `known_type` is our type, of a format that is not read by OGR.
    """

    name: str
    type: str
    subtype: str
    zones: Zones | None = None
    known_type: str | None = None


class Layer(_Fact):
    """A layer and what reading all of it found.

    `measured_s` is the time its facts took, `crs_text` what a GeoJSON file says of its CRS.
    """

    name: str
    declared_type: GeometryTypeFact
    geometry_fields: tuple[GeometryField, ...]
    geometry_types: tuple[GeometryTypeRows, ...]
    fields: tuple[Field, ...]
    facts: HopFacts
    measured_s: float = 0.0
    crs_text: CrsText = NO_CRS_TEXT

    @property
    def has_geometry(self) -> bool:
        """Whether the layer has a geometry column."""
        return bool(self.geometry_fields)

    @property
    def rows(self) -> int:
        """Features read."""
        return self.facts.rows


class Problem(_Fact):
    """A warning or an error GDAL gave."""

    is_error: bool
    number: int
    message: str


class SourceDescription(_Fact):
    """A source; `driver` is None where it could not be opened, `reason` says why it is refused.

    `other_layers` are the names of those that were not asked for, and not read.
    """

    driver: str | None
    layers: tuple[Layer, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Warn, ...] = ()
    reason: Reason | None = None
    other_layers: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all its layers."""
        return (*(layer.name for layer in self.layers), *self.other_layers)

    @property
    def measured_s(self) -> float:
        """The time that the facts of all layers took."""
        return sum(layer.measured_s for layer in self.layers)


class TableAnswer(_Fact):
    """What `describe_table.py` prints: a description, or why there is none."""

    found: SourceDescription | None = None
    reason: Reason | None = None

    @property
    def description(self) -> SourceDescription:
        """The description, where there is no reason against it."""
        return self.found or SourceDescription(driver=None, layers=(), problems=())
