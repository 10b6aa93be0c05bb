"""GeoParquet: a Parquet file whose metadata tell which column holds geometries, and in which CRS.

Source of the format: https://geoparquet.org/releases/v1.1.0/. Without its metadata, a column that
has Parquet's own type GEOMETRY, or is marked as geoarrow.wkb or as one of GeoArrow's native types,
is one of geometries as well.

What belongs here: the geometry column beside the others. What does not: the others
(`parquet_reader`), what is published of it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from libs.compute.tables import GEOMETRY_COLUMN
from libs.models.version import Warn
from libs.tabular.native_geometries import ENCODINGS, NotNativeError, native_wkb
from libs.tabular.parquet_reader import ParquetReader, extension_encoding
from libs.tabular.reader import ReadOrder
from libs.tabular.wkb_forms import with_plain_wkb

DEFAULT_CRS = "OGC:CRS84"
WKB = "WKB"
ARROW_METADATA = b"ARROW:extension:metadata"


@dataclass(frozen=True)
class GeometryColumn:
    """A geometry column as the metadata describe it; `crs` is PROJJSON or a name, or none."""

    name: str
    crs: str | None
    encoding: str


class GeoParquetReader:
    """The rows of a GeoParquet file, geometries last; columns that only repeat them left out."""

    def __init__(self, order: ReadOrder) -> None:
        self._order = order
        plain = ParquetReader(order)
        columns = self._columns(plain)
        covering = {
            path[0]
            for column in columns.values()
            for path in column.get("covering", {}).get("bbox", {}).values()
        }
        self.geometries = tuple(self._column(name, item) for name, item in columns.items())
        self.reader = ParquetReader(order, left_out={*columns, *covering})
        self._said = self._warnings(columns)
        self._srids: set[int] = set()

    def batches(self, types: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows: columns c0, c1, … of `types`, then WKB where there is a geometry."""
        for batch, whole in self.reader.batches_beside(types):
            if not self.geometries:
                yield batch
                continue
            values = whole.column(self.geometries[0].name)
            shapes = self._shapes(values)
            # A batch without columns would not know its number of rows.
            yield pa.RecordBatch.from_arrays(
                [*batch.columns, shapes], [*batch.schema.names, GEOMETRY_COLUMN]
            )

    def _shapes(self, values: pa.Array) -> pa.Array:
        """Return geometries as WKB."""
        storage = values.storage if isinstance(values, pa.ExtensionArray) else values
        column = self.geometries[0]
        if column.encoding == WKB:
            if not is_binary(storage.type):
                raise self._wrong_encoding(column.name, f"{storage.type} for {WKB!r}")
            shapes, srids = with_plain_wkb(storage.cast(pa.binary()))
            self._srids |= srids
            return shapes
        try:
            return native_wkb(storage, column.encoding)
        except NotNativeError as err:
            raise self._wrong_encoding(column.name, f"{err} for {column.encoding!r}") from err

    def warnings(self) -> list[Warn]:
        """Return what is to be said once all rows were read."""
        if not self._srids:
            return self._said
        message = f"Geometries name the SRID {', '.join(map(str, sorted(self._srids)))} besides; "
        message += "the CRS is the one of the file's metadata."
        return [*self._said, self._order.warn("crs.srid_left_out", message)]

    def _columns(self, plain: ParquetReader) -> dict[str, Any]:
        """Return the geometry columns as GeoParquet describes them."""
        columns: dict[str, Any] = self._metadata(plain).get("columns", {})
        names = plain.schema.names
        wrong = [name for name in columns if names.count(name) != 1]
        if wrong:
            raise self._order.refusal(
                "geoparquet_metadata",
                f"expected one column {wrong[0]!r}, which the metadata under the key 'geo' names; "
                f"found {names.count(wrong[0])} of that name.",
                remedy="Write the file again with its geometries; a table without any must not "
                "have the key 'geo'.",
            )
        if columns or b"geo" in plain.metadata:
            return columns
        marked = {
            field.name: {"encoding": encoding, **_crs_of_extension(field.metadata or {})}
            for field in plain.schema
            if (encoding := extension_encoding(field))
        }
        native = {
            name: {"encoding": WKB, **_crs_of_type(said, plain.metadata)}
            for name, said in plain.native_geometries.items()
        }
        return native | marked

    def _metadata(self, plain: ParquetReader) -> dict[str, Any]:
        text = plain.metadata.get(b"geo")
        if text is None:
            return {}
        try:
            geo = json.loads(text)
            json.dumps(geo["columns"][geo["primary_column"]])
        except (ValueError, KeyError, TypeError) as err:
            raise self._order.refusal(
                "geoparquet_metadata",
                f"expected the metadata of GeoParquet 1.0 or 1.1 under the key 'geo', found: "
                f"{type(err).__name__} {err}.",
                remedy="Write the file again with a current library.",
            ) from err
        found: dict[str, Any] = geo
        return found

    def _column(self, name: str, item: dict[str, Any]) -> GeometryColumn:
        encoding = item.get("encoding")
        if encoding != WKB and encoding not in ENCODINGS:
            raise self._wrong_encoding(name, repr(encoding))
        crs = item.get("crs", DEFAULT_CRS)
        if crs is None:
            return GeometryColumn(name, None, encoding)
        return GeometryColumn(name, crs if isinstance(crs, str) else json.dumps(crs), encoding)

    def _wrong_encoding(self, name: str, found: str) -> Exception:
        known = ", ".join((WKB, *ENCODINGS))
        return self._order.refusal(
            "geoparquet_encoding",
            f"expected geometries encoded as one of {known}, found {found} in column {name!r}.",
            remedy="Write the file again with geometries as WKB.",
        )

    def _warnings(self, columns: dict[str, Any]) -> list[Warn]:
        said = []
        if not columns:
            message = "The file marks no column as one of geometries: a table without geometries "
            message += "was made."
            said.append(self._order.warn("source.no_geometry_column", message))
        for name, item in columns.items():
            if item.get("edges", "planar") != "planar":
                said.append(
                    self._order.warn(
                        "geometry.edges_planar",
                        f"Edges in {name!r} are {item['edges']}; they are published as straight "
                        "lines between the same vertices.",
                    )
                )
            if item.get("epoch") is not None:
                said.append(
                    self._order.warn(
                        "crs.epoch_left_out",
                        f"The coordinate epoch {item['epoch']} of {name!r} is not kept.",
                    )
                )
        return said


