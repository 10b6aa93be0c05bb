"""PostgreSQL's own 64-bit hash of values, over whole Arrow arrays.

The same checksum can then be asked of PostGIS and computed from what GDAL or Arrow read. Source of
the method: Bob Jenkins' lookup3 as PostgreSQL has it in `hash_bytes_extended` and
`hash_bytes_uint32_extended` (src/common/hashfn.c), with seed 0 on a little-endian machine.

What belongs here: hashes of numbers and bytes, summed modulo 2^64. What does not: which type of
column is hashed how (`libs.fidelity.columns`).
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint32]
Bytes = npt.NDArray[np.uint8]

MODULUS = 2**64
BLOCK_BYTES = 12
_START = 0x9E3779B9 + 3923095
_CHUNK_BYTES = 64 * 1024 * 1024


def hash_integers(values: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Return the hash of each integer, as `hashint8extended` does."""
    high = (values >> 32).astype(np.uint32)
    folded = values.astype(np.uint32) ^ np.where(values >= 0, high, ~high)
    a, b, c = _start(len(values), length=4)
    a += folded
    return _finished(a, b, c)


def hash_doubles(values: npt.NDArray[np.float64]) -> npt.NDArray[np.uint64]:
    """Return the hash of each number, as `hashfloat8extended` does: all zeros and NaNs alike."""
    bits = np.where(np.isnan(values), np.nan, values).view(np.uint32).reshape(-1, 2)
    a, b, c = _start(len(values), length=8)
    a += bits[:, 0]
    b += bits[:, 1]
    return np.where(values == 0, np.uint64(0), _finished(a, b, c))


def hash_bytes(data: Bytes, offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Return the hash of each value `data[offsets[n]:offsets[n + 1]]`, as `hashtextextended`.

    Values of one length are hashed together.
    """
    starts, lengths = offsets[:-1], np.diff(offsets)
    hashes = np.empty(len(starts), np.uint64)
    if not len(starts):
        return hashes
    order = np.argsort(lengths, kind="stable")
    distinct, first = np.unique(lengths[order], return_index=True)
    for length, members in zip(distinct.tolist(), np.split(order, first[1:]), strict=True):
        for some in _chunks(members, length):
            hashes[some] = _hash_equally_long(data, starts[some], length)
    return hashes


def total(hashes: npt.NDArray[np.uint64]) -> int:
    """Return the sum of hashes modulo 2^64."""
    return int(hashes.sum(dtype=np.uint64))


def _chunks(members: npt.NDArray[np.int64], length: int) -> Iterator[npt.NDArray[np.int64]]:
    rows = max(1, _CHUNK_BYTES // (length + BLOCK_BYTES))
    for begin in range(0, len(members), rows):
        yield members[begin : begin + rows]


def _hash_equally_long(
    data: Bytes, starts: npt.NDArray[np.int64], length: int
) -> npt.NDArray[np.uint64]:
    blocks = length // BLOCK_BYTES
    padded = np.zeros((len(starts), (blocks + 1) * BLOCK_BYTES), np.uint8)
    if length:
        padded[:, :length] = _slices(data, starts, length)
    words = padded.view("<u4")
    a, b, c = _start(len(starts), length)
    for block in range(0, 3 * blocks, 3):
        a += words[:, block]
        b += words[:, block + 1]
        c += words[:, block + 2]
        a, b, c = _mixed(a, b, c)
    a += words[:, 3 * blocks]
    b += words[:, 3 * blocks + 1]
    c += words[:, 3 * blocks + 2] << np.uint32(8)
    return _finished(a, b, c)


def _slices(data: Bytes, starts: npt.NDArray[np.int64], length: int) -> Bytes:
    """Return the `length` bytes from each of `starts` on, a row each."""
    windows = np.ndarray((len(data) - length + 1,), f"V{length}", data, strides=(1,))
    return windows[starts].view(np.uint8).reshape(-1, length)


def _start(count: int, length: int) -> tuple[Words, Words, Words]:
    first = np.full(count, (_START + length) % 2**32, np.uint32)
    return first, first.copy(), first.copy()


def _rotated(values: Words, bits: int) -> Words:
    return (values << np.uint32(bits)) | (values >> np.uint32(32 - bits))


def _mixed(a: Words, b: Words, c: Words) -> tuple[Words, Words, Words]:
    for bits in (4, 6, 8, 16, 19, 4):
        a = (a - c) ^ _rotated(c, bits)
        c = c + b
        a, b, c = b, c, a
    return a, b, c


def _finished(a: Words, b: Words, c: Words) -> npt.NDArray[np.uint64]:
    for bits in (14, 11, 25, 16, 4, 14, 24):
        c = (c ^ b) - _rotated(b, bits)
        a, b, c = b, c, a
    return (a.astype(np.uint64) << np.uint64(32)) | b
