"""The pickled batches of CIFAR, read without trusting them."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np


class _NdarrayName:
    """Stands where the pickle names the class to rebuild; nothing can be called through it."""


class _DtypeStandIn:
    """Remembers the name of an element type; its pickled state (byte order, alignment) is no use."""

    def __init__(self, name: str | bytes, *ignored: object) -> None:
        self.name = name.decode("latin1") if isinstance(name, bytes) else name

    def __setstate__(self, state: object) -> None:
        pass


class _ArrayStandIn:
    """Takes the state of a pickled array and makes an array of bytes of it."""

    array: np.ndarray | None = None

    def __setstate__(self, state: tuple[int, tuple[int, ...], _DtypeStandIn, bool, bytes | str]) -> None:
        _, shape, dtype, is_fortran, raw = state
        if not isinstance(dtype, _DtypeStandIn) or dtype.name != "u1" or is_fortran:
            raise pickle.UnpicklingError("only row-major arrays of bytes are expected in a batch")
        content = raw.encode("latin1") if isinstance(raw, str) else raw
        self.array = np.frombuffer(content, dtype=np.uint8).reshape(shape)


def _reconstruct(*ignored: object) -> _ArrayStandIn:
    return _ArrayStandIn()


# NumPy 2 moved the first of these names; both stand for the same function. The pickle reaches these stand-ins
# only, never NumPy itself, whose own __setstate__ would take an object array from it.
_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _NdarrayName,
    ("numpy", "dtype"): _DtypeStandIn,
}


class _BatchUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a batch of images") from None


def read_python_batch(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """The rows (N, D) uint8 and the labels (N,) uint8 of one published batch.

    Raises:
        ValueError: the bytes are no such batch or ask for anything but an array of bytes; nothing of them was run.
    """
    try:
        batch = _BatchUnpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # a damaged pickle makes the unpickler raise nearly anything
        raise ValueError(f"not a readable batch: {' '.join(str(error).split())}") from None
    if not isinstance(batch, dict):
        raise ValueError("not a batch: it holds no dictionary")
    named = {key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in batch.items()}
    data, labels = named.get("data"), named.get("labels")
    if not isinstance(data, _ArrayStandIn) or data.array is None or data.array.ndim != 2:
        raise ValueError("not a batch: its data are not rows of bytes")
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label < 256 for label in labels):
        raise ValueError("not a batch: its labels are not a list of small integers")
    if len(labels) != len(data.array):
        raise ValueError(f"not a batch: {len(labels)} labels for {len(data.array)} rows")
    return data.array, np.array(labels, dtype=np.uint8)