def is_binary(type_: pa.DataType) -> bool:
    """Return whether a type may hold WKB."""
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
    return any(test(type_) for test in tests)


def _crs_of_extension(metadata: Mapping[bytes, bytes]) -> dict[str, Any]:
    """Return the CRS of a column of geoarrow.wkb, where none stands for an unknown one."""
    try:
        said = json.loads(metadata.get(ARROW_METADATA) or b"{}")
    except ValueError:
        said = {}
    found = {"crs": said.get("crs")}
    return {**found, "edges": said["edges"]} if said.get("edges") else found


def _crs_of_type(said: dict[str, Any], metadata: Mapping[bytes, bytes]) -> dict[str, Any]:
    """Return the CRS of a column of Parquet's type GEOMETRY, where none stands for OGC:CRS84.

    Source: https://github.com/apache/parquet-format/blob/master/Geospatial.md.
    """
    crs = said.get("crs") or DEFAULT_CRS
    kind, _, rest = crs.partition(":") if isinstance(crs, str) else ("", "", "")
    if kind == "projjson" and rest.encode() in metadata:
        crs = metadata[rest.encode()].decode("utf-8", "replace")
    elif kind == "srid":
        crs = None if rest == "0" else f"EPSG:{rest}"
    is_round = said.get("Type", "").upper() == "GEOGRAPHY"
    return {"crs": crs, "edges": said.get("algorithm") or "spherical"} if is_round else {"crs": crs}
