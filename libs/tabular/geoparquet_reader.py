"""GeoParquet: a Parquet file whose metadata tell which column holds geometries, and in which CRS.

Source of the format: https://geoparquet.org/releases/v1.1.0/.

What belongs here: the geometry column beside the others. What does not: the others
(`parquet_reader`), what is published of it.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from libs.compute.tables import GEOMETRY_COLUMN
from libs.models.version import Warn
from libs.tabular.parquet_reader import ParquetReader
from libs.tabular.reader import ReadOrder

DEFAULT_CRS = "OGC:CRS84"
WKB = "WKB"


@dataclass(frozen=True)
class GeometryColumn:
    """A geometry column as the metadata describe it; `crs` is PROJJSON or a name, or none."""

    name: str
    crs: str | None


class GeoParquetReader:
    """The rows of a GeoParquet file, geometries last; columns that only repeat them left out."""

    def __init__(self, order: ReadOrder) -> None:
        self._order = order
        plain = ParquetReader(order)
        geo = self._metadata(plain)
        columns = geo.get("columns", {})
        covering = {
            path[0]
            for column in columns.values()
            for path in column.get("covering", {}).get("bbox", {}).values()
        }
        self.geometries = tuple(self._column(name, item) for name, item in columns.items())
        self.reader = ParquetReader(order, left_out={*columns, *covering})
        self.warnings = tuple(self._warnings(columns))

    def batches(self, types: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows: columns c0, c1, … of `types`, then WKB where there is a geometry."""
        for batch, whole in self.reader.batches_beside(types):
            if self.geometries:
                name = self.geometries[0].name
                values = whole.column(whole.schema.get_field_index(name))
                storage = values.storage if isinstance(values, pa.ExtensionArray) else values
                batch = batch.append_column(  # noqa: PLW2901 - the same rows, one column more
                    GEOMETRY_COLUMN, storage.cast(pa.binary())
                )
            yield batch

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
        if encoding != WKB:
            raise self._order.refusal(
                "geoparquet_encoding",
                f"expected geometries encoded as {WKB}, found {encoding!r} in column {name!r}.",
                remedy="Write the file again with geometries as WKB.",
            )
        crs = item.get("crs", DEFAULT_CRS)
        if crs is None:
            return GeometryColumn(name, None)
        return GeometryColumn(name, crs if isinstance(crs, str) else json.dumps(crs))

    def _warnings(self, columns: dict[str, Any]) -> list[Warn]:
        said = []
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
