"""A user's own data: one ``.npz`` file with `x_train`, `y_train`, `x_test`, `y_test`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evonas.data.dataset import Split, TrainTest
from evonas.errors import DataError, DataMissingError

KEYS = ("x_train", "y_train", "x_test", "y_test")
LAYOUT = "images N x C x H x W or frames N x T x C x H x W"


def read_npz(path: Path) -> TrainTest:
    """The data in the file; nothing is assumed about them, so they are not augmented.

    Inputs of a boolean or integer type whose values all lie in 0 to 255 are kept as uint8, all others as float32.
    The classes are 0, 1, ... as they occur in `y_train`. No pickle is read.

    Raises:
        DataMissingError: there is no such file.
        DataError: it is not an ``.npz`` file, or an array in it is missing or is not what it should be.
    """
    arrays = _read_arrays(path)
    for key in ("x_train", "x_test"):
        _check_inputs(arrays[key], where=f"{path}: {key}")
    for split in ("train", "test"):
        _check_labels(arrays[f"y_{split}"], n=len(arrays[f"x_{split}"]), split=split, path=path)
    if arrays["x_train"].shape[1:] != arrays["x_test"].shape[1:]:
        shapes = f"{arrays['x_train'].shape[1:]} and {arrays['x_test'].shape[1:]}"
        raise DataError(f"{path}: examples of x_train and x_test differ in shape, {shapes}; make them alike")
    n_classes = _count_classes(arrays["y_train"], path=path)
    _check_known_classes(arrays["y_test"], n_classes=n_classes, path=path)
    as_bytes = all(_fits_bytes(arrays[key]) for key in ("x_train", "x_test"))
    train, test = (
        Split(
            _convert(arrays[f"x_{split}"], as_bytes=as_bytes, where=f"{path}: x_{split}"),
            arrays[f"y_{split}"].astype(np.int64),
        )
        for split in ("train", "test")
    )
    return TrainTest(train=train, test=test, n_classes=n_classes, augment=False)


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise DataMissingError(f"{path}: no such file; give the path of an .npz file with {', '.join(KEYS)}")
    try:
        # Opened here, because numpy.load leaves a file open that it cannot make sense of.
        with path.open("rb") as file:
            opened = np.load(file, allow_pickle=False)
            if not isinstance(opened, np.lib.npyio.NpzFile):
                raise DataError(
                    f"{path}: holds a single array, not an .npz archive; write it with numpy.savez"
                )
            with opened:
                return _members(opened, path=path)
    except DataError:
        raise
    except Exception as error:  # a broken file makes numpy and zipfile raise nearly anything
        reason = _reason(error)
        raise DataError(f"{path}: not a readable .npz file ({reason}); write it with numpy.savez") from None


def _members(opened: np.lib.npyio.NpzFile, *, path: Path) -> dict[str, np.ndarray]:
    missing = ", ".join(key for key in KEYS if key not in opened.files)
    if missing:
        found = ", ".join(repr(name) for name in opened.files) or "nothing"
        raise DataError(f"{path}: {missing} missing; {', '.join(KEYS)} expected, {found} found")
    arrays: dict[str, np.ndarray] = {}
    for key in KEYS:
        try:
            array = opened[key]
        except Exception as error:
            reason = _reason(error)
            raise DataError(f"{path}: {key} cannot be read ({reason}); write the file again") from None
        # NumPy hands out the raw bytes of a member that is no array.
        if not isinstance(array, np.ndarray):
            raise DataError(f"{path}: {key} is not an array; write the file with numpy.savez")
        arrays[key] = array
    return arrays


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _check_inputs(inputs: np.ndarray, *, where: str) -> None:
    if inputs.ndim not in (4, 5):
        raise DataError(f"{where} has {inputs.ndim} dimensions, {inputs.shape}; {LAYOUT} expected")
    if inputs.size == 0:
        raise DataError(f"{where} is empty, of shape {inputs.shape}; {LAYOUT} expected")
    if inputs.dtype.kind not in "buif":
        raise DataError(f"{where} is of type {inputs.dtype}; real numbers expected")


def _check_labels(labels: np.ndarray, *, n: int, split: str, path: Path) -> None:
    where = f"{path}: y_{split}"
    if labels.ndim != 1:
        raise DataError(f"{where} has {labels.ndim} dimensions, {labels.shape}; N integer labels expected")
    if labels.dtype.kind not in "ui":
        raise DataError(f"{where} is of type {labels.dtype}; integer labels 0, 1, ... expected")
    if len(labels) != n:
        raise DataError(f"{where} has {len(labels)} labels for the {n} of x_{split}; one each expected")


def _count_classes(labels: np.ndarray, *, path: Path) -> int:
    classes = np.unique(labels)
    n_classes = len(classes)
    if n_classes < 2:
        raise DataError(f"{path}: y_train holds one class only, {classes[0]}; at least two expected")
    wrong = classes[(classes < 0) | (classes >= n_classes)]
    if len(wrong):
        expected = f"its {n_classes} classes must be numbered 0 to {n_classes - 1}"
        raise DataError(f"{path}: y_train holds the label {wrong[0]}; {expected}, each one present")
    return n_classes


def _check_known_classes(labels: np.ndarray, *, n_classes: int, path: Path) -> None:
    wrong = labels[(labels < 0) | (labels >= n_classes)]
    if len(wrong):
        classes = f"y_train has the classes 0 to {n_classes - 1}"
        raise DataError(f"{path}: y_test holds the label {wrong[0]}, but {classes}; remove or rename it")


def _fits_bytes(inputs: np.ndarray) -> bool:
    return inputs.dtype.kind in "bui" and bool(inputs.min() >= 0) and bool(inputs.max() <= 255)


def _convert(inputs: np.ndarray, *, as_bytes: bool, where: str) -> np.ndarray:
    if as_bytes:
        return np.ascontiguousarray(inputs, dtype=np.uint8)
    with np.errstate(over="ignore"):  # what overflows becomes infinite and is refused just below
        converted = np.ascontiguousarray(inputs, dtype=np.float32)
    n_wrong = converted.size - int(np.isfinite(converted).sum())
    if n_wrong:
        raise DataError(f"{where} holds {n_wrong} values that are not finite as float32; replace them")
    return converted
