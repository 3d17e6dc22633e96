from __future__ import annotations

import struct

import numpy as np
import pytest

from evonas.data.idx import read_idx


def test_dimensions_are_big_endian_and_the_last_one_runs_fastest() -> None:
    content = bytes([0, 0, 8, 2]) + struct.pack(">II", 2, 3) + bytes([1, 2, 3, 4, 5, 255])
    made = read_idx(content, shape=(2, 3))
    assert made.dtype == np.uint8
    assert made.tolist() == [[1, 2, 3], [4, 5, 255]]
    made[0, 0] = 9  # as torch demands of what it shares
    assert content[12] == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not an IDX file of bytes in 1 dimensions: nothing in place of 00000801"),
        (bytes([0, 0, 8]), "000008 in place of 00000801"),
        (bytes([0, 0, 8, 3]) + bytes(20), "00000803 in place of 00000801"),
        (bytes([0, 0, 13, 1]) + struct.pack(">I", 3) + bytes(12), "00000d01 in place of"),
        (b"\x1f\x8b\x08\x00" + bytes(8), "1f8b0800 in place of"),
        (bytes([0, 0, 8, 1, 0, 0, 0]), "cut: 7 bytes, where the header alone takes 8"),
        (bytes([0, 0, 8, 1]) + struct.pack("<I", 3) + bytes(3), r"header says \(50331648,\), where \(3,\)"),
        (bytes([0, 0, 8, 1]) + struct.pack(">I", 2) + bytes(3), r"header says \(2,\), where \(3,\)"),
        (bytes([0, 0, 8, 1]) + struct.pack(">I", 3) + bytes(2), "10 bytes, where its header makes 11"),
        (bytes([0, 0, 8, 1]) + struct.pack(">I", 3) + bytes(4), "12 bytes, where its header makes 11"),
    ],
)
def test_what_is_no_idx_file_of_that_shape_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says) as raised:
        read_idx(content, shape=(3,))
    assert "\n" not in str(raised.value)
