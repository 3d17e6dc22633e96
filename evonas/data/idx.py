"""IDX files: arrays of bytes behind a header of their dimensions, the format of MNIST and of what replaces it.

Y. LeCun, C. Cortes and C. J. C. Burges, The MNIST Database of Handwritten Digits, 1998, section on file formats.
"""

from __future__ import annotations

import math

import numpy as np

UNSIGNED_BYTE = 0x08
"""The code of the only element type that is read."""


def read_idx(content: bytes, *, shape: tuple[int, ...]) -> np.ndarray:
    """The array in an IDX file, uint8 of `shape`.

    Raises:
        ValueError: the bytes are no IDX file of bytes, or one of another shape, or more or fewer than its header says.
    """
    magic = bytes([0, 0, UNSIGNED_BYTE, len(shape)])
    if content[:4] != magic:
        found = content[:4].hex() or "nothing"
        raise ValueError(
            f"not an IDX file of bytes in {len(shape)} dimensions: {found} in place of {magic.hex()}"
        )
    start = 4 + 4 * len(shape)
    if len(content) < start:
        raise ValueError(f"cut: {len(content)} bytes, where the header alone takes {start}")
    found_shape = tuple(np.frombuffer(content, dtype=">u4", count=len(shape), offset=4).tolist())
    if found_shape != shape:
        raise ValueError(f"its header says {found_shape}, where {shape} is expected")
    size = start + math.prod(shape)
    if len(content) != size:
        raise ValueError(f"truncated or altered: {len(content)} bytes, where its header makes {size}")
    # A copy, since an array that is a view of bytes cannot be written to, and torch warns of that.
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape).copy()
