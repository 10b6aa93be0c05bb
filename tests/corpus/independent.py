"""Read a source by other means than the service: pyogrio's own GDAL, pyarrow, Python's csv.

What belongs here: one function a family of formats, all returning `Content`. What does not:
comparing (`comparison`).
"""

import csv
import gzip
import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyogrio
import shapely
from pyproj import CRS

from libs.spatial_utils.opening import OSM_CONFIG
from tests.corpus.content import Content, content_of

ENVELOPE = ("lowerCorner", "upperCorner", "Envelope_srsName", "Envelope_srsDimension")
MAX_CSV_FIELD = 2**31 - 1
pyogrio.set_gdal_config_options({"GML_FIELDTYPES": "ALWAYS_STRING"})


class NotReadError(Exception):
    """The independent reader cannot read this source: there is nothing to compare with."""


def read_source(path: Path, layer: str, scratch: Path, *, encoding: str | None = None) -> Content:
    """Return what a layer of `path` holds; `path` may go on inside an archive after `!/`."""
    path = _unpacked(path, scratch)
    try:
        if path.suffix.lower() in (".parquet", ".geoparquet"):
            return _read_parquet(path)
        return _read_with_gdal(path, layer, encoding)
    except NotReadError:
        raise
    except Exception as err:
        raise NotReadError(f"{type(err).__name__}: {err}"[:300]) from err


def read_published(path: Path) -> Content:
    """Return what a published GeoParquet or Parquet file holds, without its bounding boxes."""
    return _read_parquet(path)


def read_csv(path: Path, delimiter: str | None, encoding: str | None) -> Content:
    """Return a CSV's cells as text; Python's reader cannot tell an empty cell from NULL."""
    csv.field_size_limit(MAX_CSV_FIELD)
    try:
        text = path.read_bytes().decode(encoding or "utf-8-sig")
        dialect = csv.Sniffer().sniff(text[:10_000], delimiter or ",;\t|")
        header, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=dialect.delimiter)
    except (UnicodeDecodeError, LookupError, csv.Error, ValueError) as err:
        raise NotReadError(str(err)) from err
    rows = [row for row in rows if row]
    if any(len(row) != len(header) for row in rows):
        raise NotReadError("rows of different lengths")
    columns = tuple([row[n] for row in rows] for n in range(len(header)))
    return Content(tuple(header), columns, None, None, len(rows))


def _read_parquet(path: Path) -> Content:
    table = pq.read_table(path)
    geo = json.loads((table.schema.metadata or {}).get(b"geo", b"{}"))
    geometry = geo.get("primary_column")
    if geometry is None:
        return content_of(table, None, None)
    column = geo["columns"][geometry]
    if column.get("encoding") != "WKB":
        raise NotReadError("a GeoParquet whose geometries are not WKB")
    covering = column.get("covering", {}).get("bbox", {}).get("xmin", [None])[0]
    if covering:
        table = table.drop_columns([covering])
    crs = column.get("crs", "OGC:CRS84")
    return content_of(table, geometry, CRS.from_user_input(crs) if crs else None)


def _read_with_gdal(path: Path, layer: str, encoding: str | None) -> Content:
    """Return a layer without a KML's ids, and without those that GDAL gives a TopoJSON.

    GDAL 3.6 reads no ids of Placemarks, and `libs.spatial_utils.kml_losses` says so. No schema
    beside a GML is read, as `libs.spatial_utils.opening` says.
    """
    layers = [str(name) for name in pyogrio.list_layers(path)[:, 0]]
    if layer not in layers and len(layers) > 1:
        raise NotReadError(f"layer {layer!r} is not among {layers}"[:300])
    name = layer if layer in layers else layers[0]
    options: dict[str, Any] = {"encoding": encoding} if encoding else {}
    if path.suffix.lower() in (".osm", ".pbf"):
        options |= {"CONFIG_FILE": str(OSM_CONFIG), "USE_CUSTOM_INDEXING": "NO"}
    if path.suffix.lower() in (".gml", ".xml"):
        options |= {"EXPOSE_GML_ID": "YES", "GML_ATTRIBUTES_TO_OGR_FIELDS": "YES"}
        options |= {"XSD": "none", "EMPTY_AS_NULL": "NO", "WRITE_GFS": "NO"}
    meta, table = pyogrio.raw.read_arrow(path, layer=name, datetime_as_string=True, **options)
    if path.suffix.lower() == ".json" and not table.num_rows:
        raise NotReadError("GDAL finds no feature in lines of collections")
    geometry = meta["geometry_name"] or "wkb_geometry"
    if meta["geometry_type"] is None or geometry not in table.column_names:
        geometry = None
    crs = CRS.from_user_input(meta["crs"]) if meta["crs"] else None
    if "id" in table.column_names and _has_no_ids(path, name):
        table = table.drop_columns(["id"])
    if path.suffix.lower() == ".gml":
        table = _without_envelopes(table)
    found = content_of(table, geometry, crs)
    if path.suffix.lower() == ".dxf":
        return _with_flat_splines(found)
    return _with_empty_shapes(found, path) if path.suffix.lower() == ".geojson" else found


