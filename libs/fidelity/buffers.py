"""The bytes below an Arrow array of strings or binaries.

What belongs here: access without copies. What does not: meaning.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def values_and_offsets(values: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return all bytes of an array and, for its n values, n + 1 offsets into them."""
    is_large = pa.types.is_large_string(values.type) or pa.types.is_large_binary(values.type)
    width = np.dtype(np.int64 if is_large else np.int32)
    if not len(values):
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    _, offsets, data = values.buffers()
    begins = np.frombuffer(offsets, width, len(values) + 1, values.offset * width.itemsize)
    content = np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return content[begins[0] : begins[-1]], (begins - begins[0]).astype(np.int64)
