from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from evonas.data import load


def test_digits_are_8_by_8_images_of_17_grey_levels_kept_in_bytes() -> None:
    digits = load("digits")
    assert digits.spec.shape == (1, 8, 8)
    assert digits.spec.n_classes == 10
    assert digits.spec.static
    assert not digits.spec.augment
    assert digits.train.inputs.dtype == np.uint8
    assert digits.train.inputs.max() == 16


def test_every_digit_is_in_exactly_one_split_with_its_own_label() -> None:
    digits, original = load("digits"), load_digits()
    expected = sorted(
        (image.astype(np.uint8).tobytes(), int(label))
        for image, label in zip(original.images, original.target, strict=True)
    )
    found = sorted(
        (image.tobytes(), int(label))
        for part in (digits.train, digits.validation, digits.test)
        for image, label in zip(part.inputs, part.labels, strict=True)
    )
    assert found == expected


def test_a_fifth_of_every_digit_is_for_testing() -> None:
    shares = np.bincount(load("digits").test.labels) / np.bincount(load_digits().target)
    np.testing.assert_allclose(shares, 0.2, atol=0.01)


def test_the_splits_of_digits_are_fixed() -> None:
    digits = load("digits")
    assert (len(digits.train), len(digits.validation), len(digits.test)) == (1295, 143, 359)
    assert digits.digest == "86a2da90178c6e4e5be355eb557e884568937a5b05af1f342f0108f80d70b5c4"


def test_digits_are_the_same_where_their_file_lies_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = load("digits")
    monkeypatch.setattr("evonas.data.digits.find_spec", lambda name: None)
    assert load("digits").digest == usual.digest


def test_sklearn_is_not_imported_for_digits() -> None:
    code = (
        "import sys, evonas.data; evonas.data.load('digits');"
        "print({'sklearn', 'scipy', 'torch', 'pandas'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"
