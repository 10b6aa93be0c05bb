"""The tables of GeoJSON, and of TopoJSON and ESRI JSON, which are made GeoJSON first.

What belongs here: which tables such a file has, and the CRS of each. What does not: reading
features (`libs.geojson`), writing them down (`describe_table`).
"""

import gc
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from libs.geojson.documents import NotGeoJsonError
from libs.geojson.esri import FeatureSet
from libs.geojson.reader import Form, GeoJsonReader
from libs.geojson.texts import JsonTextError
from libs.geojson.topology import Topology
from libs.models.version import Warn
from libs.spatial_utils.crs_text import CrsText, crs_of_member
from libs.spatial_utils.drivers import unknown_format
from libs.spatial_utils.found_table import FoundTable, crs_named
from libs.spatial_utils.layers import GeometryField, GeometryTypeRows
from libs.spatial_utils.looks import look_of
from libs.spatial_utils.table_request import TableRequest
from libs.tabular.reader import ReadOrder

WGS_84, WGS_84_HIGH = "EPSG:4326", "EPSG:4979"
MADE_FILE = "made.geojson"
_NAMES = {"TopoJSON": "a TopoJSON topology", "ESRIJSON": "an ESRI feature set"}

_Geometries = Callable[[Sequence[GeometryTypeRows]], tuple[GeometryField, ...]]


def json_tables(request: TableRequest) -> tuple[Iterator[FoundTable], tuple[str, ...]]:
    """Return the tables of a file, each to be read before the next, and the names of others.

    Raises `SourceError`, also while the tables are taken.
    """
    # What is decoded has no cycles, and looking for some would double the time.
    gc.disable()
    if request.driver == "TopoJSON":
        return _objects(request)
    one = _feature_set(request) if request.driver == "ESRIJSON" else _geojson(request)
    return one, ()


def _geojson(request: TableRequest) -> Iterator[FoundTable]:
    source = GeoJsonReader(request.order, request.spool)
    said = crs_of_member(source.crs_member)

    def geometries(types: Sequence[GeometryTypeRows]) -> tuple[GeometryField, ...]:
        by_default = WGS_84_HIGH if any(item.has_z for item in types) else WGS_84
        return (GeometryField(name="", crs=crs_named(said.text or by_default)),)

    yield _table(source, said, geometries)


def _objects(request: TableRequest) -> tuple[Iterator[FoundTable], tuple[str, ...]]:
    with _told(request):
        topology = Topology.read(request.path)
    wanted = [name for name in topology.objects if not request.layers or name in request.layers]
    others = tuple(name for name in topology.objects if name not in wanted)
    return (_object(request, topology, name) for name in wanted), others


def _object(request: TableRequest, topology: Topology, name: str) -> FoundTable:
    order = _made(request, name, lambda path: topology.write(name, path))
    source = GeoJsonReader(order, request.spool, Form("a TopoJSON geometry"))
    said = crs_of_member(source.crs_member)
    crs = crs_named(said.text) if said.text else None
    warnings = _topology_warnings(topology, order)
    return _table(source, said, lambda _: (GeometryField(name="", crs=crs),), warnings)


def _topology_warnings(topology: Topology, order: ReadOrder) -> list[Warn]:
    """Return what is to be said of the object that was written last."""
    said = []
    if topology.left_out:
        names = ", ".join(map(repr, topology.left_out))
        message = f"Members of the topology or of nested geometries were left out: {names}."
        said.append(order.warn("source.members_left_out", message))
    if topology.padded:
        message = f"{topology.padded} lines or rings have too few positions, as their arcs were "
        message += "simplified: their first position was repeated."
        said.append(order.warn("geometry.positions_repeated", message))
    topology.left_out, topology.padded = {}, 0
    return said


def _feature_set(request: TableRequest) -> Iterator[FoundTable]:
    with _told(request):
        found = FeatureSet(request.path)
        if found.is_quantized:
            raise request.order.refusal(
                "quantized",
                "expected coordinates in the CRS of the feature set, found steps on a grid "
                "(the member 'transform').",
                remedy="Ask the service again without quantizationParameters.",
            )
    order = _made(request, request.layer, found.write)
    references = found.spatial_references
    if len(references) > 1:
        shown = " and ".join(map(json.dumps, references[:2]))
        raise order.refusal(
            "mixed_crs",
            f"expected one spatial reference, found {shown}.",
            remedy="Split the features into one file a spatial reference.",
        )
    said = CrsText(_esri_crs(references[0]) if references else "")
    source = GeoJsonReader(order, request.spool, Form("an ESRI feature", found.shapes, found.kinds))
    crs = crs_named(said.text) if said.text else None
    warnings = [order.warn(code, message) for code, message in found.losses()]
    table = _table(source, said, lambda _: (GeometryField(name="", crs=crs),), warnings)
    yield table if found.has_geometry else _without_geometry(table)


def _esri_crs(reference: Any) -> str:
    """Return a name or a definition of a spatial reference, else its JSON."""
    if not isinstance(reference, dict):
        return json.dumps(reference)
    codes = [reference.get(name) for name in ("latestWkid", "wkid")]
    named = [f"{authority}:{code}" for code in codes if code for authority in ("EPSG", "ESRI")]
    known = next((name for name in named if crs_named(name)), None)
    return known or str(reference.get("wkt") or json.dumps(reference))


def _made(request: TableRequest, layer: str, write: Callable[[Path], None]) -> ReadOrder:
    """Return the order to read what `write` makes."""
    path = request.spool / MADE_FILE
    with _told(request):
        write(path)
    return replace(request.order, path=path, layer=layer)


def _table(
    source: GeoJsonReader, said: CrsText, geometries: _Geometries, warnings: Sequence[Warn] = ()
) -> FoundTable:
    return FoundTable(
        layer=source.layer,
        survey=source.survey,
        has_geometry=True,
        geometries=geometries,
        batches=source.batches,
        warnings=lambda: [*warnings, *source.warnings()],
        crs_text=said,
    )


def _without_geometry(table: FoundTable) -> FoundTable:
    def batches(types: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for batch in table.batches(types):
            yield batch.select(batch.schema.names[:-1])

    return replace(table, has_geometry=False, geometries=lambda _: (), batches=batches)


@contextmanager
def _told(request: TableRequest) -> Iterator[None]:
    """Turn what is wrong with a document into the refusal of the file."""
    try:
        yield
    except NotGeoJsonError as err:
        raise unknown_format(request.file, look_of(request.path)) from err
    except JsonTextError as err:
        raise request.order.refusal(
            "unreadable",
            f"expected {_NAMES[request.driver]}, found {err}.",
            remedy="Correct the file, or export it anew, and drop it again.",
        ) from err
