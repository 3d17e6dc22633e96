from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evonas.data import load
from evonas.errors import DataError, DataMissingError


def arrays(**changed: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    good = {
        "x_train": rng.integers(0, 256, (30, 2, 4, 5), dtype=np.uint8),
        "y_train": np.arange(30) % 3,
        "x_test": rng.integers(0, 256, (6, 2, 4, 5), dtype=np.uint8),
        "y_test": np.arange(6) % 3,
    }
    return {**good, **changed}


def saved(folder: Path, content: dict[str, Any]) -> Path:
    path = folder / "mine.npz"
    np.savez(path, **content)
    return path


def test_images_come_back_as_they_were_saved(tmp_path: Path) -> None:
    content = arrays()
    loaded = load(saved(tmp_path, content))
    assert loaded.spec.name == "mine"
    assert loaded.spec.shape == (2, 4, 5)
    assert loaded.spec.n_classes == 3
    assert loaded.spec.static
    assert len(loaded.train) == 27
    assert len(loaded.validation) == 3
    np.testing.assert_array_equal(loaded.test.inputs, content["x_test"])
    np.testing.assert_array_equal(loaded.test.labels, content["y_test"])


def test_frames_have_a_time_axis(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = {f"x_{part}": rng.random((n, 7, 2, 4, 5)) for part, n in (("train", 30), ("test", 6))}
    loaded = load(saved(tmp_path, arrays(**frames)))
    assert not loaded.spec.static
    assert loaded.spec.n_steps == 7
    assert loaded.spec.shape == (2, 4, 5)
    assert loaded.test.inputs.dtype == np.float32


def test_nothing_is_assumed_about_a_users_own_images(tmp_path: Path) -> None:
    assert not load(saved(tmp_path, arrays())).spec.augment


def test_a_path_may_be_given_as_text(tmp_path: Path) -> None:
    path = saved(tmp_path, arrays())
    assert load(str(path)).digest == load(path).digest


def test_a_compressed_file_holds_the_same_data(tmp_path: Path) -> None:
    compressed = tmp_path / "small.npz"
    np.savez_compressed(compressed, **arrays())
    assert load(compressed).digest == load(saved(tmp_path, arrays())).digest


@pytest.mark.parametrize(
    ("convert", "kept_as"),
    [
        (lambda x: x.astype(np.int64), np.uint8),
        (lambda x: x.astype(">u2"), np.uint8),
        (lambda x: x > 127, np.uint8),
        (lambda x: x.astype(np.int64) - 1, np.float32),
        (lambda x: x.astype(np.int64) * 2, np.float32),
        (lambda x: x.astype(np.float64), np.float32),
        (lambda x: x.astype(">f4"), np.float32),
        (lambda x: x.astype(np.float16), np.float32),
    ],
)
def test_whole_numbers_of_a_byte_stay_bytes_and_all_else_is_float32(
    tmp_path: Path, convert: Callable[[np.ndarray], np.ndarray], kept_as: type[np.generic]
) -> None:
    content = arrays()
    converted = {key: convert(content[key]) for key in ("x_train", "x_test")}
    loaded = load(saved(tmp_path, arrays(**converted)))
    assert loaded.test.inputs.dtype == kept_as
    np.testing.assert_array_equal(loaded.test.inputs, converted["x_test"].astype(np.float64))


def test_train_and_test_are_kept_in_one_type_even_if_saved_in_two(tmp_path: Path) -> None:
    loaded = load(saved(tmp_path, arrays(x_test=np.zeros((6, 2, 4, 5)))))
    assert loaded.train.inputs.dtype == loaded.test.inputs.dtype == np.float32


def test_unsigned_labels_of_one_byte_are_taken(tmp_path: Path) -> None:
    loaded = load(saved(tmp_path, arrays(y_train=(np.arange(30) % 3).astype(np.uint8))))
    assert loaded.train.labels.dtype == np.int64


NAN = np.full((6, 2, 4, 5), np.nan)
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "two dimensions": (
        {"x_train": np.zeros((30, 16))},
        r"x_train has 2 dimensions, \(30, 16\); images N x C",
    ),
    "no channels": ({"x_test": np.zeros((6, 4, 5))}, "x_test has 3 dimensions"),
    "no examples": ({"x_test": np.zeros((0, 2, 4, 5)), "y_test": np.zeros(0, int)}, "x_test is empty"),
    "no pixels": ({"x_test": np.zeros((6, 2, 0, 5))}, "x_test is empty"),
    "complex": ({"x_train": np.zeros((30, 2, 4, 5), complex)}, "x_train is of type complex128"),
    "text": ({"x_train": np.full((30, 2, 4, 5), "a")}, "x_train is of type <U1"),
    "objects": ({"x_train": np.full((30, 2, 4, 5), None)}, "x_train cannot be read .*allow_pickle=False"),
    "NaN": ({"x_test": NAN}, "x_test holds 240 values that are not finite"),
    "infinite": (
        {"x_train": np.full((30, 2, 4, 5), -np.inf)},
        "x_train holds 1200 values that are not finite",
    ),
    "overflow": (
        {"x_test": np.full((6, 2, 4, 5), 1e300)},
        "x_test holds 240 values that are not finite as float32",
    ),
    "float labels": ({"y_train": np.zeros(30)}, "y_train is of type float64; integer labels"),
    "boolean labels": ({"y_test": np.zeros(6, bool)}, "y_test is of type bool; integer labels"),
    "one-hot labels": ({"y_train": np.zeros((30, 3), int)}, "y_train has 2 dimensions"),
    "scalar label": ({"y_test": np.array(1)}, "y_test has 0 dimensions"),
    "short labels": ({"y_train": np.arange(29) % 3}, "y_train has 29 labels for the 30 of x_train"),
    "long labels": ({"y_test": np.arange(7) % 3}, "y_test has 7 labels for the 6 of x_test"),
    "negative label": (
        {"y_train": np.arange(30) % 3 - 1},
        "y_train holds the label -1; its 3 classes .* 0 to 2",
    ),
    "gap in labels": ({"y_train": np.arange(30) % 3 * 2}, "y_train holds the label 4; its 3 classes"),
    "giant label": (
        {"y_train": np.arange(30, dtype=np.uint64) % 3 + 2**63},
        "y_train holds the label 9223372",
    ),
    "one class": ({"y_train": np.zeros(30, int)}, "y_train holds one class only, 0"),
    "unknown test class": (
        {"y_test": np.full(6, 3)},
        "y_test holds the label 3, but y_train has the classes 0 to 2",
    ),
    "negative test label": ({"y_test": np.full(6, -1)}, "y_test holds the label -1"),
    "lonely class": (
        {"y_train": np.array([2] + [0, 1] * 14 + [1])},
        "class 2 has too few training examples: 1",
    ),
    "other shape": ({"x_test": np.zeros((6, 2, 4, 6), np.uint8)}, "x_train and x_test differ in shape"),
    "images and frames": (
        {"x_test": np.zeros((6, 3, 2, 4, 5), np.uint8)},
        "x_train and x_test differ in shape",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_content_is_refused_in_one_line_that_names_file_and_array(tmp_path: Path, case: str) -> None:
    changed, says = BAD[case]
    path = saved(tmp_path, arrays(**changed))
    with pytest.raises(DataError, match=says) as raised:
        load(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("key", ["x_train", "y_train", "x_test", "y_test"])
def test_a_missing_array_is_named_beside_those_found(tmp_path: Path, key: str) -> None:
    content = arrays(extra=np.zeros(1))
    del content[key]
    with pytest.raises(DataError, match=f": {key} missing; .* expected, .*'extra' found"):
        load(saved(tmp_path, content))


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=r"nowhere\.npz: no such file"):
        load(tmp_path / "nowhere.npz")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(DataMissingError, match=r"folder\.npz: no such file"):
        load(tmp_path / "folder.npz")


def single_array() -> bytes:
    raw = io.BytesIO()
    np.save(raw, np.zeros(3))
    return raw.getvalue()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive at all", single_array()])
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"mine\.npz: .*write it with numpy\.savez") as raised:
        load(path)
    assert "\n" not in str(raised.value)


def test_a_member_that_is_no_array_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, {key: value for key, value in arrays().items() if key != "y_test"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("y_test.npy", "0, 1, 2")
    with pytest.raises(DataError, match="y_test"):
        load(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_always_refused(tmp_path: Path, share: float) -> None:
    whole = saved(tmp_path, arrays()).read_bytes()
    cut = tmp_path / "cut.npz"
    cut.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataError, match=r"cut\.npz: ") as raised:
        load(cut)
    assert "\n" not in str(raised.value)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_changes_nothing(tmp_path: Path, share: float, flip: int) -> None:
    path = saved(tmp_path, arrays())
    expected = load(path).digest
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= flip
    damaged = tmp_path / "damaged.npz"
    damaged.write_bytes(content)
    try:
        outcome = load(damaged).digest
    except DataError as error:
        outcome = str(error)
    assert outcome == expected or outcome.startswith(f"{damaged}: ")
    assert "\n" not in outcome
