"""A GeoJSON file as a table: surveyed once, its parts kept as Arrow until the types are known.

Where the type of a column needs the digits or the form that values were written with (text from
numbers, JSON, lists), the file is decoded a second time for these columns alone.

An `id` that only counts the features, or repeats their property `id`, is no column. Other members
of features are columns of their own; those of the collection and of geometries are told of.

What belongs here: one file. What does not: its CRS as a definition (`libs.spatial_utils`).
"""

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any

import pyarrow as pa

from libs.compute.arrow_types import arrow_type
from libs.compute.export_names import distinct_names
from libs.compute.tables import GEOMETRY_COLUMN, column_name
from libs.geojson.columns import (
    can_become,
    exact_array,
    final_array,
    has_constants,
    is_changed,
    resolved,
)
from libs.geojson.digests import Digest, Place, Shapes, digest, digests_together
from libs.geojson.documents import BrokenFeatureError, Chunk, Document, NotGeoJsonError
from libs.geojson.features import Key, columns_of, geometries_of
from libs.geojson.geometries import GeometryNotes
from libs.geojson.ids import Ids
from libs.geojson.texts import JsonTextError, exact
from libs.models.version import Warn
from libs.spatial_utils.drivers import unknown_format
from libs.spatial_utils.looks import look_of
from libs.tabular.problems import Tally
from libs.tabular.reader import FoundColumn, ReadOrder, Survey

LARGE_BYTES = 16 * 1024 * 1024
MAX_COLUMNS = 10_000
MAX_NAMES = 20
PARTS_FILE = "parts.arrow"
_ID = Key("id", is_member=True)
_OWN_ROOT_MEMBERS = ("crs", "name", "bbox")
_COUNTS = ("numberMatched", "totalFeatures")


_ABSENT = Place(-1, pa.null())


@dataclass(frozen=True)
class _Part:
    """Where a chunk's Arrow batch lies, the number of its first row, and its columns.

    The place of a column that was not kept is None.
    """

    begin: int
    first: int
    rows: int
    places: dict[Key, Place | None]


@dataclass(frozen=True)
class Form:
    """What features have of their own in a format that is made GeoJSON: a name, other geometries.

    `kinds` are those of properties that the format declares, whatever their values.
    """

    feature: str = "a GeoJSON feature"
    shapes: Shapes = geometries_of
    kinds: Mapping[str, str] = field(default_factory=dict)


GEOJSON = Form()


