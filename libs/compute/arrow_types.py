"""Our column types in Arrow.

What belongs here: the table of types. What does not: the types themselves
(`libs.spatial_utils.column_types`), files of Arrow data (`libs.compute.geoparquet`).
"""

import pyarrow as pa

_ARROW_TYPES: dict[str, pa.DataType] = {
    "integer": pa.int32(),
    "boolean": pa.bool_(),
    "smallint": pa.int16(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "real": pa.float32(),
    "text": pa.string(),
    "json": pa.string(),
    "uuid": pa.string(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "binary": pa.binary(),
}


def arrow_type(name: str) -> pa.DataType:
    """Return the Arrow type of one of our column types."""
    if name.endswith("[]"):
        return pa.list_(arrow_type(name.removesuffix("[]")))
    return _ARROW_TYPES[name]
