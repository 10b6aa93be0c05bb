"""Describe a vector source as GDAL reads it: a reader for a child process of its own.

The request is a JSON document with `path`, `driver`, `open_options`, `types` (of the columns, where
they are known better than the format knows them), `layers` (which are read; all where none is
named) and `spool` (a folder to write them to, as Arrow batches); the answer on stdout is one JSON
document. GDAL's bindings are those of Debian's packages, so that it reads with the libgdal that
ogr2ogr uses.

What belongs here: facts. What does not: whether the facts are acceptable (`libs.pipeline.kinds`).
"""

import collections
import json
import re

import pyarrow as pa
from osgeo import gdal, ogr, osr

from libs.fidelity.tally import TableTally
from libs.fidelity.wkb import WkbError
from libs.models.errors import SourceError
from libs.models.version import Warn
from libs.spatial_utils import (
    field_losses,
    flatgeobuf_values,
    geopackage_books,
    gml_features,
    gml_values,
    gpx_losses,
    gpx_values,
    kml_fields,
    kml_losses,
    sqlite_values,
)
from libs.spatial_utils.column_types import from_ogr
from libs.spatial_utils.dxf_drawings import changes_in_drawing
from libs.spatial_utils.element_losses import OSM_WARNING
from libs.spatial_utils.exact_values import exact_columns, mended
from libs.spatial_utils.gdal_messages import MessageKinds
from libs.spatial_utils.mapinfo_curves import drawn_curves
from libs.spatial_utils.references import SQLITE_DRIVERS
from libs.spatial_utils.stored_values import StoredLayer
from libs.tabular.wkb_forms import with_plain_wkb

BATCH_BYTES = 16 * 1024 * 1024
MAX_BATCH_ROWS = 65_536
EXAMPLES = 5
UNKNOWN_SIZE_ROWS = 1_000
ROW_NUMBER = re.compile(r"fid|og[cr]_fid|objectid(_\d+)?|_?rowid_?|oid|rowno", re.IGNORECASE)
FLATGEOBUF = "FlatGeobuf"
"""Its files tell how many features they hold, and GDAL ends early without a word."""
KML, GEOPACKAGE = "LIBKML", "GPKG"
LINES_OF_POINTS = (("GPX", "routes"), ("GPX", "tracks"))
"""Layers whose lines may have one point: GPX knows such segments, Simple Features does not."""

LEFT_OUT = re.compile("gnoring (all|one or more)")
VALUE_OF_A_COLUMN = re.compile(
    r"(Non-conformant|Invalid) content for record|Value '.*' of field .* parsed incompletely|"
    r"Could not parse .* as a valid dateTime"
)
"""What GDAL says of single values: of no use where all were compared with what is stored."""

PROBLEMS = collections.defaultdict(MessageKinds)
"""What GDAL said, by whether it is an error and its number."""
WARNINGS = []
"""What we found that GDAL does not tell of, with codes of ours."""


def collect_problem(error_class, number, message):
    """Keep errors, warnings, and debug messages about what a driver leaves out."""
    if error_class >= gdal.CE_Warning or LEFT_OUT.search(message):
        PROBLEMS[error_class >= gdal.CE_Failure, number].add(message)


def complain(message):
    """Keep an error that GDAL does not tell of."""
    PROBLEMS[True, 0].add(message)


def described_problems(driver):
    """Return the problems as the answer has them."""
    is_compared = driver in (*SQLITE_DRIVERS, "GPX") and all(
        warning.code != "source.values_unchecked" for warning in WARNINGS
    )
    return [
        {"is_error": is_error, "number": number, "message": message}
        for (is_error, number), kinds in PROBLEMS.items()
        for message in kinds.said()
        if not (is_compared and VALUE_OF_A_COLUMN.match(message))
    ]


def describe_crs(srs):
    """Return the layer's CRS as WKT2, and whether x and y stand in the CRS's own, swapped order."""
    if srs is None:
        return None
    is_lat_lon = srs.EPSGTreatsAsLatLong() or srs.EPSGTreatsAsNorthingEasting()
    return {
        "wkt": srs.ExportToWkt(["FORMAT=WKT2_2019"]) or srs.ExportToWkt(),
        "is_swapped": bool(is_lat_lon) and list(srs.GetDataAxisToSRSAxisMapping())[:2] == [1, 2],
        "epoch": srs.GetCoordinateEpoch() or None,
    }


