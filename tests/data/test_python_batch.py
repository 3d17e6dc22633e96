from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evonas.data.python_batch import read_python_batch

ROWS = np.arange(24, dtype=np.uint8).reshape(2, 12)


def batch(**changed: Any) -> dict[str, Any]:
    return {"labels": [3, 7], "data": ROWS, "filenames": ["a.png", "b.png"], **changed}


@pytest.mark.parametrize("protocol", [3, 4])
def test_a_batch_pickled_anew_by_numpy_2_is_read(protocol: int) -> None:
    content = pickle.dumps(batch(), protocol=protocol)
    assert b"numpy._core.multiarray" in content
    rows, labels = read_python_batch(content)
    np.testing.assert_array_equal(rows, ROWS)
    assert labels.tolist() == [3, 7]


def test_a_batch_from_python_2_and_numpy_1_is_read(small_cifar10: Any) -> None:
    content = small_cifar10.python_files["test_batch"]
    assert b"numpy.core.multiarray" in content
    rows, labels = read_python_batch(content)
    np.testing.assert_array_equal(rows, small_cifar10.rows["test_batch"])
    assert labels.tolist() == small_cifar10.labels["test_batch"]


class Runs:
    """Asks the unpickler to call something when it is loaded."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


def test_a_pickle_that_asks_for_a_command_runs_nothing(tmp_path: Path) -> None:
    target = tmp_path / "written"
    harmful = pickle.dumps(batch(extra=Runs(io.open, str(target), "w")), protocol=4)
    with pytest.raises(ValueError, match="has no place in a batch of images"):
        read_python_batch(harmful)
    assert not target.exists()


@pytest.mark.parametrize(
    "name",
    [
        "os\nsystem",
        "builtins\neval",
        "builtins\ngetattr",
        "numpy\nload",
        "numpy\nfromfile",
        "numpy\nndarray.tofile",
    ],
)
def test_no_other_name_is_admitted(name: str) -> None:
    with pytest.raises(ValueError, match="has no place in a batch of images"):
        read_python_batch(b"\x80\x02c" + name.encode() + b"\n.")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (pickle.dumps([1, 2]), "no dictionary"),
        (pickle.dumps({}), "data are not rows of bytes"),
        (pickle.dumps(batch(data=b"bytes")), "data are not rows of bytes"),
        (pickle.dumps(batch(data=ROWS.ravel()), protocol=4), "data are not rows of bytes"),
        (pickle.dumps(batch(data=ROWS.astype(np.int64)), protocol=4), "only row-major arrays of bytes"),
        (pickle.dumps(batch(data=ROWS.astype(object)), protocol=4), "only row-major arrays of bytes"),
        (pickle.dumps(batch(data=np.asfortranarray(ROWS)), protocol=4), "only row-major arrays of bytes"),
        (pickle.dumps(batch(labels=[1]), protocol=4), "1 labels for 2 rows"),
        (pickle.dumps(batch(labels=[1, 2.0]), protocol=4), "labels are not a list of small integers"),
        (pickle.dumps(batch(labels=[1, -2]), protocol=4), "labels are not a list of small integers"),
        (pickle.dumps(batch(labels=[1, 10**30]), protocol=4), "labels are not a list of small integers"),
        (b"", "not a readable batch"),
        (b"not a pickle", "not a readable batch"),
    ],
)
def test_a_pickle_of_anything_else_is_no_batch(content: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_python_batch(content)


@given(st.data())
def test_a_damaged_batch_is_read_or_refused_but_never_breaks_the_reader(data: st.DataObject) -> None:
    content = bytearray(pickle.dumps(batch(), protocol=4))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    for damaged in (bytes(content), bytes(content[:cut])):
        try:
            rows, labels = read_python_batch(damaged)
        except ValueError:
            continue
        assert rows.ndim == 2
        assert len(rows) == len(labels)
