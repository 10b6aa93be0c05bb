"""Source and COG compared: pixels equal, everything else that the source says kept or named.

What belongs here: one comparison a fact. What does not: the contract
(`libs.pipeline.contract`).
"""

import math
from collections.abc import Callable

from libs.models.errors import FidelityError
from libs.models.version import Warn
from libs.pipeline.check import DEFECT_REMEDY
from libs.pipeline.kinds.raster_state import TransformedRaster
from libs.spatial_utils.crs import means_the_same, parse_crs
from libs.spatial_utils.rasters import Band

TOLERANCE_PIXELS = 1e-6
RECOMPUTED = ("STATISTICS_", "OVR_RESAMPLING_ALG", "LAYER_TYPE", "AREA_OR_POINT")
COMPARED_DOMAINS = ("", "IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "RPC", "GEOLOCATION", "OVERVIEWS")
OPAQUE = 255

BandFact = Callable[[Band], object]


def check_raster(table: TransformedRaster) -> tuple[int, list[Warn]]:
    """Return how many comparisons were made, and what a COG could not hold.

    Raises `FidelityError` where pixels, their place or their meaning differ.
    """
    checks, warnings = _check_crs(table)
    checks += _check_bands(table)
    if not table.is_warped:
        checks += _check_place(table) + _check_pixels(table)
    return checks, [*warnings, *_losses(table), *_said_about(table)]


def _check_bands(table: TransformedRaster) -> int:
    source, cog = table.plan.description.bands, table.description.bands
    _require(table, "bands", "bands", len(source), len(cog))
    facts: list[tuple[str, str, BandFact]] = [
        ("type", "type", lambda band: band.type_name),
        ("nodata", "nodata value", _nodata),
        ("scale", "scale and offset", lambda band: (band.scale, band.offset)),
        ("description", "name", lambda band: band.description),
        ("unit", "unit", lambda band: band.unit),
    ]
    for number, (before, after) in enumerate(zip(source, cog, strict=True), start=1):
        for code, what, fact in facts:
            _require(table, f"band_{code}", f"{what} of band {number}", fact(before), fact(after))
    return 1 + len(source) * len(facts)


def _nodata(band: Band) -> str | float | None:
    """Return nodata so that values which are the same compare as equal."""
    if band.nodata is None:
        return None
    value = float(band.nodata)
    return "nan" if math.isnan(value) else band.nodata_value


def _check_place(table: TransformedRaster) -> int:
    source, cog = table.plan.description, table.description
    _require(
        table, "size", "pixels", f"{source.width} x {source.height}", f"{cog.width} x {cog.height}"
    )
    allowed = TOLERANCE_PIXELS * max(*source.resolution)
    distances = [math.dist(*pair) for pair in zip(source.corners, cog.corners, strict=True)]
    if max(distances) > max(allowed, _rounding(source.bbox)):
        _require(table, "place", "corners", source.corners, cog.corners)
    epochs = [item.crs.epoch if item.crs else None for item in (source, cog)]
    _require(table, "epoch", "coordinate epoch", *epochs)
    return 3


def _check_crs(table: TransformedRaster) -> tuple[int, list[Warn]]:
    """Compare the CRS by what it means; one without a code may be written in other words."""
    expected = table.plan.target or table.plan.crs
    found = parse_crs(table.description.crs.wkt) if table.description.crs else None
    if found is not None and expected.equals(found):
        return 1, []
    if found is None or not means_the_same(expected, found):
        raise FidelityError(
            "fidelity.crs",
            f"Table {table.name!r}: expected the CRS {expected.short_name} in the published file, "
            f"found {found.short_name if found else 'none'}: a GeoTIFF does not hold it.",
            remedy="Set options.target_crs to a CRS with an EPSG code; pixels are resampled then.",
            file=table.file,
        )
    rewritten = Warn(
        code="raster.crs_rewritten",
        message=f"Table {table.name!r}: the CRS {expected.short_name} is written in other words, "
        "with the same projection, parameters and ellipsoid.",
        file=table.file,
    )
    return 1, [rewritten]


def _rounding(bbox: tuple[float, ...]) -> float:
    """Return what doubles of this size may differ by after half a pixel was added and taken."""
    return 8 * max(math.ulp(value) for value in bbox)


def _check_pixels(table: TransformedRaster) -> int:
    source, cog = table.plan.description, table.description
    for number, (before, after) in enumerate(zip(source.bands, cog.bands, strict=True), start=1):
        _require(
            table, "pixels", f"sha256 of the pixels of band {number}",
            before.pixels and before.pixels.sha256, after.pixels and after.pixels.sha256,
        )  # fmt: skip
        _require(table, "mask", f"mask of band {number}", before.mask, after.mask)
    _require(table, "mask", "sha256 of the mask", source.mask_sha256, cog.mask_sha256)
    return 2 * len(source.bands) + 1


def _require(
    table: TransformedRaster, code: str, what: str, expected: object, found: object
) -> None:
    if expected != found:
        raise FidelityError(
            f"fidelity.{code}",
            f"Table {table.name!r}: expected {what} {expected}, found {found}.",
            remedy=DEFECT_REMEDY,
            file=table.file,
        )


def _losses(table: TransformedRaster) -> list[Warn]:
    """Return what the source says and a COG does not."""
    source, cog = table.plan.description, table.description
    warnings = []
    if source.gcps and not cog.gcps:
        warnings.append(
            ("gcps_dropped", f"{source.gcps} ground control points; its geotransform was kept")
        )
    if source.has_rpc and not cog.has_rpc:
        warnings.append(("rpc_dropped", "its rational polynomial coefficients"))
    if source.crs and parse_crs(source.crs.wkt).proj.is_bound:
        warnings.append(("datum_shift_dropped", "the way to WGS 84 (TOWGS84) that its CRS names"))
    lost = _lost_items(source.metadata, cog.metadata)
    if lost:
        warnings.append(("metadata_dropped", f"its metadata {', '.join(lost)}"))
    domains = sorted(set(source.domains) - set(cog.domains) - set(COMPARED_DOMAINS))
    if domains:
        warnings.append(("metadata_dropped", f"its metadata domains {', '.join(domains)}"))
    for number, (before, after) in enumerate(zip(source.bands, cog.bands, strict=True), start=1):
        warnings += _band_losses(number, before, after)
    return [
        Warn(
            code=f"raster.{code}",
            message=f"Table {table.name!r}: the COG does not hold {what}.",
            file=table.file,
        )
        for code, what in warnings
    ]


def _band_losses(number: int, before: Band, after: Band) -> list[tuple[str, str]]:
    lost = _lost_items(before.metadata, after.metadata)
    shown = {entry[:3] for entry in before.color_table}
    opacities = {entry[3] for entry in before.color_table}
    said = [
        (
            before.color_table and not _same_colors(before, after),
            "color_table_dropped",
            f"the colour table ({len(shown)} colours)",
        ),
        (
            before.color_table and opacities != {OPAQUE} and not _same_opacities(before, after),
            "color_table_opaque",
            "the opacities of the colour table",
        ),
        (
            before.color_interpretation not in {"Undefined", after.color_interpretation},
            "color_interpretation",
            f"the colour interpretation {before.color_interpretation} (it is "
            f"{after.color_interpretation})",
        ),
        (before.categories, "categories_dropped", f"{before.categories} category names"),
        (
            before.attribute_columns,
            "attribute_table_dropped",
            f"the attribute table ({', '.join(before.attribute_columns)})",
        ),
        (lost, "metadata_dropped", f"the metadata {', '.join(lost)}"),
    ]
    return [(code, f"{what} of band {number}") for is_lost, code, what in said if is_lost]


def _same_colors(before: Band, after: Band) -> bool:
    """Whether every colour of the source is the COG's; it fills the rest of its table up."""
    pairs = zip(before.color_table, after.color_table, strict=False)
    return len(before.color_table) <= len(after.color_table) and all(
        ours[:3] == theirs[:3] for ours, theirs in pairs
    )


def _same_opacities(before: Band, after: Band) -> bool:
    pairs = zip(before.color_table, after.color_table, strict=False)
    return all(ours[3] == theirs[3] for ours, theirs in pairs)


def _lost_items(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return sorted(
        name
        for name, value in before.items()
        if after.get(name) != value and not name.startswith(RECOMPUTED)
    )


def _said_about(table: TransformedRaster) -> list[Warn]:
    source, warnings = table.plan.description, []
    if table.is_masked_by_us:
        warnings.append(
            ("mask_added", "pixels outside the source have no nodata to carry: a mask marks them")
        )
    masks = [source.bands[0].mask, table.description.bands[0].mask]
    if table.is_warped and not table.is_masked_by_us and masks[0] != masks[1]:
        warnings.append(
            ("mask_changed", f"missing pixels were marked by {masks[0]}, and are by {masks[1]}")
        )
    if table.footprint.is_box:
        warnings.append(
            ("footprint_box", "the footprint is a box around the raster: its outline has no "
             "simple shape in EPSG:4326")
        )  # fmt: skip
    if source.metadata.get("AREA_OR_POINT") != table.description.metadata.get("AREA_OR_POINT") and (
        "AREA_OR_POINT" in source.metadata
    ):
        warnings.append(("area_or_point", "whether values stand for areas or points was changed"))
    return [
        Warn(code=f"raster.{code}", message=f"Table {table.name!r}: {what}.", file=table.file)
        for code, what in warnings
    ]
