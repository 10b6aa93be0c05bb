"""The one door to a CRS: parsed, named, compared and written here, axis order included.

Coordinates are in x, y order (lon, lat for geographic CRSs) everywhere in this project.

What belongs here: what a CRS is. What does not: the way from one to another
(`libs.spatial_utils.operations`), giving it a number in PostGIS (`libs.compute.srid`).
"""

import warnings
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError as ProjCrsError
from pyproj.exceptions import ProjError

from libs.models.errors import CrsError

MAX_SHOWN = 200
SAME_PLACE_M = 0.001
WKT_VERSION = "WKT2_2019"
_WEB_MERCATOR = {
    ("EPSG", "900913"), ("EPSG", "3785"), ("ESRI", "102100"), ("ESRI", "102113"),
}  # fmt: skip
"""What EPSG:3857 was called before it had that code; the coordinates are the same."""


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
        return _id(self.proj) or _equal_in_registry(self)

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

    @property
    def is_in_degrees(self) -> bool:
        """Whether coordinates are longitudes and latitudes in degrees."""
        axes = self.proj.axis_info[:2]
        return self.proj.is_geographic and all(axis.unit_name == "degree" for axis in axes)

    @property
    def is_undefined(self) -> bool:
        """Whether it only says that nobody knows it (srs_id 0 and -1 of GeoPackage)."""
        return self.proj.name.startswith("Undefined ")

    @cached_property
    def horizontal(self) -> "Crs":
        """The CRS of x and y alone, without heights and without a way to WGS 84 (TOWGS84)."""
        proj = self.proj
        while proj.is_bound or proj.is_compound:
            proj = proj.source_crs or proj.sub_crs_list[0]
        return Crs(proj.to_2d().to_wkt(WKT_VERSION))

    @property
    def datum_name(self) -> str | None:
        """Name of the datum; None where it has none or nobody knows it."""
        datum = self.proj.datum
        return None if datum is None or datum.name.lower().startswith("unknown") else datum.name

    @property
    def height_name(self) -> str | None:
        """What its heights are, with their unit; None for a CRS of two axes."""
        axes = [axis for axis in self.proj.axis_info if axis.direction in {"up", "down"}]
        if not axes:
            return None
        parts = self.proj.sub_crs_list
        name = parts[-1].name if len(parts) > 1 else "height above the ellipsoid"
        return f"{name} ({axes[0].unit_name})"

    def equals(self, other: "Crs") -> bool:
        """Whether both mean the same coordinates in x, y order."""
        if self.authority and self.authority == other.authority:
            return True
        return self.proj.equals(other.proj, ignore_axis_order=True)

    def agrees_with(self, other: "Crs") -> bool:
        """Whether x and y mean the same in both, whatever is said of heights and datum shifts."""
        one, two = self.horizontal, other.horizontal
        if one.equals(two):
            return True
        return one.datum_name == two.datum_name and means_the_same(one, two)


@lru_cache(maxsize=64)
def _equal_in_registry(crs: Crs) -> tuple[str, str] | None:
    """Look a definition up in PROJ's registry, which takes a tenth of a second where it is none."""
    found = crs.proj.to_authority(min_confidence=100)
    return (found[0], found[1]) if found else None


def parse_crs(text: str, *, file: str | None = None, layer: str | None = None) -> Crs:
    """Return the CRS that `text` defines (authority:code, WKT, PROJJSON or a PROJ string).

    A code that the definition carries but does not keep is dropped. Raises `CrsError` naming the
    file, the layer and the text.
    """
    try:
        parsed = _without_false_code(CRS.from_user_input(text))
        if _id(parsed) in _WEB_MERCATOR:
            parsed = CRS.from_epsg(3857)
        wkt = parsed.to_wkt(WKT_VERSION)
    except ProjCrsError as err:
        raise unreadable_crs(text, file=file, layer=layer) from err
    if not wkt:
        raise CrsError(
            "crs.unreadable",
            f"expected a CRS that WKT2 can hold, found {text!r}.",
            remedy="Name the CRS by its EPSG code in files[].crs.",
            file=file,
            layer=layer,
        )
    return Crs(wkt)


def unreadable_crs(text: str, *, file: str | None = None, layer: str | None = None) -> CrsError:
    """Return the refusal of a text that defines no CRS."""
    shown = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
    return CrsError(
        "crs.unreadable",
        f"expected a CRS such as EPSG:25832 or WKT, found {shown!r}.",
        remedy="Name the CRS by its EPSG code, in files[].crs where the file's own is broken; a "
        "GeoJSON's link to one must be removed.",
        file=file,
        layer=layer,
    )


def _id(proj: CRS) -> tuple[str, str] | None:
    own = proj.to_json_dict().get("id")
    return (str(own["authority"]), str(own["code"])) if own else None


def _without_false_code(proj: CRS) -> CRS:
    """Return the CRS without a code whose registered definition gives other coordinates."""
    own = _id(proj)
    if own is None:
        return proj
    try:
        registered = CRS.from_user_input(":".join(own))
    except ProjCrsError:
        return proj
    if proj.equals(registered, ignore_axis_order=True) or _is_same_place(proj, registered):
        return proj
    document = proj.to_json_dict()
    del document["id"]
    return CRS.from_json_dict(document)


def _is_same_place(one: CRS, other: CRS) -> bool:
    """Whether x and y of two CRSs differ by less than a millimetre where the second is used.

    Datums are not compared: definitions of one datum differ by name too often.
    """
    crss = [Crs(crs.to_wkt(WKT_VERSION)).horizontal for crs in (one, other)]
    area = other.area_of_use
    is_projected = all(crs.proj.is_projected for crs in crss)
    if not is_projected or area is None or crss[0].proj.ellipsoid != crss[1].proj.ellipsoid:
        return means_the_same(*crss)
    corners = [(area.west, area.south), (area.east, area.north)]
    try:
        found = [[_projected(crs.proj, corner) for corner in corners] for crs in crss]
    except ProjError:
        return False
    unit_m = crss[1].proj.axis_info[0].unit_conversion_factor
    return bool((abs(np.subtract(found[0], found[1])) * unit_m < SAME_PLACE_M).all())


def _projected(crs: CRS, place: tuple[float, float]) -> tuple[float, float]:
    x, y = Transformer.from_crs(crs.geodetic_crs, crs, always_xy=True).transform(*place)
    return float(x), float(y)


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
    return Crs(source.to_wkt(WKT_VERSION)) if source else crs
