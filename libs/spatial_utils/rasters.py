"""What GDAL says about a raster: the document of `describe_raster.py`, typed.

What belongs here: facts about a raster and what follows from them alone. What does not: decisions
about them (`libs.pipeline.kinds`).
"""

import math

from pydantic import BaseModel, ConfigDict

from libs.models.fidelity import Bbox
from libs.spatial_utils.layers import Problem

MASK_ALL_VALID, MASK_PER_DATASET, MASK_ALPHA, MASK_NODATA = 1, 2, 4, 8
EXACT_INTEGERS = 2**53

Geotransform = tuple[float, float, float, float, float, float]


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BandPixels(_Fact):
    """What all pixels of a band amount to; `distinct` is 257 for more, None for other types."""

    sha256: str
    min: float | None
    max: float | None
    distinct: int | None


class Band(_Fact):
    """A band; `pixels` is None where only the header was read."""

    type: str
    is_signed_byte: bool
    size_bytes: int
    bits: int
    nodata: str | None
    color_interpretation: str
    color_table: tuple[tuple[int, int, int, int], ...]
    description: str
    scale: float
    offset: float
    unit: str
    mask_flags: int
    overviews: tuple[tuple[int, int], ...]
    block: tuple[int, int]
    metadata: dict[str, str]
    categories: int
    attribute_columns: tuple[str, ...]
    pixels: BandPixels | None = None

    @property
    def type_name(self) -> str:
        """GDAL's name of the type, with the one it lacks."""
        return "Int8" if self.is_signed_byte else self.type

    @property
    def is_float(self) -> bool:
        """Whether its values are real numbers."""
        return self.type.startswith("Float")

    @property
    def is_complex(self) -> bool:
        """Whether its values are complex numbers."""
        return self.type.startswith("C")

    @property
    def is_alpha(self) -> bool:
        """Whether it holds opacity, not data."""
        return self.color_interpretation == "Alpha"

    @property
    def is_thematic(self) -> bool:
        """Whether the file says that its values are classes."""
        said = self.metadata.get("LAYER_TYPE") == "thematic"
        return bool(self.color_table or self.categories or said)

    @property
    def mask(self) -> str:
        """What makes pixels invalid: nodata, alpha, per_dataset, all_valid or per_band."""
        kinds = (
            (MASK_ALL_VALID, "all_valid"),
            (MASK_ALPHA, "alpha"),
            (MASK_NODATA, "nodata"),
            (MASK_PER_DATASET, "per_dataset"),
        )
        return next((name for flag, name in kinds if self.mask_flags & flag), "per_band")

    @property
    def nodata_value(self) -> float | str | None:
        """Nodata as a JSON number, as text where none holds it."""
        if self.nodata is None:
            return None
        value = float(self.nodata)
        is_exact = "." in self.nodata or abs(value) <= EXACT_INTEGERS
        return value if math.isfinite(value) and is_exact else self.nodata


class RasterCrs(_Fact):
    """A CRS, and the epoch of its coordinates where it has one."""

    wkt: str
    epoch: float | None


class RasterDescription(_Fact):
    """A raster; `files` are all that GDAL would read, `mask_sha256` of a mask that is no band."""

    driver: str
    width: int
    height: int
    geotransform: Geotransform | None
    crs: RasterCrs | None
    crs_beside: RasterCrs | None
    gcps: int
    has_rpc: bool
    has_geolocation: bool
    metadata: dict[str, str]
    structure: dict[str, str]
    domains: tuple[str, ...]
    subdatasets: int
    files: tuple[str, ...]
    open_options: tuple[str, ...]
    mask_sha256: str | None
    bands: tuple[Band, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def pixel_bytes(self) -> int:
        """Size of all pixels in memory."""
        return self.width * self.height * sum(band.size_bytes for band in self.bands)

    @property
    def block_bytes(self) -> int:
        """Size in memory of the blocks of all bands at one place."""
        return sum(band.block[0] * band.block[1] * band.size_bytes for band in self.bands)

    @property
    def corners(self) -> tuple[tuple[float, float], ...]:
        """Upper left, upper right, lower right and lower left corner in its own CRS."""
        pixels = ((0, 0), (self.width, 0), (self.width, self.height), (0, self.height))
        return tuple(self._at(*pixel) for pixel in pixels)

    @property
    def bbox(self) -> Bbox:
        """The extent in its own CRS."""
        xs, ys = zip(*self.corners, strict=True)
        return (min(xs), min(ys), max(xs), max(ys))

    @property
    def resolution(self) -> tuple[float, float]:
        """Width and height of a pixel in the CRS's unit, along the raster's own axes."""
        x = self._transform
        return (math.hypot(x[1], x[4]), math.hypot(x[2], x[5]))

    @property
    def _transform(self) -> Geotransform:
        return self.geotransform or (0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

    def _at(self, column: int, row: int) -> tuple[float, float]:
        x = self._transform
        return (x[0] + column * x[1] + row * x[2], x[3] + column * x[4] + row * x[5])


class RasterAnswer(_Fact):
    """The whole document; `raster` is None where the file could not be opened."""

    raster: RasterDescription | None
    problems: tuple[Problem, ...]