class GeoJsonReader:
    """The features of a file, geometries last."""

    def __init__(self, order: ReadOrder, folder: Path, form: Form = GEOJSON) -> None:
        self._order = order
        self._form = form
        self._path = folder / PARTS_FILE
        self._parts: list[_Part] = []
        self._kinds = {Key(name): {kind} for name, kind in form.kinds.items()}
        self._ids = Ids()
        self._marked = Tally()
        self._notes = GeometryNotes()
        self._document = Document(order.path)
        self._rows = 0
        self._shapes = 0
        with (
            self._told(),
            closing(self._document.chunks()) as chunks,
            closing(self._digests(chunks)) as digests,
            pa.OSFile(str(self._path), "wb") as file,
        ):
            for found in digests:
                self._keep(found, file)
            self._require_one_crs()
        self._keys = self._chosen_keys()
        self._names = self._chosen_names()

    @property
    def crs_member(self) -> bytes | None:
        """The text of the `crs` of the collection, or of all features or geometries; else None."""
        inside = next(iter(self._notes.feature_crs | self._notes.crs), None)
        by_default = None if inside is None else inside.encode()
        return self._document.root_members.get("crs", by_default)

    @property
    def layer(self) -> str:
        """The name that the collection has, else the file's."""
        try:
            name = exact(self._document.root_members.get("name", b"null"))
        except JsonTextError:
            name = None
        return name if isinstance(name, str) and name.isprintable() and name else self._order.layer

    @property
    def survey(self) -> Survey:
        """What the columns are."""
        columns = tuple(
            FoundColumn(name, resolved(frozenset(self._kinds[key])))
            for key, name in zip(self._keys, self._names, strict=True)
        )
        return Survey(columns, self._rows)

    def batches(self, types: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows: columns c0, c1, … of `types`, then WKB."""
        again: Iterator[Chunk | None] = repeat(None)
        if any(self._needs_text(part, types) for part in self._parts):
            again = Document(self._order.path).chunks()
        with self._told(), pa.OSFile(str(self._path)) as file:
            for part, chunk in zip(self._parts, again, strict=False):
                file.seek(part.begin)
                with pa.ipc.open_stream(file) as stream:
                    local = stream.read_next_batch()
                yield self._batch(part, local, chunk, types)
        self._path.unlink()

    def warnings(self) -> list[Warn]:
        """Return what a user should know of what was read."""
        notes = self._notes
        said = [
            ("source.ordinates_dropped", notes.cut, "positions with more than three numbers, of "
             "which the first three were kept"),
            ("source.heights_added", notes.raised, "positions with and without a height in one "
             "geometry: 0 was added to those without"),
            ("source.undecodable_kept", self._marked, "text that PostgreSQL cannot hold, kept as "
             "escapes such as \\u0000"),
        ]  # fmt: skip
        warnings = [
            self._order.warn(code, f"{tally.shown} with {what}.")
            for code, tally, what in said
            if tally.count
        ]
        warnings += [
            self._order.warn(
                "source.members_left_out",
                f"The member {name!r} of geometries was left out in {tally.shown}.",
            )
            for name, tally in list(notes.left_out.items())[:MAX_NAMES]
        ]
        root = [name for name in self._document.root_members if name not in _OWN_ROOT_MEMBERS]
        if root:
            names = ", ".join(map(repr, root[:MAX_NAMES]))
            message = f"Members of the collection were left out, since no table holds them: {names}"
            warnings.append(self._order.warn("source.members_left_out", f"{message}."))
        return warnings + self._missing_features() + self._column_warnings()

    def _missing_features(self) -> list[Warn]:
        """Return a warning where a service tells of more features than it gave."""
        found = [self._document.root_members.get(name, b"") for name in _COUNTS]
        matched = max((int(text) for text in found if text.isdigit()), default=0)
        if matched <= self._rows:
            return []
        message = f"The service gave {self._rows} of {matched} features: the others are missing in "
        message += "this file. Ask for the rest, page by page, and drop all of them."
        return [self._order.warn("source.incomplete", message)]

    def _column_warnings(self) -> list[Warn]:
        warnings = []
        for key, name in zip(self._keys, self._names, strict=True):
            kinds = frozenset(self._kinds[key])
            type_ = resolved(kinds)
            if is_changed(kinds, type_):
                message = f"Column {name!r} became {type_}, which keeps all of its values as they "
                message += f"were written: {', '.join(sorted(kinds))}."
                warnings.append(self._order.warn("column.kept_as_text", message))
            is_usual_id = key == _ID and name == key.name and type_ == "text"
            if key.is_member and not is_usual_id:
                message = f"The member {key.name!r} of the features became the column {name!r}."
                warnings.append(self._order.warn("column.from_member", message))
        return warnings

    def _digests(self, chunks: Iterator[Chunk]) -> Generator[Digest, None, None]:
        is_large = self._order.path.stat().st_size >= LARGE_BYTES
        if is_large and self._form is GEOJSON:
            return digests_together(chunks, self._form.shapes)
        return (digest(chunk, self._form.shapes) for chunk in chunks)

    def _keep(self, found: Digest, file: pa.NativeFile) -> None:
        """Take what a chunk holds, and write down its values."""
        for row in found.marked:
            self._marked.add(row)
        self._ids.take(found.ids)
        self._notes.take(found.notes)
        for key, kinds in found.kinds.items():
            self._kinds.setdefault(key, set()).update(kinds)
        if len(self._kinds) > MAX_COLUMNS:
            raise self._order.refusal(
                "too_many_columns",
                f"expected at most {MAX_COLUMNS} columns, found more.",
                remedy="Split the columns over several tables with a key, and drop those.",
                row=found.first,
            )
        self._parts.append(_Part(file.tell(), found.first, found.rows, found.places))
        self._rows += found.rows
        self._shapes += found.shapes
        file.write(found.stream)

    def _require_one_crs(self) -> None:
        """Refuse geometries and features that name a CRS which is not that of all others."""
        of_features, of_shapes = self._notes.feature_crs, self._notes.crs
        named = of_features | of_shapes
        if not named:
            return
        own = self._document.root_members.get("crs")
        if own is not None:
            is_one = set(named) == {json.dumps(exact(own), sort_keys=True)}
        else:
            is_one = len(named) == 1 and (
                sum(tally.count for tally in of_features.values()) == self._rows
                or sum(tally.count for tally in of_shapes.values()) == self._shapes
            )
        if not is_one:
            odd = min(named.values(), key=lambda tally: tally.count)
            found = f"a crs in {odd.shown} that not all geometries have"
            raise BrokenFeatureError(odd.first or 1, found, "mixed_crs")

    def _chosen_keys(self) -> list[Key]:
        keys = sorted(self._kinds, key=lambda key: not key.is_member)
        is_id_told = self._ids.is_told_otherwise
        return [key for key in keys if not (key == _ID and is_id_told)]

    def _chosen_names(self) -> list[str]:
        properties = [key.name for key in self._keys if not key.is_member]
        members = [
            f"feature_{key.name}" if key.name in properties else key.name
            for key in self._keys
            if key.is_member
        ]
        return [*distinct_names(members, reserved=properties, fold_case=False), *properties]

    def _needs_text(self, part: _Part, types: Sequence[str]) -> bool:
        """Return whether a column of a part can only be made from the file's text."""
        for key, type_ in zip(self._keys, types, strict=True):
            place = part.places.get(key, _ABSENT)
            if place is None or (place is not _ABSENT and not can_become(place.type, type_)):
                return True
        return False

    def _batch(
        self, part: _Part, local: pa.RecordBatch, chunk: Chunk | None, types: Sequence[str]
    ) -> pa.RecordBatch:
        exactly: dict[Key, list[Any]] = {}
        if chunk is not None and self._needs_text(part, types):
            exactly = columns_of(chunk, is_exact=True).columns
        arrays = []
        for key, type_ in zip(self._keys, types, strict=True):
            place = part.places.get(key, _ABSENT)
            if place is _ABSENT:
                arrays.append(pa.nulls(part.rows, arrow_type(type_)))
            elif place is not None and can_become(place.type, type_):
                arrays.append(final_array(local.column(place.position), type_))
            else:
                arrays.append(self._exact(exactly[key], type_, part))
        names = [column_name(n) for n in range(len(arrays))]
        shapes = local.column(local.num_columns - 1)
        return pa.RecordBatch.from_arrays([*arrays, shapes], [*names, GEOMETRY_COLUMN])

    def _exact(self, values: list[Any], type_: str, part: _Part) -> pa.Array:
        if type_ == "json":
            for row, value in enumerate(values, part.first):
                if has_constants(value):
                    found = "NaN or Infinity inside of an object or array, which JSON cannot hold"
                    raise BrokenFeatureError(row, found)
        return exact_array(values, type_)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what is wrong with a feature into the refusal of the file."""
        try:
            yield
        except NotGeoJsonError as err:
            raise unknown_format(self._order.file, look_of(self._order.path)) from err
        except BrokenFeatureError as err:
            raise self._refusal(err.code, err, err.row) from err
        except JsonTextError as err:
            raise self._refusal("unreadable", err, self._rows + 1) from err

    def _refusal(self, code: str, found: Exception, row: int) -> Exception:
        return self._order.refusal(
            code,
            f"expected {self._form.feature}, found {found}.",
            remedy="Correct this feature, or export the file anew, and drop it again.",
            row=row,
        )
