"""Parquet: row groups, one batch after the other.

What belongs here: reading. What does not: which type becomes which (`parquet_types`).
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from libs.compute.tables import column_name
from libs.models.version import Warn
from libs.tabular.header import column_names
from libs.tabular.native_geometries import ENCODINGS
from libs.tabular.parquet_types import Mapping as TypeMapping
from libs.tabular.parquet_types import NotJsonError, as_ours, is_kept, mapping_of
from libs.tabular.reader import BATCH_ROWS, FoundColumn, ReadOrder, Survey, TableReader

NATIVE = ("GEOMETRY", "GEOGRAPHY")
ARROW_NAME = b"ARROW:extension:name"
ARROW_WKB = ("geoarrow.wkb", "ogc.wkb")


def extension_encoding(field: pa.Field) -> str | None:
    """Return how Arrow says that a column holds geometries; None where it does not."""
    name = (field.metadata or {}).get(ARROW_NAME, b"").decode("utf-8", "replace")
    own = name.removeprefix("geoarrow.")
    return "WKB" if name in ARROW_WKB else own if own != name and own in ENCODINGS else None


class ParquetReader(TableReader):
    """A Parquet file, without the columns called `left_out`."""

    def __init__(self, order: ReadOrder, left_out: Collection[str] = ()) -> None:
        super().__init__(order)
        try:
            self._file = pq.ParquetFile(order.path, memory_map=False, pre_buffer=False)
        except (pa.ArrowException, OSError) as err:
            raise self._unreadable(err) from err
        self._positions = [
            position
            for position, name in enumerate(self._file.schema_arrow.names)
            if name not in left_out
        ]
        self._names: list[str] = []

    @property
    def metadata(self) -> Mapping[bytes, bytes]:
        """The key-value metadata of the file."""
        return self._file.schema_arrow.metadata or {}

    @property
    def schema(self) -> pa.Schema:
        """The columns of the file, those that are left out among them."""
        return self._file.schema_arrow

    @property
    def logical_types(self) -> dict[str, dict[str, Any]]:
        """What Parquet itself says of the type of each column that is not nested."""
        leaves = map(self._file.schema.column, range(len(self._file.schema.names)))
        return {leaf.path: json.loads(leaf.logical_type.to_json()) for leaf in leaves}

    @property
    def native_geometries(self) -> dict[str, dict[str, Any]]:
        """What Parquet says of its columns of the types GEOMETRY and GEOGRAPHY."""
        said = self.logical_types.items()
        return {name: type_ for name, type_ in said if type_.get("Type", "").upper() in NATIVE}

    def survey(self) -> Survey:
        """Return what the footer says, and whether values fit where their type alone does not."""
        if self.order.declared:
            raise self.order.refusal(
                "types_declared",
                "expected no files[].columns for Parquet, which has types of its own; found some.",
                remedy="Leave files[].columns out; contract.columns can check the types.",
            )
        schema = self._file.schema_arrow
        own = [schema.names[position] for position in self._positions]
        self._names, warnings = column_names(self.order, own)
        mappings = [self._mapping(position) for position in self._positions]
        columns = tuple(
            FoundColumn(name, mapping.type)
            for name, mapping in zip(self._names, mappings, strict=True)
        )
        warnings += self._warnings(mappings)
        return Survey(columns, self._file.metadata.num_rows, tuple(warnings))

    def batches(self, types: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows."""
        for batch, _ in self.batches_beside(types):
            yield batch

    def batches_beside(
        self, types: Sequence[str]
    ) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
        """Yield the rows, each batch with the same rows as the file has them."""
        row = 1
        for batch in self._read():
            arrays = []
            own = [batch.column(position) for position in self._positions]
            for name, values, type_ in zip(self._names, own, types, strict=True):
                array = self._as_ours(name, values, type_, row)
                self._require_text(name, array, row)
                arrays.append(array)
            names = [column_name(position) for position in range(len(arrays))]
            yield pa.RecordBatch.from_arrays(arrays, names), batch
            row += batch.num_rows

    def _read(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._file.iter_batches(BATCH_ROWS)
        except (pa.ArrowException, OSError) as err:
            raise self._unreadable(err) from err

    def _mapping(self, position: int) -> TypeMapping:
        field = self._file.schema_arrow.field(position)
        mapping = mapping_of(field.type)
        if mapping is None:
            raise self.order.refusal(
                "unsupported_type",
                f"expected a column type that PostGIS can hold, found {field.type} in column "
                f"{field.name!r}.",
                remedy="Convert the column to text and drop the file again.",
            )
        if mapping.has_fallback and not self._all_fit(position):
            return TypeMapping("text", f"{field.type} became text, because not every value fits")
        return mapping

    def _all_fit(self, position: int) -> bool:
        """Read one column; columns before it may have several leaves, hence by their names."""
        name = self._file.schema_arrow.field(position).name
        if self._file.schema_arrow.names.count(name) > 1:
            return False
        for batch in self._file.iter_batches(BATCH_ROWS, columns=[name]):
            values = batch.column(0)
            if pa.types.is_dictionary(values.type):
                values = values.dictionary_decode()
            if not is_kept(values):
                return False
        return True

    def _warnings(self, mappings: Sequence[TypeMapping]) -> list[Warn]:
        notes = [
            f"{name!r}: {mapping.note}"
            for name, mapping in zip(self._names, mappings, strict=True)
            if mapping.note
        ]
        said = []
        if notes:
            said.append(self.order.warn("column.type_changed", f"{'; '.join(notes)}."))
        marked = self._marked_geometries()
        if marked and len(self._positions) == len(self._file.schema_arrow):
            message = f"The file marks {', '.join(map(repr, marked))} as geometries, which were "
            message += "kept as plain values. Drop it with intent ingest_vector for geometries."
            said.append(self.order.warn("source.is_geoparquet", message))
        return said

    def _marked_geometries(self) -> list[str]:
        """Return the names of what the file marks as geometries, in whichever way."""
        of_arrow = [field.name for field in self.schema if extension_encoding(field)]
        try:
            of_metadata = list(json.loads(self.metadata.get(b"geo", b"{}"))["columns"])
        except (ValueError, KeyError, TypeError):
            of_metadata = []
        return list(dict.fromkeys([*of_metadata, *self.native_geometries, *of_arrow]))

    def _as_ours(self, name: str, values: pa.Array, type_: str, row: int) -> pa.Array:
        try:
            return as_ours(values, type_)
        except NotJsonError as err:
            raise self.order.refusal(
                "not_json",
                f"expected values that JSON can hold in column {name!r} of type {values.type}, "
                f"found {err}.",
                remedy="Correct the value, or convert the column to text.",
                row=row + err.position,
            ) from err

    def _require_text(self, name: str, values: pa.Array, row: int) -> None:
        """Refuse NUL, which PostgreSQL's text cannot hold."""
        rows = None
        if pa.types.is_list(values.type):
            rows, values = pc.list_parent_indices(values), values.flatten()
        if not pa.types.is_string(values.type):
            return
        has_nul = pc.fill_null(pc.match_substring(values, "\x00"), False)
        if pc.any(has_nul, min_count=0).as_py():
            position = pc.index(has_nul, True).as_py()
            raise self.order.refusal(
                "nul_character",
                f"expected text, found the NUL character in column {name!r}.",
                remedy="Take the character out, or store the column as binary.",
                row=row + (position if rows is None else rows[position].as_py()),
            )

    def _unreadable(self, err: Exception) -> Exception:
        return self.order.refusal(
            "unreadable",
            f"expected a Parquet file, found: {str(err).splitlines()[0][:300]}.",
            remedy="Write the file again and drop it again.",
        )


def open_tables(order: ReadOrder) -> list[TableReader]:
    """Return the one table of a Parquet file."""
    return [ParquetReader(order)]
