"""ESRI JSON made GeoJSON: the feature set that a map or feature service answers a query with.

Attributes are taken over as their text, so that every digit arrives at the reader of GeoJSON; the
columns have the types that the set declares; dates, counted in milliseconds, become instants.
Source: https://developers.arcgis.com/rest/services-reference/enterprise/query-feature-service-layer/.

What belongs here: this. What does not: geometries (`esri_geometries`), the features (`reader`).
"""

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from libs.geojson.documents import BrokenFeatureError, Chunk, NotGeoJsonError
from libs.geojson.esri_geometries import esri_geometry
from libs.geojson.geometries import GeometryError, GeometryNotes
from libs.geojson.texts import JsonTextError, exact, items, members

KINDS = {
    "esriFieldTypeString": "text", "esriFieldTypeGUID": "text", "esriFieldTypeGlobalID": "text",
    "esriFieldTypeXML": "text", "esriFieldTypeSmallInteger": "integer",
    "esriFieldTypeInteger": "integer", "esriFieldTypeOID": "integer",
    "esriFieldTypeBigInteger": "bigint", "esriFieldTypeSingle": "double",
    "esriFieldTypeDouble": "double", "esriFieldTypeDate": "timestamptz",
    "esriFieldTypeDateOnly": "date",
}  # fmt: skip
"""The kinds of values, by the type of a field; of any other type values decide."""
_DATE = "esriFieldTypeDate"
_READ = frozenset(
    {
        "features", "fields", "fieldAliases", "geometryType", "spatialReference", "hasZ", "hasM",
        "objectIdFieldName", "globalIdFieldName", "displayFieldName", "uniqueIdField",
        "exceededTransferLimit", "transform", "geometryProperties",
    }
)  # fmt: skip
"""Members that are read, or tell nothing that the columns do not."""
_MILLISECONDS = re.compile(rb"-?\d{1,15}")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_SHOWN = 10


class FeatureSet:
    """A file's one table; raises `NotGeoJsonError` where it is none, `JsonTextError` if broken."""

    def __init__(self, path: Path) -> None:
        self._own = members(path.read_bytes())
        if "features" not in self._own:
            raise NotGeoJsonError
        self._fields = [item for item in self._value("fields") or [] if isinstance(item, dict)]
        self._has_geometry = self._value("geometryType") is not None
        self._references: dict[str, None] = {}

    @property
    def is_quantized(self) -> bool:
        """Whether coordinates are steps on a grid."""
        return self._value("transform") is not None

    @property
    def has_geometry(self) -> bool:
        """Whether the set or a feature of it has geometries; known when it was written."""
        return self._has_geometry

    @cached_property
    def kinds(self) -> dict[str, str]:
        """The kind of each column that the set declares."""
        return {
            str(item.get("name")): kind
            for item in self._fields
            if (kind := KINDS.get(str(item.get("type"))))
        }

    @property
    def spatial_references(self) -> list[Any]:
        """The distinct spatial references of the set and of its geometries."""
        own = self._own.get("spatialReference", b"null")
        texts = dict.fromkeys([json.dumps(exact(own), sort_keys=True), *self._references])
        return [value for text in texts if (value := json.loads(text))]

    def write(self, path: Path) -> None:
        """Write the features as a collection; raises `JsonTextError`."""
        dates = {str(item.get("name")) for item in self._fields if item.get("type") == _DATE}
        with path.open("wb") as file:
            file.write(b'{"type":"FeatureCollection","features":[')
            for number, text in enumerate(items(self._own["features"]), 1):
                try:
                    feature = self._feature(members(text), dates)
                except JsonTextError as err:
                    raise JsonTextError(f"{err}, in feature {number}") from err
                file.write((b",\n" if number > 1 else b"\n") + feature)
            file.write(b"\n]}\n")

    def shapes(self, chunk: Chunk, _: GeometryNotes) -> pa.Array:
        """Return the geometries of a chunk as WKB; raises `BrokenFeatureError`."""
        has_z, has_m = self._value("hasZ"), self._value("hasM")
        made = []
        for row, item in enumerate(chunk.features, chunk.first):
            try:
                value = _geometry(bytes(item["geometry"]))
                made.append(esri_geometry(value, has_z=has_z, has_m=has_m))
            except (GeometryError, JsonTextError) as err:
                raise BrokenFeatureError(row, str(err), "broken_geometry") from err
        return pa.array(made, pa.binary())

    def losses(self) -> Iterator[tuple[str, str]]:
        """Yield the code and the message of what a user should know of the set."""
        if self._value("exceededTransferLimit") is True:
            yield (
                "source.incomplete",
                "The service cut its answer short (exceededTransferLimit): features are missing "
                "in this file. Ask for the rest with resultOffset, and drop all of them.",
            )
        aliases = self._value("fieldAliases") or {}
        aliases |= {
            str(item.get("name")): item["alias"] for item in self._fields if "alias" in item
        }
        other = [
            f"{name} ({alias})" for name, alias in aliases.items() if alias not in (name, None)
        ]
        domains = [str(item.get("name")) for item in self._fields if item.get("domain")]
        vertical = [
            str(reference.get("latestVcsWkid") or reference.get("vcsWkid"))
            for reference in self.spatial_references
            if isinstance(reference, dict) and reference.get("vcsWkid")
        ]
        members_left = [name for name in self._own if name not in _READ]
        for code, what, names in (
            ("members", "Members of the feature set", members_left),
            ("aliases", "Aliases of columns, which keep their names,", other),
            ("domains", "Domains of columns, which keep their codes,", domains),
            ("vertical_crs", "Vertical reference systems", vertical),
        ):
            if names:
                yield f"source.{code}_left_out", f"{what} were left out: {_listed(names)}."

    def _feature(self, own: Mapping[str, bytes], dates: set[str]) -> bytes:
        attributes = own.get("attributes", b"null")
        if dates and attributes.strip() != b"null":
            values = members(attributes)
            attributes = _object(
                {name: _instant(v) if name in dates else v for name, v in values.items()}
            )
        geometry = own.get("geometry", b"null")
        self._has_geometry = self._has_geometry or geometry.strip() != b"null"
        if b"spatialReference" in geometry:
            found = exact(geometry).get("spatialReference")
            self._references[json.dumps(found, sort_keys=True)] = None
        others = {k: v for k, v in own.items() if k not in ("attributes", "geometry", "type")}
        whole = {"type": b'"Feature"', "properties": attributes, "geometry": geometry}
        return _object({**others, **whole})

    def _value(self, name: str) -> Any:
        return exact(self._own.get(name, b"null"))


def _object(texts: Mapping[str, bytes]) -> bytes:
    pairs = [json.dumps(name).encode() + b":" + text for name, text in texts.items()]
    return b"{" + b",".join(pairs) + b"}"


def _geometry(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return exact(text)


def _instant(text: bytes) -> bytes:
    """Return the text of an instant; anything but milliseconds as it is."""
    if not _MILLISECONDS.fullmatch(text):
        return text
    try:
        moment = _EPOCH + dt.timedelta(milliseconds=int(text))
    except OverflowError:
        return text
    return f'"{moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")}"'.encode()


def _listed(names: list[str]) -> str:
    rest = ", …" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest
