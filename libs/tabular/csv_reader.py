"""CSV and TSV: RFC 4180 with any delimiter, the first record being the header.

The survey reads with Python's csv module in strict mode, which knows where a record stands and
does not guess at quotes. pyarrow's reader is several times faster, keeps an empty field (NULL)
apart from an empty quoted one (''), but swallows rows after a quote that is never closed and drops
what follows a closed one: it reads only what the survey found sound. Rows kept under
`options.bad_rows` are cut here, record by record.

Whether a file has a header cannot be known: the first record is one. Lines that are wholly empty
are no records, except in a file with one column, where they are NULL.

What belongs here: reading. What does not: encodings (`text`), delimiters (`csv_dialect`), records
(`csv_records`), types.
"""

import json
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.csv as pa_csv

from libs.compute.export_names import distinct_names
from libs.compute.tables import column_name
from libs.models.version import Warn
from libs.tabular.csv_dialect import delimiter_of, without_separator_line
from libs.tabular.csv_records import CsvFacts, CsvRecords, cut
from libs.tabular.guess import TEXT, text_kinds
from libs.tabular.header import column_names
from libs.tabular.reader import (
    BATCH_BYTES,
    BATCH_ROWS,
    FoundColumn,
    ReadOrder,
    Survey,
    TableReader,
)
from libs.tabular.text import (
    Encoding,
    encoding_of,
    open_utf8,
    shown,
)
from libs.tabular.text_problems import undecodable
from libs.tabular.types import converted

SURPLUS = "surplus_fields"
BLOCK_BYTES = 4 * 1024 * 1024
FIRST_BYTES = {b"PK\x03\x04": "a zip archive or XLSX", b"PAR1": "Parquet"}


