from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evonas.data import Dataset, DataSpec, Split, load, normalise, scoring_batch
from evonas.errors import ConfigError, DataError


def spec(*, channels: int = 2, mean: tuple[float, ...] = (10.0, 20.0)) -> DataSpec:
    return DataSpec(
        name="made",
        shape=(channels, 1, 3),
        n_classes=3,
        static=True,
        n_steps=None,
        mean=mean,
        std=(2.0, 4.0),
        augment=False,
    )


def dataset(labels: list[int]) -> Dataset:
    """One pixel row per example, whose first value is the index of the example."""
    inputs = np.zeros((len(labels), 2, 1, 3), dtype=np.float32)
    inputs[:, 0, 0, 0] = np.arange(len(labels))
    split = Split(inputs, np.array(labels, dtype=np.int64))
    return Dataset(spec(mean=(0.0, 0.0)), split, split, split, digest="")


def test_normalised_inputs_are_centred_and_scaled_per_channel() -> None:
    inputs = np.array([[[[10, 12, 14]], [[20, 16, 28]]]], dtype=np.uint8)
    result = normalise(inputs, spec())
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, [[[[0.0, 1.0, 2.0]], [[0.0, -1.0, 2.0]]]])


def test_normalising_leaves_its_argument_alone_even_when_it_is_float32() -> None:
    inputs = np.full((1, 2, 1, 3), 10, dtype=np.float32)
    normalise(inputs, spec())
    assert (inputs == 10).all()


def test_frames_are_normalised_by_channel_not_by_time() -> None:
    frames = np.random.default_rng(0).integers(0, 9, (4, 5, 2, 1, 3), dtype=np.uint8)
    together = normalise(frames, spec())
    for t in range(5):
        np.testing.assert_array_equal(together[:, t], normalise(frames[:, t], spec()))


def test_inputs_of_another_shape_are_refused() -> None:
    with pytest.raises(DataError, match=r"'made' end in \(2, 1, 3\), not in \(3, 1, 3\)"):
        normalise(np.zeros((1, 3, 1, 3), dtype=np.uint8), spec())


def test_the_scoring_batch_is_normalised_and_comes_with_its_labels() -> None:
    digits = load("digits")
    inputs, labels = scoring_batch(digits, size=100)
    assert inputs.shape == (100, 1, 8, 8)
    assert inputs.dtype == np.float32
    assert labels.dtype == np.int64
    rows = {row.tobytes(): label for row, label in zip(digits.train.inputs, digits.train.labels, strict=True)}
    raw = np.rint(inputs * digits.spec.std[0] + digits.spec.mean[0]).astype(np.uint8)
    assert [rows[row.tobytes()] for row in raw] == labels.tolist()


def test_the_scoring_batch_is_the_same_every_time() -> None:
    first, second = (scoring_batch(load("digits"), size=40) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


def test_the_scoring_batch_is_not_just_the_head_of_each_class() -> None:
    labels = [0, 1] * 200
    chosen = scoring_batch(dataset(labels), size=40)[0][:, 0, 0, 0]
    assert chosen.max() > 20  # halved by the deviation of 2: an index above 40


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.data())
def test_any_scoring_batch_is_as_balanced_as_the_data_allow(labels: list[int], data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(labels)))
    chosen = scoring_batch(dataset(labels), size=size)[1]
    counts = np.bincount(chosen, minlength=5)
    available = np.bincount(labels, minlength=5)
    largest = counts.max()
    for label in range(5):
        assert counts[label] >= min(largest - 1, available[label])


@given(st.lists(st.integers(0, 4), min_size=2, max_size=60), st.data())
def test_a_smaller_scoring_batch_begins_a_larger_one(labels: list[int], data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(labels) - 1))
    small, large = (scoring_batch(dataset(labels), size=n)[0] for n in (size, len(labels)))
    np.testing.assert_array_equal(small, large[:size])
    assert len(np.unique(large[:, 0, 0, 0])) == len(labels)


@pytest.mark.parametrize("size", [0, -1, 5])
def test_a_scoring_batch_larger_than_the_data_or_empty_is_refused(size: int) -> None:
    with pytest.raises(ConfigError, match=rf"evaluation\.batch: 1 to 4, .*'made'.* {size} given") as raised:
        scoring_batch(dataset([0, 1, 0, 1]), size=size)
    assert "\n" not in str(raised.value)
