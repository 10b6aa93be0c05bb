"""Values of GML that GDAL takes for lists although none of them is one.

Where empty elements are kept apart from missing ones (`EMPTY_AS_NULL=NO`), GDAL 3.6.2 makes a list
of every element that is `xsi:nil` in some feature.

What belongs here: which columns these are, and their texts. What does not: elements that are
repeated, which are lists.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from libs.spatial_utils.stored_values import StoredColumn, StoredLayer


def stored_layer(layer: Any, fields: Sequence[Mapping[str, Any]]) -> StoredLayer:
    """Return the columns of lists of an OGR layer in which no list has two elements, as texts.

    `fields` have `type` as OGR calls it.
    """
    lists: dict[int, list[str | None]] = {
        position: [] for position, item in enumerate(fields) if item["type"] == "StringList"
    }
    for feature in layer if lists else ():
        for position in tuple(lists):
            found = feature.GetFieldAsStringList(position) or []
            if len(found) > 1:
                del lists[position]
            else:
                lists[position].append(found[0] if found else None)
    layer.ResetReading()
    return StoredLayer(
        {
            position: StoredColumn("String", pa.chunked_array([pa.array(values, pa.string())]))
            for position, values in lists.items()
        }
    )
