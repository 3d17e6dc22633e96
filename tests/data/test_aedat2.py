from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from evonas.data.aedat2 import read_aedat2, read_dvs128
from evonas.errors import DataError

HEADER = b"#!AER-DAT2.0\r\n# Timestamps tick: 1 us\r\n#End Of ASCII Header\r\n"


def address(x: int, y: int, polarity: int) -> int:
    """The address of a pixel as jAER gives it: from the right, from the bottom, and 1 for darker."""
    return (127 - y) << 8 | (127 - x) << 1 | (1 - polarity)


def record(t: int, at: int) -> bytes:
    return struct.pack(">II", at, t)


def write(path: Path, *records: bytes, header: bytes = HEADER) -> Path:
    path.write_bytes(header + b"".join(records))
    return path


def test_the_bytes_of_a_record_are_address_and_time_highest_first(tmp_path: Path) -> None:
    content = bytes([0, 0, 0x12, 0x34, 0x01, 0x02, 0x03, 0x04]) + bytes(
        [0, 0, 0x7F, 0xFF, 0x01, 0x02, 0x03, 0x05]
    )
    addresses, t = read_aedat2(write(tmp_path / "a.aedat", content))
    assert addresses.tolist() == [0x1234, 0x7FFF]
    assert t.tolist() == [0x01020304, 0x01020305]


def test_pixels_are_counted_from_the_upper_left_and_a_brighter_one_is_one(tmp_path: Path) -> None:
    raw = [0x0000, 0x0001, 0x00FE, 0x7F00, 0x0302]
    made = read_dvs128(write(tmp_path / "a.aedat", *(record(i, at) for i, at in enumerate(raw))))
    assert made.x.tolist() == [127, 127, 0, 127, 126]
    assert made.y.tolist() == [127, 127, 127, 0, 124]
    assert made.polarity.tolist() == [1, 0, 1, 1, 1]
    assert made.t.tolist() == [0, 1, 2, 3, 4]
    assert made.shape == (128, 128)


def test_events_of_the_camera_itself_are_left_out(tmp_path: Path) -> None:
    rows = [record(5, address(1, 2, 1)), record(6, 0x8000), record(6, 0xFFFF), record(7, address(3, 4, 0))]
    made = read_dvs128(write(tmp_path / "a.aedat", *rows))
    assert list(zip(made.t, made.x, made.y, made.polarity, strict=True)) == [(5, 1, 2, 1), (7, 3, 4, 0)]


def test_the_clock_may_return_to_zero(tmp_path: Path) -> None:
    clock = [2**31 - 2, 2**31 + 3]
    assert read_aedat2(write(tmp_path / "a.aedat", *(record(t, 0) for t in clock)))[1].tolist() == clock
    again = [2**32 - 6, 2**32 - 1, 4]
    t = read_aedat2(write(tmp_path / "b.aedat", *(record(t, 0) for t in again)))[1]
    assert t.tolist() == [2**32 - 6, 2**32 - 1, 2**32 + 4]


def test_a_header_needs_no_last_line_and_a_first_event_may_look_like_one(tmp_path: Path) -> None:
    plain = write(tmp_path / "a.aedat", record(9, 1), header=b"#!AER-DAT2.0\n# hello\n")
    assert read_aedat2(plain)[1].tolist() == [9]
    hash_first = write(tmp_path / "b.aedat", b"#\n\0\0\0\0\0\x07")
    assert read_aedat2(hash_first)[0].tolist() == [0x230A0000]
    assert read_aedat2(hash_first)[1].tolist() == [7]


@pytest.mark.parametrize("n_cut", [1, 4, 7, 9])
def test_a_file_cut_within_an_event_is_refused_in_one_line(tmp_path: Path, n_cut: int) -> None:
    path = write(tmp_path / "a.aedat", *(record(i, 0) for i in range(4)))
    path.write_bytes(path.read_bytes()[:-n_cut])
    with pytest.raises(DataError, match=rf"a\.aedat: cut or altered: {32 - n_cut} bytes after") as raised:
        read_dvs128(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", r"must begin with #!AER-DAT2.0; got b''"),
        (b"#!AER-DAT3.1\r\n", r"got b'#!AER-DAT3.1'"),
        (HEADER, "holds no events"),
        (HEADER[:-3], "holds no events"),
        (HEADER + record(1, 0x8000), "holds no events"),
        (HEADER + record(5, 0) + record(4, 0), "event 1 is at 4 us after one at 5 us"),
        (HEADER + record(5, 0x10000), "address 0x10000, where at most 0xffff"),
    ],
)
def test_another_file_is_refused_in_one_line(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "a.aedat").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.aedat: .*{says}") as raised:
        read_dvs128(tmp_path / "a.aedat")
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.aedat: cannot be read"):
        read_dvs128(tmp_path / "none.aedat")


def test_a_real_recording_is_what_its_bytes_say(event_root: Path) -> None:
    path = event_root / "dvs128-objects" / "session2" / "Lapiseira.aedat"
    body = path.read_bytes().partition(b"#End Of ASCII Header\r\n")[2]
    made = read_dvs128(path)
    words = [struct.unpack_from(">II", body, at) for at in range(0, len(body), 8)]
    rows = np.column_stack([made.t, made.x, made.y, made.polarity])
    expected = [(t, 127 - (a >> 1 & 127), 127 - (a >> 8 & 127), 1 - (a & 1)) for a, t in words]
    np.testing.assert_array_equal(rows, expected)
    assert len(made) == 126_164