def _has_no_ids(path: Path, layer: str) -> bool:
    if pyogrio.read_info(path, layer=layer)["driver"] == "TopoJSON":
        return '"id":' not in json.dumps(json.loads(path.read_bytes())["objects"][layer])
    return path.suffix.lower() == ".kml"


def _without_envelopes(table: pa.Table) -> pa.Table:
    """Return a GML's table without the envelopes of its features, and lists of one as values.

    GDAL 3.12 makes columns of the first, and lists of elements that are nil somewhere.
    """
    corners = [name for name in ENVELOPE if name in table.column_names]
    table = table.drop_columns(corners)
    for position, field in enumerate(table.schema):
        column = table.column(position)
        if pa.types.is_list(field.type) and pc.max(pc.list_value_length(column)).as_py() == 1:
            values = [value and value[0] for value in column.to_pylist()]
            table = table.set_column(position, field.name, pa.array(values, field.type.value_type))
    return table


def _with_flat_splines(found: Content) -> Content:
    """Return a drawing whose splines at height 0 have no heights, as GDAL 3.6 draws them."""
    if found.geometry is None or "SubClasses" not in found.names:
        return found
    classes = found.columns[found.names.index("SubClasses")]
    shapes = shapely.from_wkb(np.array(found.geometry, dtype=object), on_invalid="ignore")
    geometry = [
        shapely.to_wkb(shapely.force_2d(shape)) if shape and _is_flat_spline(kind, shape) else wkb
        for kind, shape, wkb in zip(classes, shapes, found.geometry, strict=True)
    ]
    return replace(found, geometry=geometry)


def _is_flat_spline(kind: str | None, shape: Any) -> bool:
    heights = shapely.get_coordinates(shape, include_z=True)[:, 2]
    return (kind or "").endswith("AcDbSpline") and not heights.any()


def _with_empty_shapes(found: Content, path: Path) -> Content:
    """Return GeoJSON with its geometries without coordinates, which GDAL takes for none."""
    document = json.loads(path.read_bytes())
    shapes = [feature.get("geometry") for feature in document.get("features", ())]
    if found.geometry is None or len(shapes) != found.rows:
        return found
    geometry = [
        shapely.to_wkb(shapely.from_geojson(json.dumps(shape))) if shape and not wkb else wkb
        for wkb, shape in zip(found.geometry, shapes, strict=True)
    ]
    return replace(found, geometry=geometry)


def read_csv_with_wkt(path: Path, names: Collection[str], encoding: str | None) -> Content:
    """Return a CSV whose one column that is not among `names` is geometries in WKT."""
    cells = read_csv(path, None, encoding)
    others = [n for n, name in enumerate(cells.names) if name not in names]
    if len(others) != 1:
        raise NotReadError(f"{len(others)} columns of {path.name} may be its geometries")
    wkt = [text or None for text in cells.columns[others[0]]]
    kept = [n for n in range(len(cells.names)) if n != others[0]]
    return Content(
        names=tuple(cells.names[n] for n in kept),
        columns=tuple([text or None for text in cells.columns[n]] for n in kept),
        geometry=[text and shapely.to_wkb(shapely.from_wkt(text)) for text in wkt],
        crs=None,
        rows=cells.rows,
    )


def _unpacked(path: Path, scratch: Path) -> Path:
    """Return the file itself, taken out of its archive where the path goes on inside one."""
    outer, found, member = str(path).partition("!/")
    archive = Path(outer)
    if not found:
        return _inflated(archive, scratch)
    folder = scratch / "unpacked"
    if not folder.exists():
        _extract(archive, folder)
    return folder.joinpath(*PurePosixPath(member.replace("!/", "/")).parts)


def _inflated(path: Path, scratch: Path) -> Path:
    if path.suffix.lower() != ".gz" or tarfile.is_tarfile(path):
        return path
    target = scratch / path.stem
    with gzip.open(path) as packed, target.open("wb") as plain:
        shutil.copyfileobj(packed, plain)
    return target


def _extract(archive: Path, folder: Path) -> None:
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as source:
                for info in source.infolist():
                    name = info.filename.replace("\\", "/")
                    if not name.endswith("/"):
                        _write(folder / name, source.read(info))
            return
        with tarfile.open(archive) as source:
            for item in source:
                if (packed := source.extractfile(item)) is not None:
                    _write(folder / item.name, packed.read())
    except (zipfile.BadZipFile, tarfile.TarError, OSError, RuntimeError, ValueError) as err:
        raise NotReadError(f"the archive: {err}") from err


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
