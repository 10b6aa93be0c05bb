"""The one door to a CRS: parsed, named, compared and written here, axis order included.

Coordinates are in x, y order (lon, lat for geographic CRSs) everywhere in this project.

What belongs here: pyproj. What does not: giving a CRS a number in PostGIS (`libs.compute.srid`).
"""

import math
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pyproj import CRS
from pyproj.exceptions import CRSError as ProjCrsError
from pyproj.transformer import AreaOfInterest, TransformerGroup

from libs.models.errors import CrsError
from libs.models.fidelity import Bbox
from libs.models.version import Transformation

MAX_SHOWN = 200


@dataclass(frozen=True)
class Crs:
    """A coordinate reference system."""

    wkt: str

    @cached_property
    def proj(self) -> CRS:
        """The parsed CRS."""
        return CRS.from_wkt(self.wkt)

    @cached_property
    def authority(self) -> tuple[str, str] | None:
        """(authority, code) where the definition carries one or equals a registered one."""
        own = self.proj.to_json_dict().get("id")
        if own:
            return str(own["authority"]), str(own["code"])
        found = self.proj.to_authority(min_confidence=100)
        return (found[0], found[1]) if found else None

    @property
    def name(self) -> str:
        """`EPSG:25832` where it has a code, else its WKT2."""
        return ":".join(self.authority) if self.authority else self.wkt

    @property
    def short_name(self) -> str:
        """A name fit for a message."""
        return ":".join(self.authority) if self.authority else f"'{self.proj.name}'"

    @property
    def projjson(self) -> dict[str, Any]:
        """The definition as PROJJSON, as GeoParquet wants it."""
        return self.proj.to_json_dict()

    def equals(self, other: "Crs") -> bool:
        """Whether both mean the same coordinates in x, y order."""
        if self.authority and self.authority == other.authority:
            return True
        return self.proj.equals(other.proj, ignore_axis_order=True)


def parse_crs(text: str, *, file: str | None = None, layer: str | None = None) -> Crs:
    """Return the CRS that `text` defines (authority:code, WKT, PROJJSON or a PROJ string).

    Raises `CrsError` naming the file, the layer and the text.
    """
    try:
        parsed = CRS.from_user_input(text)
        wkt = parsed.to_wkt("WKT2_2019")
    except ProjCrsError as err:
        shown = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
        raise CrsError(
            "crs.unreadable",
            f"expected a CRS such as EPSG:25832 or WKT, found {shown!r}.",
            remedy="Name the CRS by its EPSG code, in files[].crs where the file's own is broken.",
            file=file,
            layer=layer,
        ) from err
    if not wkt:
        raise CrsError(
            "crs.unreadable",
            f"expected a CRS that WKT2 can hold, found {text!r}.",
            remedy="Name the CRS by its EPSG code in files[].crs.",
            file=file,
            layer=layer,
        )
    return Crs(wkt)


def means_the_same(one: Crs, other: Crs) -> bool:
    """Whether two CRSs agree in projection, parameters, ellipsoid and unit, whatever their names.

    Coarser than `Crs.equals`: for a format that writes a CRS in its own words.
    """
    parameters = []
    for crs in (one, other):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="You will likely lose important projection")
            found = crs.proj.to_dict()
        parameters.append({name: found[name] for name in found if name != "towgs84"})
    return bool(parameters[0]) and parameters[0] == parameters[1]


def without_datum_shift(crs: Crs) -> Crs:
    """Return a CRS without the way to WGS 84 that a file tied to it (TOWGS84)."""
    source = crs.proj.source_crs if crs.proj.is_bound else None
    return Crs(source.to_wkt("WKT2_2019")) if source else crs


def describe_transformation(source: Crs, target: Crs, bbox: Bbox | None) -> Transformation:
    """Return which operation PROJ prefers between two CRSs, and its accuracy in metres."""
    area = None
    if bbox and source.proj.is_geographic and all(map(math.isfinite, bbox)):
        area = AreaOfInterest(*bbox)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Best transformation is not available")
        group = TransformerGroup(source.proj, target.proj, always_xy=True, area_of_interest=area)
    if not group.transformers:
        raise CrsError(
            "crs.no_transformation",
            f"expected a way from {source.short_name} to {target.short_name}, found none.",
            remedy="Set options.target_crs to a CRS of the same body, or to 'source'.",
        )
    best = group.transformers[0]
    accuracy = best.accuracy if best.accuracy is not None and best.accuracy >= 0 else None
    return Transformation(
        source_crs=source.short_name,
        target_crs=target.short_name,
        name=best.description,
        accuracy_m=accuracy,
        is_ballpark="ballpark" in best.description.lower(),
        missing_grids=() if group.best_available else _missing_grids(group),
    )


def _missing_grids(group: TransformerGroup) -> tuple[str, ...]:
    best = group.unavailable_operations[0]
    return tuple(grid.short_name for grid in best.grids if not grid.available)
