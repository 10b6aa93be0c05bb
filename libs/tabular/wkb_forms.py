"""Other forms of WKB made the one that we read: little-endian, dimensions as ISO numbers them.

Big-endian WKB is as good; PostGIS, older geopandas and others set bits for Z, M and an SRID instead
(EWKB: https://postgis.net/docs/using_postgis_dbmanagement.html#EWKB_EWKT). GDAL 3.6 takes the SRID
of one with Z and M for a coordinate.

What belongs here: headers and byte order. What does not: counting (`libs.fidelity.wkb`).
"""

import struct

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from libs.fidelity.wkb import HEADER_BYTES, LITTLE_ENDIAN, TYPE_NAMES

_HAS_Z, _HAS_M, _HAS_SRID = 0x80000000, 0x40000000, 0x20000000
_FLAGS = _HAS_Z | _HAS_M | _HAS_SRID
_ISO, _MAX_DIMENSIONS = 1000, 3
_POINT, _HAS_POINTS, _HAS_RINGS = 1, (2, 8), (3, 17)
_MAX_DEPTH = 64


class NotWkbError(ValueError):
    """Bytes are no WKB of any form."""


def plain_wkb(value: bytes) -> tuple[bytes, int | None]:
    """Return a geometry as little-endian ISO WKB, and the SRID that it names; raises `NotWkbError`.

    Every coordinate keeps its bits.
    """
    geometry = _Geometry(value)
    try:
        plain = geometry.read(0)
    except (struct.error, IndexError) as err:
        raise NotWkbError("it ends too early") from err
    if geometry.at != len(value):
        raise NotWkbError("it goes on behind its end")
    return plain, geometry.srid


def with_plain_wkb(values: pa.Array) -> tuple[pa.Array, set[int]]:
    """Return an array of WKB with all of it plain, and the SRIDs that were named.

    What is no WKB is returned as it is.
    """
    heads = pc.unique(pc.binary_slice(values, 0, HEADER_BYTES)).to_pylist()
    if all(head is None or _is_plain(head) for head in heads):
        return values, set()
    made, srids = [], set()
    for value in values.to_pylist():
        if value is not None and not _is_plain(value):
            try:
                value, srid = plain_wkb(value)  # noqa: PLW2901 - the same geometry
            except NotWkbError:
                srid = None
            srids |= {srid} if srid else set()
        made.append(value)
    return pa.array(made, pa.binary()), srids


def _is_plain(value: bytes) -> bool:
    if len(value) < HEADER_BYTES or value[0] != LITTLE_ENDIAN:
        return False
    return not int.from_bytes(value[1:HEADER_BYTES], "little") & _FLAGS


class _Geometry:
    """One geometry, read from `at` on."""

    def __init__(self, value: bytes) -> None:
        self.at = 0
        self.srid: int | None = None
        self._value = value
        self._order = "<"

    def read(self, depth: int) -> bytes:
        """Return the geometry that begins here, in plain form."""
        if self._value[self.at] > LITTLE_ENDIAN or depth > _MAX_DEPTH:
            raise NotWkbError("its header is not known")
        self._order = "<" if self._value[self.at] == LITTLE_ENDIAN else ">"
        self.at += 1
        number = self._number()
        dimensions, base = divmod(number & ~_FLAGS, _ISO)
        if base not in TYPE_NAMES or dimensions > _MAX_DIMENSIONS:
            raise NotWkbError("its header is not known")
        dimensions |= bool(number & _HAS_Z) | bool(number & _HAS_M) << 1
        if number & _HAS_SRID:
            self.srid = self._number()
        head = struct.pack("<BI", LITTLE_ENDIAN, dimensions * _ISO + base)
        return head + self._body(base, 2 + dimensions.bit_count(), depth)

    def _body(self, base: int, width: int, depth: int) -> bytes:
        if base == _POINT:
            return self._points(1, width)
        count = self._number()
        parts = [struct.pack("<I", count)]
        if base in _HAS_POINTS:
            return parts[0] + self._points(count, width)
        for _ in range(count):
            if base in _HAS_RINGS:
                points = self._number()
                parts.append(struct.pack("<I", points) + self._points(points, width))
            else:
                parts.append(self.read(depth + 1))
        return b"".join(parts)

    def _number(self) -> int:
        (number,) = struct.unpack_from(f"{self._order}I", self._value, self.at)
        self.at += 4
        return int(number)

    def _points(self, count: int, width: int) -> bytes:
        end = self.at + count * width * 8
        found = self._value[self.at : end]
        if end > len(self._value):
            raise NotWkbError("it ends too early")
        self.at = end
        return found if self._order == "<" else np.frombuffer(found, ">u8").byteswap().tobytes()