class CsvReader(TableReader):
    """A CSV file."""

    def __init__(self, order: ReadOrder) -> None:
        super().__init__(order)
        self._facts = CsvFacts(Encoding("utf-8"), ",")
        self._names: list[str] = []

    def survey(self) -> Survey:
        """Read all records; refuse, or count, what is ragged or undecodable."""
        _refuse_other_formats(self.order)
        order, encoding, said = without_separator_line(self.order, encoding_of(self.order))
        delimiter, ambiguous = delimiter_of(order, encoding)
        warnings = said + ambiguous
        records = CsvRecords(self.order, encoding, delimiter)
        self._facts = facts = records.facts
        for _ in records.rows():
            pass
        if facts.header is None:
            raise self.order.refusal(
                "empty",
                "expected a header and rows, found an empty file.",
                remedy="Check that the upload is complete and drop the file again.",
            )
        self._names, renamed = column_names(self.order, facts.header)
        if facts.has_surplus:
            self._names += distinct_names([SURPLUS], reserved=self._names, fold_case=True)
        warnings += renamed + self._problems()
        return Survey(self._found_columns(), facts.rows, tuple(warnings))

    def batches(self, types: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows, each column made from text into its type."""
        row = 1
        for columns in self._text_batches():
            arrays = [
                converted(self.order, name, values, type_, row)
                for name, values, type_ in zip(self._names, columns, types, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(
                arrays, [column_name(position) for position in range(len(arrays))]
            )
            row += len(arrays[0])

    def _found_columns(self) -> tuple[FoundColumn, ...]:
        surplus = self._facts.width
        untyped = [name for name in self._names[:surplus] if name not in self.order.declared]
        kinds = self._kinds(untyped) if self.order.guess_types else dict.fromkeys(untyped, TEXT)
        return tuple(
            FoundColumn(name, kinds=kinds[name])
            if name in kinds
            else FoundColumn(name, self.order.declared.get(name, "text"))
            for name in self._names
        )

    def _kinds(self, names: list[str]) -> dict[str, frozenset[str]]:
        kinds: dict[str, frozenset[str]] = dict.fromkeys(names, frozenset())
        for columns in self._text_batches():
            for name, values in zip(self._names, columns, strict=True):
                if name in kinds and kinds[name] != TEXT:
                    kinds[name] |= text_kinds(values)
        return kinds

    def _problems(self) -> list[Warn]:
        facts, order, said = self._facts, self.order, []
        if facts.marked.count:
            if not order.keep_bad_rows:
                raise undecodable(order, facts.encoding, facts.marked)
            said.append(
                (
                    "source.undecodable_kept",
                    f"Bytes that are not {facts.encoding.name}, or NUL, were kept as escapes such "
                    f"as \\xe9 in {facts.marked.shown}.",
                )
            )
        if facts.ragged.count:
            if not order.keep_bad_rows:
                raise self._ragged()
            said.append(
                (
                    "source.ragged_kept",
                    f"{facts.ragged.shown} had other than {facts.width} fields: missing ones are "
                    f"NULL, surplus ones a JSON list in column {self._names[-1]!r}."
                    if facts.has_surplus
                    else f"{facts.ragged.shown} had fewer than {facts.width} fields: the missing "
                    "ones are NULL.",
                )
            )
        if facts.blank_lines:
            said.append(
                (
                    "source.blank_lines",
                    f"{facts.blank_lines} empty lines are no rows and were left out.",
                )
            )
        return [order.warn(code, message) for code, message in said]

    def _ragged(self) -> Exception:
        facts = self._facts
        return self.order.refusal(
            "ragged_rows",
            f"expected {facts.width} fields (delimiter {facts.delimiter!r}) in every row, found "
            f"another number in {facts.ragged.shown}; {facts.first_ragged}.",
            remedy="Correct the rows or files[].delimiter, or set options.bad_rows to 'keep'.",
            row=facts.ragged.first,
        )

    def _text_batches(self) -> Iterator[list[pa.Array]]:
        if self._facts.ragged.count:
            return self._cut_batches()
        return self._fast_batches()

    def _fast_batches(self) -> Iterator[list[pa.Array]]:
        facts = self._facts
        if not facts.rows:
            return
        fields = [f"f{position}" for position in range(facts.width)]
        is_clean = not facts.marked.count
        with open_utf8(self.order.path, facts.encoding, is_clean=is_clean) as stream:
            reader = pa_csv.open_csv(
                stream,
                read_options=pa_csv.ReadOptions(
                    use_threads=False,
                    block_size=max(BLOCK_BYTES, 8 * facts.longest),
                    autogenerate_column_names=True,
                ),
                parse_options=pa_csv.ParseOptions(
                    delimiter=facts.delimiter,
                    newlines_in_values=True,
                    ignore_empty_lines=facts.width > 1,
                ),
                convert_options=pa_csv.ConvertOptions(
                    column_types=dict.fromkeys(fields, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
            is_first = True
            for batch in reader:
                rows = batch.slice(1) if is_first else batch
                is_first = False
                if rows.num_rows:
                    yield rows.columns

    def _cut_batches(self) -> Iterator[list[pa.Array]]:
        """Yield rows cut here, short ones filled with NULL, surplus fields in the last column."""
        width, delimiter = self._facts.width, self._facts.delimiter
        records = CsvRecords(self.order, self._facts.encoding, delimiter)
        rows: list[list[str | None]] = []
        size = 0
        for _, text in records.rows():
            fields = cut(shown(text), delimiter)
            row = fields[:width] + [None] * (width - len(fields))
            if len(self._names) > width:
                surplus = fields[width:]
                row.append(json.dumps(surplus, ensure_ascii=False) if surplus else None)
            rows.append(row)
            size += len(text)
            if len(rows) == BATCH_ROWS or size > BATCH_BYTES:
                yield [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
                rows, size = [], 0
        if rows:
            yield [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]


def _refuse_other_formats(order: ReadOrder) -> None:
    with order.path.open("rb") as file:
        found = FIRST_BYTES.get(file.read(4))
    if found:
        raise order.refusal(
            "unreadable",
            f"expected a CSV, found a file that begins as {found} does.",
            remedy="Give the file the suffix of its format, or set files[].format.",
        )


def open_tables(order: ReadOrder) -> list[TableReader]:
    """Return the one table of a CSV."""
    return [CsvReader(order)]
