"""AEDAT 2.0, the format of jAER, as a DVS128 camera writes it.

Lines that begin with ``#``, then 8 bytes per event: a 32-bit address and a 32-bit time in microseconds, both
big-endian (iniVation, AEDAT file formats). The bits of an address are those of jAER's ``DVS128`` chip: bit 0 polarity,
1 to 7 column, 8 to 14 row, bit 15 set where the event is no pixel's but the camera's own.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evonas.data.events import Events, content_of
from evonas.errors import DataError

MAGIC = b"#!AER-DAT2.0"
END_OF_HEADER = b"#End Of ASCII Header"
RECORD = 8
"""Bytes of one event."""
DVS128_SHAPE = (128, 128)
SPECIAL = 0x8000
LARGEST_ADDRESS = 0xFFFF


def read_aedat2(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Addresses (N,) int64 and times (N,) int64 in microseconds, in the order of the file.

    The clock has 32 bits and starts again at 0 after 72 minutes; the times go on.

    Raises:
        DataError: the file cannot be read, was cut, or is of another format.
    """
    content = content_of(path)
    if not content.startswith(MAGIC):
        came = content[: len(MAGIC)]
        raise DataError(
            f"{path}: must begin with {MAGIC.decode()}; got {came!r}; give an AEDAT 2.0 recording"
        )
    start = _header_length(content)
    n_bytes = len(content) - start
    if n_bytes % RECORD:
        expected = f"a multiple of {RECORD} is expected, one record per event"
        raise DataError(
            f"{path}: cut or altered: {n_bytes} bytes after the header, where {expected}; fetch it again"
        )
    records = np.frombuffer(content, dtype=">u4", offset=start).reshape(-1, 2)
    clock = records[:, 1].astype(np.uint32)
    # A difference of 32 bits, read with its sign, is the true one on both sides of the clock's return to 0.
    ticks = np.diff(clock).view(np.int32).astype(np.int64)
    t = np.cumsum(np.concatenate([clock[:1].astype(np.int64), ticks]))
    return records[:, 0].astype(np.int64), t


def read_dvs128(path: Path) -> Events:
    """The pixel events of a DVS128 recording, upright; the camera's own events are left out.

    jAER counts columns from the right and rows from the bottom, and polarity bit 0 means brighter.

    Raises:
        DataError: as for `read_aedat2`; an address that a DVS128 does not have.
    """
    address, t = read_aedat2(path)
    if len(address) and address.max() > LARGEST_ADDRESS:
        expected = f"at most {LARGEST_ADDRESS:#x}, as of a DVS128, expected"
        raise DataError(f"{path}: address {address.max():#x}, where {expected}; give a recording of a DVS128")
    is_pixel = (address & SPECIAL) == 0
    address = address[is_pixel]
    height, width = DVS128_SHAPE
    return Events(
        t[is_pixel],
        width - 1 - (address >> 1 & 0x7F),
        height - 1 - (address >> 8 & 0x7F),
        1 - (address & 1),
        shape=DVS128_SHAPE,
        origin=str(path),
    )


def _header_length(content: bytes) -> int:
    """Bytes of the lines that begin with ``#``, up to the one that ends the header, where there is one."""
    start = 0
    while content.startswith(b"#", start):
        line_end = content.find(b"\n", start)
        if line_end < 0:
            return len(content)
        is_last = content.startswith(END_OF_HEADER, start)
        start = line_end + 1
        if is_last:
            break
    return start
