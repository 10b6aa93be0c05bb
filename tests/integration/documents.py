"""Small documents in formats that GDAL does not write, or not with what matters here."""

import json
import re
import struct
import zlib

TOPOJSON = json.dumps(
    {
        "type": "Topology",
        "transform": {"scale": [0.5, 0.5], "translate": [8, 47]},
        "arcs": [[[0, 0], [2, 0], [0, 2]], [[2, 2], [-2, -2]]],
        "objects": {
            "areas": {
                "type": "GeometryCollection",
                "geometries": [
                    {"type": "Polygon", "id": "z1", "arcs": [[0, 1]], "properties": {"code": "01"}}
                ],
            },
            "stops": {
                "type": "GeometryCollection",
                "geometries": [{"type": "Point", "coordinates": [1, 1], "properties": {"n": 3}}],
            },
        },
    }
).encode()

ESRI_JSON = json.dumps(
    {
        "displayFieldName": "code",
        "geometryType": "esriGeometryPoint",
        "spatialReference": {"wkid": 4326},
        "fields": [
            {"name": "OBJECTID", "type": "esriFieldTypeOID"},
            {"name": "code", "type": "esriFieldTypeString", "length": 5},
        ],
        "features": [
            {"attributes": {"OBJECTID": 7, "code": "01001"}, "geometry": {"x": 8.5, "y": 47.25}}
        ],
    }
).encode()

KML_FOLDERS = b"""<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2"><Document><name>all</name>
<Schema name="s" id="s"><SimpleField name="lanes" type="int"/></Schema>
<Placemark><name>root</name><Point><coordinates>1,2</coordinates></Point></Placemark>
<Folder><name>A</name>
 <Placemark><name>a1</name>
  <ExtendedData><Data name="code"><value>01001</value></Data></ExtendedData>
  <Point><coordinates>1,2,5</coordinates></Point></Placemark>
 <Folder><name>B</name><Placemark><name>b1</name>
  <ExtendedData><SchemaData schemaUrl="#s"><SimpleData name="lanes">3</SimpleData></SchemaData>
  </ExtendedData><LineString><coordinates>1,2 3,4</coordinates></LineString></Placemark></Folder>
</Folder>
<Folder><name>A</name>
 <Placemark><name>a2</name><Point><coordinates>3,2</coordinates></Point></Placemark></Folder>
</Document></kml>"""

WFS_GML = b"""<?xml version="1.0" encoding="UTF-8"?>
<wfs:FeatureCollection xmlns:wfs="http://www.opengis.net/wfs/2.0"
 xmlns:gml="http://www.opengis.net/gml/3.2" xmlns:t="http://t"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:schemaLocation="http://t http://127.0.0.1:9/schema.xsd">
<wfs:member><t:road gml:id="r.1"><t:code>01001</t:code><t:width uom="m">3.50</t:width>
<t:geom><gml:LineString srsName="urn:ogc:def:crs:EPSG::4326" gml:id="g1">
<gml:posList>47 8 48 9</gml:posList></gml:LineString></t:geom></t:road></wfs:member>
<wfs:member><t:town gml:id="t.1"><t:label>a</t:label>
<t:geom><gml:Point srsName="http://www.opengis.net/gml/srs/epsg.xml#4326" gml:id="g3">
<gml:pos>8 47</gml:pos></gml:Point></t:geom></t:town></wfs:member>
</wfs:FeatureCollection>"""

OSM_XML = b"""<?xml version='1.0' encoding='UTF-8'?>
<osm version="0.6">
<node id="1" lat="47.5" lon="8.5"><tag k="name" v="Brunnen"/><tag k="ele" v="300"/></node>
<node id="2" lat="47" lon="8"/><node id="3" lat="48" lon="8"/><node id="4" lat="48" lon="9"/>
<way id="10"><nd ref="2"/><nd ref="3"/><nd ref="4"/>
 <tag k="highway" v="residential"/><tag k="source" v="gps"/></way>
<way id="11"><nd ref="2"/><nd ref="3"/><nd ref="4"/><nd ref="2"/><tag k="building" v="yes"/></way>
<relation id="20"><member type="way" ref="10" role=""/>
 <tag k="type" v="route"/><tag k="route" v="bus"/></relation>
<relation id="22"><member type="node" ref="1" role="x"/><tag k="type" v="site"/></relation>
</osm>"""


def numbered_as_not_uploaded(document: bytes) -> bytes:
    """Return a document of OpenStreetMap with the numbers that an editor gives to new elements."""
    return re.sub(rb'( id| ref)="', rb'\1="-', document)


def _pairs(*pairs: tuple[int, str]) -> str:
    """Return DXF group codes and values, a line each."""
    return "".join(f"{code:3d}\n{value}\n" for code, value in pairs)


DXF = _pairs(
    (0, "SECTION"), (2, "HEADER"), (9, "$DWGCODEPAGE"), (3, "ANSI_1252"), (0, "ENDSEC"),
    (0, "SECTION"), (2, "BLOCKS"),
    (0, "BLOCK"), (8, "0"), (2, "B1"), (70, "0"), (10, "0.0"), (20, "0.0"),
    (0, "LINE"), (8, "0"), (10, "0.0"), (20, "0.0"), (11, "1.0"), (21, "1.0"),
    (0, "ENDBLK"), (0, "ENDSEC"),
    (0, "SECTION"), (2, "ENTITIES"),
    (0, "TEXT"), (8, "labels"), (10, "1.0"), (20, "2.0"), (40, "1.0"), (1, "Hello"),
    (0, "INSERT"), (8, "roads"), (2, "B1"), (10, "5.0"), (20, "5.0"),
    (0, "3DSOLID"), (8, "roads"),
    (0, "ENDSEC"), (0, "EOF"),
).encode()  # fmt: skip


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _field(number: int, value: int | bytes) -> bytes:
    """Return a field of a protocol buffer message: a varint or bytes."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _blob(kind: bytes, content: bytes) -> bytes:
    blob = _field(2, len(content)) + _field(3, zlib.compress(content))
    header = _field(1, kind) + _field(3, len(blob))
    return struct.pack(">I", len(header)) + header + blob


def osm_pbf(*nodes: tuple[int, float, float, dict[str, str]]) -> bytes:
    """Return an OSM PBF file of nodes (id, lon, lat, tags), as its format description has it."""
    strings = [""]
    groups = b""
    for number, lon, lat, tags in nodes:
        keys = b"".join(_varint(len(strings) + 2 * n) for n in range(len(tags)))
        values = b"".join(_varint(len(strings) + 2 * n + 1) for n in range(len(tags)))
        strings += [text for pair in tags.items() for text in pair]
        zigzag = [2 * n if n >= 0 else -2 * n - 1 for n in (number, *_hundred_nano(lat, lon))]
        groups += _field(
            1,
            _field(1, zigzag[0]) + _field(2, keys) + _field(3, values)
            + _field(8, zigzag[1]) + _field(9, zigzag[2]),
        )  # fmt: skip
    table = b"".join(_field(1, text.encode()) for text in strings)
    header = _field(4, b"OsmSchema-V0.6")
    return _blob(b"OSMHeader", header) + _blob(b"OSMData", _field(1, table) + _field(2, groups))


def _hundred_nano(*degrees: float) -> list[int]:
    return [round(value * 10_000_000) for value in degrees]
