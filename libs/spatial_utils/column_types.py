"""Column types at each hop, as tables in both directions.

What belongs here: OGR type -> our name -> PostGIS type -> column of a FlatGeobuf or GeoPackage,
and what a GeoParquet column needs of the query that feeds it. What does not: reading columns from a
server (`libs.compute.measure`). `docs/types.md` shows these tables; a test holds them together.

OGR has one type for times with and without a zone: which one a DateTime column is, its values
decide (`libs.pipeline.kinds.planning`). A UUID is kept as the text it is in the file, because
PostgreSQL's uuid would rewrite it.
"""

OGR_TYPES: dict[tuple[str, str], str] = {
    ("Integer", "None"): "integer",
    ("Integer", "Boolean"): "boolean",
    ("Integer", "Int16"): "smallint",
    ("Integer64", "None"): "bigint",
    ("Real", "None"): "double",
    ("Real", "Float32"): "real",
    ("String", "None"): "text",
    ("String", "JSON"): "json",
    ("String", "UUID"): "text",
    ("Date", "None"): "date",
    ("Time", "None"): "time",
    ("DateTime", "None"): "timestamptz",
    ("Binary", "None"): "binary",
    ("IntegerList", "None"): "integer[]",
    ("IntegerList", "Boolean"): "boolean[]",
    ("IntegerList", "Int16"): "smallint[]",
    ("Integer64List", "None"): "bigint[]",
    ("RealList", "None"): "double[]",
    ("RealList", "Float32"): "real[]",
    ("StringList", "None"): "text[]",
}

POSTGRES_TYPES: dict[str, str] = {
    "integer": "integer",
    "boolean": "boolean",
    "smallint": "smallint",
    "bigint": "bigint",
    "double": "double precision",
    "real": "real",
    "text": "text",
    "json": "json",
    "uuid": "uuid",
    "date": "date",
    "time": "time without time zone",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "binary": "bytea",
}
POSTGRES_TYPES |= {
    f"{name}[]": f"{POSTGRES_TYPES[name]}[]"
    for name in ("integer", "boolean", "smallint", "bigint", "double", "real", "text")
}

_BY_POSTGRES_TYPE = {postgres: name for name, postgres in POSTGRES_TYPES.items()} | {
    "character varying": "text",
    "character varying[]": "text[]",
}

ARROW_AS_TEXT = frozenset({"json", "uuid"})
"""Types that a GeoParquet column holds as text, because Arrow's are not read everywhere."""

LAYER_TYPES: dict[str, dict[str, str]] = {
    "flatgeobuf": {
        "integer": "Int",
        "boolean": "Bool",
        "smallint": "Short",
        "bigint": "Long",
        "double": "Double",
        "real": "Float",
        "text": "String",
        "json": "String",
        "uuid": "String",
        "date": "DateTime",
        "time": "String",
        "timestamp": "DateTime",
        "timestamptz": "DateTime",
        "binary": "Binary",
    },
    "gpkg": {
        "integer": "MEDIUMINT",
        "boolean": "BOOLEAN",
        "smallint": "SMALLINT",
        "bigint": "INTEGER",
        "double": "REAL",
        "real": "FLOAT",
        "text": "TEXT",
        "json": "TEXT",
        "uuid": "TEXT",
        "date": "DATE",
        "time": "TEXT",
        "timestamp": "DATETIME",
        "timestamptz": "DATETIME",
        "binary": "BLOB",
    },
}
"""Types of the columns that ogr2ogr writes, in each format's own words; a list becomes text."""

_TEXT_BY_NATURE = frozenset({"text", "json", "uuid"})


def from_postgres(postgres_type: str) -> str | None:
    """Return our name for a type as `format_type` prints it; None where we have none."""
    return _BY_POSTGRES_TYPE.get(postgres_type)


def from_ogr(ogr_type: str, subtype: str) -> str | None:
    """Return our name for an OGR field type; None where we have none."""
    return OGR_TYPES.get((ogr_type, subtype))


def layer_type(output_format: str, name: str) -> str:
    """Return the type that a FlatGeobuf or GeoPackage column of our type has."""
    types = LAYER_TYPES[output_format]
    return types["text"] if name.endswith("[]") else types[name]


def is_held_as_text(output_format: str, name: str) -> bool:
    """Return whether a FlatGeobuf or GeoPackage holds as text what is no text."""
    types = LAYER_TYPES[output_format]
    return name not in _TEXT_BY_NATURE and layer_type(output_format, name) == types["text"]