def crs_of_features(layer, driver):
    """Return the distinct CRSs of a layer's features, None for one without; only GML has such.

    GDAL gives a layer none where its features spell one CRS in several ways, and turns coordinates
    by the axis order that each spelling stands for.
    """
    if driver != "GML" or layer.GetSpatialRef() is not None:
        return []
    spelled = {}
    for feature in layer:
        geometry = feature.GetGeometryRef()
        if geometry is not None:
            srs = geometry.GetSpatialReference()
            key = srs and (srs.GetName(), tuple(srs.GetDataAxisToSRSAxisMapping()))
            spelled.setdefault(key, srs and srs.Clone())
    layer.ResetReading()
    distinct = []
    for srs in spelled.values():
        if not any(srs is other or (srs and other and srs.IsSame(other)) for other in distinct):
            distinct.append(srs)
    return distinct


def describe_geometry_type(number):
    """Return a geometry type taken apart."""
    flat = ogr.GT_Flatten(number)
    return {
        "name": ogr.GeometryTypeToName(flat).replace(" ", ""),
        "has_z": bool(ogr.GT_HasZ(number)),
        "has_m": bool(ogr.GT_HasM(number)),
        "is_curve": bool(ogr.GT_IsNonLinear(number)),
    }


def describe_layer(layer, request, size_bytes, spool):
    """Return the facts about a layer; every feature is read."""
    driver, types = request["driver"], request["types"]
    definition = layer.GetLayerDefn()
    of_features = crs_of_features(layer, driver)
    only = of_features[0] if len(of_features) == 1 else None
    names = [srs.GetName() if srs else "none" for srs in of_features]
    geometries = [
        {
            "name": field.GetName(),
            "crs": describe_crs(field.GetSpatialRef() or layer.GetSpatialRef() or only),
            "feature_crs": names if len(names) > 1 else [],
        }
        for field in map(definition.GetGeomFieldDefn, range(definition.GetGeomFieldCount()))
    ]
    fields = [definition.GetFieldDefn(position) for position in range(definition.GetFieldCount())]
    described = [
        {
            "name": field.GetName(),
            "type": field.GetTypeName(),
            "subtype": ogr.GetFieldSubTypeName(field.GetSubType()),
        }
        for field in fields
    ]
    place = {"key": layer.GetFIDColumn(), "geometry": layer.GetGeometryColumn()}
    stored, scanned = stored_in(layer, request, described, place)
    WARNINGS.extend([*stored.warnings, *field_losses.left_out(layer)])
    for position, column in stored.columns.items():
        described[position] |= {"type": column.type, "subtype": "None"}
    own_types = [from_ogr(field["type"], field["subtype"]) for field in described]
    key = key_column(layer)
    key_types = ["bigint"] if key else []
    tally = TableTally(types or [*key_types, *own_types], has_geometry=bool(geometries))
    # What we wrote ourselves, and know the types of, has no zone but UTC.
    exact = scanned | exact_columns(
        layer, described, driver, complain, with_zones=types is None, known=scanned
    )
    read(layer, driver, {**exact, **stored.columns}, tally, size_bytes, spool)
    nulls = tally.facts.geometry.nulls if geometries else 0
    if stored.geometries not in (None, tally.rows - nulls):
        are_read = (feature.GetGeometryRef() is not None for feature in layer)
        raise sqlite_values.unread_geometry(request["path"], layer.GetName(), are_read, **place)
    announced = layer.GetFeatureCount(False)
    if driver == FLATGEOBUF and announced > tally.rows:
        complain(f"the header tells of {announced} features, {tally.rows} could be read")
    for position, column in exact.items():
        if column.kind == "DateTime":
            described[position]["zones"] = column.zones
    if key:
        described.insert(0, {"name": key, "type": "Integer64", "subtype": "None"})
    return {
        "name": layer.GetName(),
        "declared_type": describe_geometry_type(layer.GetGeomType()),
        "geometry_fields": geometries,
        "geometry_types": [
            {**describe_geometry_type(number), "rows": rows}
            for number, rows in tally.geometry_types.items()
        ],
        "fields": described,
        "facts": tally.facts.model_dump(mode="json"),
        "measured_s": tally.seconds,
    }


def stored_in(layer, request, described, place):
    """Return what a file stores in a layer where GDAL would change it, and where its stream would.

    `place` names the layer's key and geometry columns. What we wrote ourselves, and know the types
    of, is left to GDAL.
    """
    if request["driver"] == FLATGEOBUF:
        is_ours = request["types"] is not None
        return flatgeobuf_values.stored_layer(
            request["path"], layer.GetName(), described, is_ours=is_ours
        )
    return stored_by_reader(layer, request, described, place), {}


def stored_by_reader(layer, request, described, place):
    """Return what the file stores where GDAL would change it, for drivers with a reader of ours."""
    driver, path = request["driver"], request["path"]
    if driver in SQLITE_DRIVERS and request["types"] is None:
        return sqlite_values.stored_layer(path, layer.GetName(), described, **place)
    if driver == "GML":
        return gml_values.stored_layer(layer, described)
    if driver == "GPX":
        return gpx_values.stored_layer(path, layer.GetName(), described)
    return StoredLayer()


