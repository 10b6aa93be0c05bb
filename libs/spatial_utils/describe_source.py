"""Describe a vector source as GDAL reads it: a program for the Python that has GDAL's bindings.

Run as `python3 describe_source.py PATH DRIVER[,DRIVER…] [ENCODING]` in a child process of its own;
prints one JSON document. It imports nothing of this project: it runs under Debian's interpreter,
beside the same libgdal that ogr2ogr uses.

What belongs here: facts. What does not: whether the facts are acceptable (`libs.pipeline.fetch`).
"""

import json
import sys

from osgeo import gdal, ogr, osr

PROBLEMS = []


def collect_problem(error_class, number, message):
    """Keep what GDAL says; class 2 is a warning, 3 and above an error."""
    if error_class >= gdal.CE_Warning:
        is_error = error_class >= gdal.CE_Failure
        PROBLEMS.append({"is_error": is_error, "number": number, "message": message})


def describe_crs(srs):
    """Return the layer's CRS as WKT2, and whether x and y stand in the CRS's own, swapped order."""
    if srs is None:
        return None
    is_lat_lon = srs.EPSGTreatsAsLatLong() or srs.EPSGTreatsAsNorthingEasting()
    return {
        "wkt": srs.ExportToWkt(["FORMAT=WKT2_2019"]) or srs.ExportToWkt(),
        "is_swapped": bool(is_lat_lon) and list(srs.GetDataAxisToSRSAxisMapping())[:2] == [1, 2],
    }


def describe_field(field):
    """Return a field's name, OGR type and subtype."""
    return {
        "name": field.GetName(),
        "type": field.GetTypeName(),
        "subtype": ogr.GetFieldSubTypeName(field.GetSubType()),
    }


def describe_geometry_type(number):
    """Return a geometry type taken apart."""
    flat = ogr.GT_Flatten(number)
    return {
        "name": ogr.GeometryTypeToName(flat).replace(" ", ""),
        "has_z": bool(ogr.GT_HasZ(number)),
        "has_m": bool(ogr.GT_HasM(number)),
        "is_curve": bool(ogr.GT_IsNonLinear(number)),
    }


def describe_layer(layer):
    """Return the facts about a layer; every feature is read."""
    definition = layer.GetLayerDefn()
    geometries = [
        {"name": field.GetName(), "crs": describe_crs(field.GetSpatialRef())}
        for field in map(definition.GetGeomFieldDefn, range(definition.GetGeomFieldCount()))
    ]
    types = []
    if geometries:
        counted = layer.GetGeometryTypes()
        types = [
            {**describe_geometry_type(number), "rows": rows}
            for number, rows in counted.items()
            if number != ogr.wkbNone
        ]
        rows = sum(counted.values())
    else:
        rows = sum(1 for _ in layer)
    return {
        "name": layer.GetName(),
        "rows": rows,
        "declared_type": describe_geometry_type(layer.GetGeomType()),
        "geometry_fields": geometries,
        "geometry_types": types,
        "null_geometries": rows - sum(item["rows"] for item in types) if geometries else 0,
        "fields": [
            describe_field(definition.GetFieldDefn(position))
            for position in range(definition.GetFieldCount())
        ],
    }


def main(path, drivers, encoding=None):
    """Print the description of the source at `path`, read by one of `drivers`."""
    gdal.PushErrorHandler(collect_problem)
    osr.DontUseExceptions()
    options = [f"ENCODING={encoding}"] if encoding else []
    source = gdal.OpenEx(
        path, gdal.OF_VECTOR | gdal.OF_READONLY, allowed_drivers=drivers.split(","),
        open_options=options,
    )  # fmt: skip
    layers = []
    if source is not None:
        layers = [
            describe_layer(source.GetLayer(position)) for position in range(source.GetLayerCount())
        ]
    print(  # noqa: T201 - this program's answer
        json.dumps(
            {
                "driver": source.GetDriver().ShortName if source is not None else None,
                "layers": layers,
                "problems": PROBLEMS,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
