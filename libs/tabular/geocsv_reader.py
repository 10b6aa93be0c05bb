"""CSV with geometries: a column of WKT or of WKB as hex digits, or two columns of coordinates.

Every row must give the geometry that its text says; a row without any has none. All columns but
the one of geometries stay columns, coordinates included.

What belongs here: the geometry beside the columns. What does not: records and their text
(`csv_reader`), coordinates (`points`).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from libs.compute.tables import GEOMETRY_COLUMN, column_name
from libs.models.errors import SourceError
from libs.models.version import Warn
from libs.tabular.csv_reader import CsvReader
from libs.tabular.points import PointMaker
from libs.tabular.problems import Tally
from libs.tabular.reader import ReadOrder, Survey
from libs.tabular.wkb_forms import NotWkbError, plain_wkb

WKT_NAMES = ("wkt", "geom", "geometry", "the_geom", "wkt_geom", "geom_wkt", "wkb_geometry", "shape")
"""Names, in any case, of the column that is looked at for geometries; the first that is there."""

ParseWkt = Callable[[str], bytes | None]
"""Returns little-endian ISO WKB; None where the text is no WKT."""
_EWKT = re.compile(r"\s*SRID\s*=\s*([0-9]+)\s*;(.*)", re.IGNORECASE | re.DOTALL)
_HEX_WKB = re.compile(r"\s*(?:\\x|0x)?(0[01](?:[0-9a-f]{2}){8,})\s*", re.IGNORECASE)


@dataclass(frozen=True)
class PointColumns:
    """Columns of coordinates, as the manifest names them; `is_degrees` bounds them."""

    x: str
    y: str
    is_degrees: bool


@dataclass
class WktMaker:
    """Puts WKB in place of a column of texts; `position` is that of the column.

    `srids` are those that texts of PostGIS (EWKT, EWKB) name; None where one names none.
    """

    position: int
    parse: ParseWkt
    rows: int = 0
    srids: set[int | None] = field(default_factory=set)
    wrong: Tally = field(default_factory=Tally)
    first_wrong: str = ""

    def added(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield each batch with its geometries last, and without their text."""
        for batch in batches:
            texts = batch.column(self.position).to_pylist()
            shapes = [self._shape(text, row) for row, text in enumerate(texts, self.rows + 1)]
            arrays = [a for n, a in enumerate(batch.columns) if n != self.position]
            names = [column_name(position) for position in range(len(arrays))]
            yield pa.RecordBatch.from_arrays(
                [*arrays, pa.array(shapes, pa.binary())], [*names, GEOMETRY_COLUMN]
            )
            self.rows += batch.num_rows

    def _shape(self, text: str | None, row: int) -> bytes | None:
        if text is None or not text.strip():
            return None
        found = _parsed(text, self.parse)
        if found is None:
            self.first_wrong = self.first_wrong or text[:60]
            self.wrong.add(row)
            return None
        wkb, srid = found
        self.srids.add(srid)
        return wkb


def _parsed(text: str, parse_wkt: ParseWkt) -> tuple[bytes, int | None] | None:
    """Return a text's geometry as WKB and its SRID; None where it is neither WKT nor WKB."""
    digits = _HEX_WKB.fullmatch(text)
    if digits:
        try:
            wkb, srid = plain_wkb(bytes.fromhex(digits[1]))
        except NotWkbError:
            return None
        return wkb, srid or None
    named = _EWKT.fullmatch(text)
    found = parse_wkt(named[2] if named else text)
    return None if found is None else (found, int(named[1]) or None if named else None)


class GeoCsvReader:
    """The rows of a CSV, geometries last; without any where no column holds them."""

    def __init__(
        self, order: ReadOrder, points: PointColumns | None = None, *, parse_wkt: ParseWkt
    ) -> None:
        self._order = order
        self._reader = CsvReader(order)
        survey = self._reader.survey()
        names = [column.name for column in survey.columns]
        self._maker = (
            _point_maker(order, points, names) if points else self._wkt_maker(names, parse_wkt)
        )
        self._dropped = self._maker.position if isinstance(self._maker, WktMaker) else None
        self.geometry_name = None
        if self._maker is not None:
            self.geometry_name = "" if self._dropped is None else names[self._dropped]
        self._survey = survey

    @property
    def srids(self) -> frozenset[int | None]:
        """The SRIDs that geometries name, None for one without, once all rows were read."""
        return frozenset(self._maker.srids if isinstance(self._maker, WktMaker) else ())

    @property
    def survey(self) -> Survey:
        """What the columns are, without that of geometries."""
        columns = tuple(c for n, c in enumerate(self._survey.columns) if n != self._dropped)
        return Survey(columns, self._survey.rows, self._survey.warnings)

    def batches(self, types: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows: columns c0, c1, … of `types`, then WKB where there is a geometry."""
        read = list(types)
        if self._dropped is not None:
            read.insert(self._dropped, "text")
        batches = self._reader.batches(read)
        yield from self._maker.added(batches) if self._maker else batches

    def warnings(self) -> list[Warn]:
        """Return what is to be said once all rows were read.

        Raises `SourceError` where a row's text is no geometry, unless bad rows are to be kept.
        """
        if self._maker is None:
            message = f"No column of WKT or WKB was found ({', '.join(WKT_NAMES)}), and the "
            message += (
                "manifest names no coordinates (options.x_column, options.y_column): a table "
            )
            message += "without geometries was made."
            return [self._order.warn("source.no_geometry_column", message)]
        wrong = self._maker.wrong
        if not wrong.count:
            return []
        message = f"{wrong.shown} have no usable geometry ({self._maker.first_wrong!r} in the "
        message += "first) and got none."
        if self._order.keep_bad_rows:
            return [self._order.warn("source.coordinates_kept", message)]
        raise self._wrong_geometry(wrong, self._maker.first_wrong)

    def _wkt_maker(self, names: Sequence[str], parse_wkt: ParseWkt) -> WktMaker | None:
        """Return the maker for the first column with such a name whose first text is a geometry."""
        lowered = [name.lower() for name in names]
        for name in WKT_NAMES:
            if name in lowered:
                position = lowered.index(name)
                text = self._first_text(position, len(names))
                if text is not None and _parsed(text, parse_wkt) is not None:
                    return WktMaker(position, parse_wkt)
        return None

    def _first_text(self, position: int, width: int) -> str | None:
        for batch in self._reader.batches(["text"] * width):
            for text in batch.column(position).to_pylist():
                if text is not None and text.strip():
                    return str(text)
        return None

    def _wrong_geometry(self, wrong: Tally, first: str) -> SourceError:
        return self._order.refusal(
            "coordinates",
            f"expected a geometry that its text gives, found none in {wrong.shown}: {first!r} in "
            "the first.",
            remedy="Correct these rows, or set options.bad_rows to 'keep' for rows without "
            "geometry.",
            row=wrong.first,
        )


def _point_maker(order: ReadOrder, points: PointColumns, names: Sequence[str]) -> PointMaker:
    missing = [name for name in (points.x, points.y) if name not in names]
    if missing:
        raise order.refusal(
            "no_such_column",
            f"expected column {', '.join(map(repr, missing))} as options.x_column and "
            f"options.y_column say, found {', '.join(map(repr, names[:50]))}.",
            remedy="Correct options.x_column and options.y_column.",
        )
    return PointMaker(names.index(points.x), names.index(points.y), points.is_degrees)