def key_column(layer):
    """Return the name of the key that GDAL takes for a feature's number; None where it is no more.

    A database's own key is data; a number that GDAL or ArcGIS gave to each row is not.
    """
    name = layer.GetFIDColumn()
    is_column = bool(name) and ROW_NUMBER.fullmatch(name) is None
    return name if is_column and layer.GetLayerDefn().GetFieldIndex(name) < 0 else None


def read(layer, driver, exact, tally, size_bytes, spool):
    """Let all features of a layer pass the tally, and write them to `spool` where it is given.

    `exact` are the columns that are not taken from the stream. GDAL hands the geometries of a
    GeoPackage on as they are stored, big-endian ones included. Without FIDs GDAL 3.6 gives the
    geometries of a GeoPackage that has no attributes as empty bytes: there they are read and
    dropped.
    """
    count = layer.GetFeatureCount(False)
    rows = UNKNOWN_SIZE_ROWS
    if count > 0:
        rows = min(MAX_BATCH_ROWS, max(1, BATCH_BYTES * count // max(1, size_bytes)))
    definition = layer.GetLayerDefn()
    is_bare = definition.GetFieldCount() == 0 and definition.GetGeomFieldCount() > 0
    has_fid = key_column(layer) is not None or is_bare
    stream = layer.GetArrowStreamAsPyArrow(
        [f"INCLUDE_FID={'YES' if has_fid else 'NO'}", f"MAX_FEATURES_IN_BATCH={rows}"]
    )
    if stream is None:
        return
    with Spool(spool) as target:
        try:
            for record in tally.passing(records(layer, driver, exact, stream, has_fid)):
                target.write(record)
        except WkbError as err:
            raise SourceError(
                "source.broken_geometry",
                f"expected geometries as WKB, found {err}.",
                remedy="Correct or remove this geometry, and drop the file again.",
                layer=layer.GetName(),
                row=tally.rows + err.position + 1,
            ) from err


def records(layer, driver, exact, stream, has_fid):
    """Yield the batches of a stream as they are measured and written."""
    has_key = key_column(layer) is not None
    has_geometry = layer.GetLayerDefn().GetGeomFieldCount() > 0
    rows = 0
    for batch in stream:
        arrays = batch.flatten()
        fids = [arrays.pop(0)] if has_fid else []
        arrays = (fids if has_key else []) + mended(arrays, exact, rows)
        if (driver, layer.GetName()) in LINES_OF_POINTS:
            arrays[-1], short = with_lines_of_two(arrays[-1])
            tell_short_lines(layer.GetName(), [rows + row + 1 for row in short])
        if driver == GEOPACKAGE and has_geometry:
            arrays[-1], _ = with_plain_wkb(arrays[-1])
        rows += len(batch)
        yield pa.RecordBatch.from_arrays(arrays, [str(n) for n in range(len(arrays))])


def with_lines_of_two(geometries):
    """Return WKB lines in which each line of one point has it twice, and their rows from 0."""
    found = geometries.to_pylist()
    rows = []
    for row, wkb in enumerate(found):
        geometry = ogr.CreateGeometryFromWkb(wkb) if wkb else None
        if geometry is None:
            continue
        parts = [geometry.GetGeometryRef(n) for n in range(geometry.GetGeometryCount())]
        short = [part for part in parts or [geometry] if part.GetPointCount() == 1]
        for part in short:
            add = part.AddPoint if part.Is3D() else part.AddPoint_2D
            add(*part.GetPoint(0)[: part.GetCoordinateDimension()])
        if short:
            found[row] = bytes(geometry.ExportToIsoWkb(ogr.wkbNDR))
            rows.append(row)
    return (pa.array(found, geometries.type) if rows else geometries), rows


def tell_short_lines(layer, rows):
    """Warn of lines that had one point."""
    if rows:
        shown = ", ".join(map(str, rows[:EXAMPLES])) + (", …" if len(rows) > EXAMPLES else "")
        message = (
            f"{len(rows)} lines of {layer} have a segment of one point (row {shown}), which no "
            "line can have: it became a segment that has the point twice."
        )
        WARNINGS.append(Warn(code="geometry.point_as_line", message=message, layer=layer))


class Spool:
    """A file of Arrow batches, made when the first one comes; none without a path."""

    def __init__(self, path):
        self._path = path
        self._writer = None

    def write(self, record):
        """Append a batch, its columns named by position."""
        if self._path is None:
            return
        if self._writer is None:
            self._writer = pa.ipc.new_stream(self._path, record.schema)
        self._writer.write_batch(record)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._writer is not None:
            self._writer.close()


def open_source(request):
    """Return the source that `request` names; None where its driver does not know it."""
    return gdal.OpenEx(
        request["path"],
        gdal.OF_VECTOR | gdal.OF_READONLY,
        allowed_drivers=[request["driver"]],
        open_options=request["open_options"],
    )


def each_layer(source, request, names):
    """Yield the layers of a source that are asked for, each so that it can be read to its end.

    `names` are those of the layers by position. OSM's layers come out of one stream, and GDAL loses
    features of a layer that waits for another one: each is read from a source of its own, in which
    no other layer is of interest.
    """
    for position, name in names.items():
        if request["layers"] and name not in request["layers"]:
            continue
        own = source
        if request["driver"] == "OSM":
            own = open_source(request)
            own.ExecuteSQL(f"SET interest_layers = {name}")
        yield own.GetLayer(position)


def layer_names(source, request):
    """Return the names of the layers by position, without what a module of SQLite keeps."""
    names = {number: source.GetLayer(number).GetName() for number in range(source.GetLayerCount())}
    if request["driver"] not in SQLITE_DRIVERS:
        return names
    kept = sqlite_values.tables_of_modules(request["path"])
    virtual = [name for name in names.values() if kept.get(name.lower())]
    if virtual:
        message = f"Virtual tables, such as search indexes, were left out: {', '.join(virtual)}."
        WARNINGS.append(Warn(code="source.layers_left_out", message=message))
    return {number: name for number, name in names.items() if name.lower() not in kept}


def field_names(source):
    """Return the names of the fields of all layers."""
    definitions = [source.GetLayer(n).GetLayerDefn() for n in range(source.GetLayerCount())]
    return {d.GetFieldDefn(n).GetName() for d in definitions for n in range(d.GetFieldCount())}


def labels_left_out(source):
    """Return a warning of texts that stand in the styles of features, as MapInfo has them."""
    count = 0
    for number in range(source.GetLayerCount()):
        name = source.GetLayer(number).GetName().replace('"', '""')
        query = f"SELECT COUNT(*) FROM \"{name}\" WHERE OGR_STYLE LIKE 'LABEL%'"  # noqa: S608
        found = source.ExecuteSQL(query)
        count += found.GetNextFeature().GetField(0) if found else 0
        source.ReleaseResultSet(found)
    if not count:
        return []
    message = f"The texts of {count} text objects were left out; their places were kept."
    return [Warn(code="source.elements_left_out", message=message)]


def left_out(source, request):
    """Return the warnings of what the driver does not read of a document."""
    driver, path = request["driver"], request["path"]
    if driver == "MapInfo File":
        return [*labels_left_out(source), *drawn_curves(path)]
    if driver == "DXF":
        return changes_in_drawing(path)
    if driver == KML:
        return kml_losses.left_out(path, field_names(source))
    if driver == "GPX":
        return gpx_losses.left_out(path)
    return [OSM_WARNING] if driver == "OSM" else []


def leave_only(driver):
    """Take every other vector driver away, so that nothing a file refers to can be opened."""
    drivers = [gdal.GetDriver(number) for number in range(gdal.GetDriverCount())]
    for other in drivers:
        if other.ShortName != driver and other.GetMetadataItem(gdal.DCAP_VECTOR):
            other.Deregister()


def main(text):
    """Print the description of the source that a request names."""
    request = json.loads(text)
    leave_only(request["driver"])
    gdal.PushErrorHandler(collect_problem)
    osr.DontUseExceptions()
    answer = {"driver": None, "layers": [], "reason": None}
    try:
        if request["driver"] == KML:
            WARNINGS.extend(kml_fields.declare_texts(request["path"]))
        if request["driver"] == "GML":
            WARNINGS.extend(gml_features.look_at_features(request["path"]))
        if request["driver"] == GEOPACKAGE and request["types"] is None:
            WARNINGS.extend(geopackage_books.register_features(request["path"]))
        source = open_source(request)
        if source is not None:
            names, wanted = layer_names(source, request), request["layers"]
            layers = described_layers(source, request, names)
            answer |= {"driver": request["driver"], "layers": layers}
            answer["other_layers"] = [n for n in names.values() if wanted and n not in wanted]
            WARNINGS.extend(left_out(source, request))
    except SourceError as err:
        answer["reason"] = err.reason.model_dump()
    answer["problems"] = described_problems(request["driver"])
    answer["warnings"] = [warning.model_dump() for warning in WARNINGS]
    print(json.dumps(answer))  # noqa: T201 - this program's answer


def described_layers(source, request, names):
    """Return the facts about each layer of a source."""
    size_bytes = gdal.VSIStatL(request["path"]).size
    return [
        describe_layer(
            layer,
            request,
            size_bytes,
            f"{request['spool']}/{position}.arrow" if request["spool"] else None,
        )
        for position, layer in enumerate(each_layer(source, request, names))
    ]
