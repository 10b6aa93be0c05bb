"""A number in PostGIS for any CRS.

A CRS that `spatial_ref_sys` knows by its authority keeps its number. Any other gets a row of its
own, its number derived from its definition, so that two runs agree without talking to each other.

What belongs here: rows of `spatial_ref_sys`. What does not: parsing a CRS
(`libs.spatial_utils.crs`).
"""

import hashlib
from typing import Any

from psycopg2 import sql
from pyproj import CRS

from libs.compute.postgis import PostGIS
from libs.models.errors import CrsError
from libs.spatial_utils.crs import WKT_VERSION, Crs

FIRST_OWN_SRID, LAST_OWN_SRID = 910_000, 998_999
MAX_SRTEXT = 2048
_PROSE = {"scope", "area", "remarks"}
_FIND = sql.SQL("SELECT srid FROM spatial_ref_sys WHERE auth_name = {} AND auth_srid = {}")
_INSERT = sql.SQL(
    "INSERT INTO spatial_ref_sys (srid, auth_name, auth_srid, srtext) VALUES ({}, {}, {}, {}) "
    "ON CONFLICT (srid) DO NOTHING"
)


def ensure_srid(postgis: PostGIS, crs: Crs) -> int:
    """Return the number of `crs`, registering it where PostGIS does not know it.

    Raises `CrsError` where its definition is longer than a row can hold.
    """
    authority, code = crs.authority or (None, None)
    auth_srid = int(code) if code and code.isdigit() else None
    if authority and auth_srid:
        found = postgis.run(_FIND.format(sql.Literal(authority), sql.Literal(auth_srid)))
        if found:
            return int(found[0][0])
    wkt = _storable_wkt(crs)
    span = LAST_OWN_SRID - FIRST_OWN_SRID + 1
    start = int(hashlib.sha256(wkt.encode()).hexdigest()[:12], 16) % span
    for step in range(span):
        srid = FIRST_OWN_SRID + (start + step) % span
        values = (srid, authority if auth_srid else None, auth_srid, wkt)
        postgis.run(_INSERT.format(*map(sql.Literal, values)))
        ((there,),) = postgis.run(
            sql.SQL("SELECT srtext FROM spatial_ref_sys WHERE srid = {}").format(sql.Literal(srid))
        )
        if there == wkt:
            return srid
    raise CrsError(
        "crs.no_free_number",
        f"expected a free number between {FIRST_OWN_SRID} and {LAST_OWN_SRID}, found none.",
        remedy="Delete unused rows of spatial_ref_sys in the compute database.",
    )


def _storable_wkt(crs: Crs) -> str:
    """Return a definition that fits a row and is read back as the same CRS.

    Prose about its use is left out, but not the box it is used in, by which PROJ chooses
    operations. WKT2's simplified form is no way to save room: PROJ 9.1 reads the false easting of
    a CRS in feet wrongly from it.
    """
    lean = CRS.from_json_dict(_without_prose(crs.projjson))
    for version in (WKT_VERSION, "WKT1_GDAL"):
        wkt = lean.to_wkt(version)
        if wkt and len(wkt) <= MAX_SRTEXT and CRS.from_wkt(wkt).equals(lean):
            return wkt
    raise CrsError(
        "crs.too_long",
        f"expected a CRS definition of at most {MAX_SRTEXT} characters, found a longer one "
        f"({crs.short_name}).",
        remedy="Declare the CRS by its EPSG code in files[].crs.",
    )


def _without_prose(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_prose(item) for key, item in value.items() if key not in _PROSE}
    return [_without_prose(item) for item in value] if isinstance(value, list) else value
