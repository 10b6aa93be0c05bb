"""Which CRS a layer's coordinates are in: what the file says, what the manifest declares.

A CRS that the file names and one that the manifest declares must agree in x and y. Where the file
names none, or none that can be read, the declared one stands in.

What belongs here: that decision. What does not: reading definitions (`libs.spatial_utils.crs`), and
the texts that GDAL keeps silent about (`libs.spatial_utils.crs_text`).
"""

from dataclasses import dataclass

from libs.models.errors import CrsError
from libs.models.version import Warn
from libs.pipeline.kinds.sources import FoundLayer
from libs.spatial_utils.crs import Crs, parse_crs, unreadable_crs

WGS84_BY_DEFAULT = {"GeoJSON", "GeoJSONSeq", "TopoJSON"}
"""Drivers that give WGS 84 to a file which names no CRS."""
MAX_LONGITUDE, MAX_LATITUDE = 180, 90


@dataclass(frozen=True)
class SourceCrs:
    """The CRS of a layer; `crs` is None for a layer without geometry."""

    crs: Crs | None
    is_swapped: bool = False
    warnings: tuple[Warn, ...] = ()


@dataclass(frozen=True)
class _Named:
    """A CRS that a file names, itself or by default; `crs` is None where it names none."""

    crs: Crs | None
    is_default: bool = False
    is_null: bool = False
    unreadable: str = ""
    is_read_from_text: bool = False


def source_crs(found: FoundLayer, *, keeps_source: bool) -> SourceCrs:
    """Return the CRS of a layer; `keeps_source` where target_crs is "source".

    Raises `CrsError` where it is missing, cannot be read, is not one, or contradicts the manifest.
    """
    if not found.layer.has_geometry:
        return SourceCrs(None)
    label, layer = found.candidate.label, found.layer.name
    field = found.layer.geometry_fields[0]
    if field.feature_crs:
        raise _mixed(found)
    declared_text = found.candidate.file.crs
    declared = parse_crs(declared_text, file=label, layer=layer) if declared_text else None
    named = _named(found)
    if declared:
        crs, said = _declared(found, named, declared)
    else:
        crs, said = _own(found, named, keeps_source=keeps_source)
    if field.crs and field.crs.epoch:
        said.append(
            _warn(
                found,
                "crs.epoch_dropped",
                f"its coordinates are of the epoch {field.crs.epoch:g}, which is not published",
            )
        )
    is_swapped = field.crs.is_swapped if field.crs else False
    return SourceCrs(crs, is_swapped, tuple(said))


def _named(found: FoundLayer) -> _Named:
    own, said = found.layer.geometry_fields[0].crs, found.crs_text
    label, layer = found.candidate.label, found.layer.name
    crs = parse_crs(own.wkt, file=label, layer=layer) if own else None
    if crs is None and found.driver == "TopoJSON" and _is_within_degrees(found):
        return _Named(parse_crs("EPSG:4326"), is_default=True)
    is_by_default = crs is not None and found.driver in WGS84_BY_DEFAULT
    if is_by_default and not said.text:
        return _Named(crs, is_default=True, is_null=said.is_null)
    if is_by_default or crs is None:
        return _from_text(said.text, crs)
    return _Named(crs)


def _is_within_degrees(found: FoundLayer) -> bool:
    """Return whether coordinates may be degrees: some TopoJSON is drawn for the screen."""
    geometry = found.layer.facts.geometry
    if geometry is None or geometry.bbox is None:
        return True
    xmin, ymin, xmax, ymax = geometry.bbox
    return max(-xmin, xmax) <= MAX_LONGITUDE and max(-ymin, ymax) <= MAX_LATITUDE


def _from_text(text: str, read_by_gdal: Crs | None) -> _Named:
    if not text:
        return _Named(None)
    try:
        crs = parse_crs(text)
    except CrsError:
        return _Named(None, unreadable=text)
    if read_by_gdal and crs.agrees_with(read_by_gdal):
        return _Named(read_by_gdal)
    return _Named(crs, is_read_from_text=True)


def _declared(found: FoundLayer, named: _Named, declared: Crs) -> tuple[Crs, list[Warn]]:
    """Return the CRS to take where the manifest declares one."""
    if named.unreadable:
        what = f"it names a CRS that cannot be read ({named.unreadable[:100]!r})"
        return declared, [_stands_in(found, declared, what)]
    if named.crs is None:
        return declared, []
    if declared.agrees_with(named.crs):
        return (named.crs if named.crs.height_name else declared), []
    if named.is_default:
        return declared, [_stands_in(found, declared, "it names no CRS, which means WGS 84")]
    if named.crs.is_undefined or named.crs.proj.is_engineering:
        what = f"it names only the local CRS {named.crs.short_name}"
        return declared, [_stands_in(found, declared, what)]
    raise CrsError(
        "crs.contradiction",
        f"expected {declared.short_name} as the manifest declares, found {named.crs.short_name} "
        "in the file.",
        remedy="Correct files[].crs, or leave it out where the file is right.",
        file=found.candidate.label,
        layer=found.layer.name,
    )


def _own(found: FoundLayer, named: _Named, *, keeps_source: bool) -> tuple[Crs, list[Warn]]:
    """Return the CRS to take where the manifest declares none."""
    label, layer = found.candidate.label, found.layer.name
    if named.unreadable:
        raise unreadable_crs(named.unreadable, file=label, layer=layer)
    if named.crs is None or (named.crs.is_undefined and not keeps_source):
        what = f"only {named.crs.short_name}" if named.crs else "none"
        raise CrsError(
            "crs.missing",
            f"expected a CRS in the file or in the manifest, found {what}.",
            remedy='Declare it in the manifest: files[].crs, e.g. "EPSG:25832".',
            file=label,
            layer=layer,
        )
    said = []
    if named.is_read_from_text:
        what = f"GDAL does not read its CRS, which was taken for {named.crs.short_name}"
        said.append(_warn(found, "crs.read_from_text", what))
    if named.is_null:
        said.append(_warn(found, "crs.assumed", "its crs is null, which was taken for WGS 84"))
    return named.crs, said


def _mixed(found: FoundLayer) -> CrsError:
    names = ", ".join(found.layer.geometry_fields[0].feature_crs)
    return CrsError(
        "crs.mixed",
        f"expected one CRS for all features of a layer, found {names}.",
        remedy="Split the layer into one file per CRS; they may go to one table.",
        file=found.candidate.label,
        layer=found.layer.name,
    )


def _stands_in(found: FoundLayer, declared: Crs, what: str) -> Warn:
    return _warn(found, "crs.declared_used", f"{what}; {declared.short_name} was used, as declared")


def _warn(found: FoundLayer, code: str, message: str) -> Warn:
    label, layer = found.candidate.label, found.layer.name
    return Warn(code=code, message=f"Layer {layer!r}: {message}.", file=label, layer=layer)
