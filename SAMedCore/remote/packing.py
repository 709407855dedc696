"""Voxels made smaller on their way, without loss: Docs/remote.md has what was measured.

Neighbours are alike: each value is replaced by its difference to the one before, small ones of either sign by small numbers
(zigzag), then all low bytes come before all high ones, and zlib's run-length strategy does the rest. Numbers of one byte, which
are labels, and files go through zlib as they are.
"""

from __future__ import annotations

import zlib

import numpy as np

from SAMedCore.remote.frames import BrokenStream

PIECE = 256 * 1024
"""Bytes before packing. A message waits for one of these at the most."""

STORED = 0
DIFFERENT_SIZES = (2, 4, 8)


def pack(piece: bytes, item_size: int = 1) -> bytes:
    """At most `PIECE` bytes of an array whose items have so many bytes, smaller where they can be made so."""
    if item_size in DIFFERENT_SIZES and len(piece) % item_size == 0:
        packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
        packed = packer.compress(_differences(piece, item_size)) + packer.flush()
    else:
        item_size, packed = 1, zlib.compress(piece, 1)
    if len(packed) >= len(piece):
        return bytes([STORED]) + piece
    return bytes([item_size]) + packed


def unpack(payload: bytes) -> bytes:
    """What `pack` was given. Raises BrokenStream where that cannot have made it."""
    if not payload or payload[0] not in (STORED, 1, *DIFFERENT_SIZES):
        raise BrokenStream("a piece that is none")
    item_size, packed = payload[0], payload[1:]
    if item_size == STORED:
        return packed
    unpacker = zlib.decompressobj()
    try:
        piece = unpacker.decompress(packed, PIECE)
    except zlib.error as error:
        raise BrokenStream(f"a damaged piece ({error})") from error
    if not unpacker.eof or len(piece) % item_size:
        raise BrokenStream("a piece that is cut off, or too long")
    return piece if item_size == 1 else _sums(piece, item_size)


def _differences(piece: bytes, item_size: int) -> bytes:
    values = np.frombuffer(piece, f"<u{item_size}")
    differences = np.empty_like(values)
    differences[:1] = values[:1]
    np.subtract(values[1:], values[:-1], out=differences[1:])
    signed = differences.view(f"<i{item_size}")
    zigzag = (signed << 1) ^ (signed >> (8 * item_size - 1))
    return zigzag.view(np.uint8).reshape(-1, item_size).T.tobytes()


def _sums(piece: bytes, item_size: int) -> bytes:
    zigzag = np.frombuffer(piece, np.uint8).reshape(item_size, -1).T.copy().view(f"<u{item_size}")[:, 0]
    differences = (zigzag >> 1) ^ (~(zigzag & 1) + 1)
    return np.cumsum(differences, dtype=f"<u{item_size}").tobytes()
