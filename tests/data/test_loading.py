from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evonas.data import DATASETS, Dataset, Events, EventTrainTest, Recordings, Split, TrainTest, load
from evonas.data.loading import assemble, channel_statistics, framed, stratified_split
from evonas.errors import ConfigError, DataError
from genomes.errors import UnknownNameError

REPOSITORY = Path(__file__).resolve().parents[2]
ROOTS = {
    "cifar10": "cifar10_root",
    "dvs128_objects": "event_root",
    "fashion_mnist": "fashion_mnist_root",
    "nmnist": "event_root",
}
"""The fixture that gives the real data of a data set, where it needs any."""


def split(labels: list[int], *, shape: tuple[int, ...] = (1, 2, 2), seed: int = 0) -> Split:
    pixels = np.random.default_rng(seed).integers(0, 256, (len(labels), *shape), dtype=np.uint8)
    return Split(pixels, np.array(labels, dtype=np.int64))


def assembled(
    train: Split,
    *,
    test: Split | None = None,
    validation: Split | None = None,
    n_classes: int = 2,
    mean: tuple[float, ...] | None = None,
    n_train: int | None = None,
    n_validation: int | None = None,
    n_test: int | None = None,
) -> Dataset:
    parts = TrainTest(
        train,
        split([0, 1], shape=train.inputs.shape[1:], seed=1) if test is None else test,
        n_classes=n_classes,
        augment=False,
        mean=mean,
        std=mean,
        validation=validation,
    )
    return assemble(
        parts,
        name="made",
        origin="made.file",
        n_train=n_train,
        n_validation=n_validation,
        n_test=n_test,
    )


def test_the_registry_holds_the_data_sets_of_the_package() -> None:
    assert {"cifar10", "digits", "dvs128_objects", "fashion_mnist", "nmnist"} <= set(DATASETS.names())


@pytest.mark.parametrize("name", DATASETS.names())
def test_every_data_set_keeps_the_promises_of_its_spec(name: str, request: pytest.FixtureRequest) -> None:
    root = request.getfixturevalue(ROOTS[name]) if name in ROOTS else None
    loaded = load(name, root=root)
    spec = loaded.spec
    assert spec.name == name
    assert spec.static == (spec.n_steps is None)
    assert len(spec.mean) == len(spec.std) == spec.shape[0]
    assert min(spec.std) > 0
    steps = () if spec.n_steps is None else (spec.n_steps,)
    for part in (loaded.train, loaded.validation, loaded.test):
        assert part.inputs.shape == (len(part), *steps, *spec.shape)
        assert np.unique(part.labels).tolist() == list(range(spec.n_classes))
    kept, held = np.bincount(loaded.train.labels), np.bincount(loaded.validation.labels)
    np.testing.assert_allclose(held / (kept + held), 0.1, atol=0.01)


def test_a_misspelt_name_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UnknownNameError, match="unknown data set 'cifr10'; did you mean 'cifar10'"):
        load("cifr10")


def test_a_new_data_set_is_one_file_that_registers_itself(tmp_path: Path) -> None:
    for package in ("evonas", "genomes"):
        shutil.copytree(
            REPOSITORY / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    (tmp_path / "evonas" / "data" / "stripes.py").write_text(
        "import numpy as np\n"
        "from evonas.data.dataset import DATASETS, Split, TrainTest\n"
        "def read(root, *, report):\n"
        "    part = Split(np.zeros((8, 1, 4, 4), np.uint8), np.arange(8) % 2)\n"
        "    return TrainTest(train=part, test=part, n_classes=2, augment=False)\n"
        "DATASETS.register('stripes', read)\n"
    )
    code = "from evonas.data import load; print(load('stripes').spec.shape)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "(1, 4, 4)\n"


def test_train_and_validation_share_no_example_and_lose_none() -> None:
    labels = [0] * 30 + [1] * 12
    train = split(labels)
    made = assembled(train)
    rows = [row.tobytes() for part in (made.train, made.validation) for row in part.inputs]
    assert sorted(rows) == sorted(row.tobytes() for row in train.inputs)
    assert np.bincount(made.validation.labels).tolist() == [3, 1]


def test_a_validation_split_that_the_reader_held_out_is_kept_as_it_is() -> None:
    train, held = split([0, 1] * 10), split([1, 0, 1], seed=7)
    made = assembled(train, validation=held)
    np.testing.assert_array_equal(made.validation.inputs, held.inputs)
    np.testing.assert_array_equal(made.train.inputs, train.inputs)
    assert made.digest != assembled(train).digest


@pytest.mark.parametrize(
    ("held", "says"),
    [
        (split([0, 2]), "a validation label is 2, where 0 to 1"),
        (split([]), "the validation set is empty"),
        (split([0, 1], shape=(1, 3, 2)), r"validation examples uint8 \(1, 3, 2\)"),
    ],
)
def test_a_held_out_validation_split_is_checked_like_the_others(held: Split, says: str) -> None:
    with pytest.raises(DataError, match=f"made.file: .*{says}"):
        assembled(split([0, 1] * 10), validation=held)


def test_fewer_training_examples_leave_validation_and_test_as_they_are() -> None:
    labels = [0] * 40 + [1] * 20
    whole, few = assembled(split(labels)), assembled(split(labels), n_train=11)
    assert sorted(np.bincount(few.train.labels).tolist()) == [5, 6]
    for part, other in ((few.validation, whole.validation), (few.test, whole.test)):
        np.testing.assert_array_equal(part.inputs, other.inputs)
    assert few.digest != whole.digest
    np.testing.assert_allclose(few.spec.mean, few.train.inputs.mean(axis=(0, 2, 3)))


def test_fewer_training_examples_are_part_of_more() -> None:
    rows = []
    for n in (8, 20, None):
        made = assembled(split([0] * 40 + [1] * 20, shape=(1, 4, 4)), n_train=n)
        rows.append({row.tobytes() for row in made.train.inputs})
    assert [len(part) for part in rows] == [8, 20, 54]
    assert rows[0] < rows[1] < rows[2]


def test_as_many_training_examples_as_there_are_is_all_of_them_in_their_order() -> None:
    train = split([0] * 40 + [1] * 20)
    assert assembled(train, n_train=54).digest == assembled(train).digest


@pytest.mark.parametrize("n", [-1, 3, 55])
def test_a_number_of_training_examples_out_of_range_is_refused_in_one_line(n: int) -> None:
    with pytest.raises(ConfigError, match=rf"data\.n_train: 4 to 54, .*'made'.* {n} given") as raised:
        assembled(split([0] * 40 + [1] * 20), n_train=n)
    assert "\n" not in str(raised.value)


def test_fewer_validation_and_test_examples_are_taken_in_turns_of_the_classes() -> None:
    labels, tested = [0] * 200 + [1] * 100, split([0] * 30 + [1] * 10, seed=1)
    whole = assembled(split(labels), test=tested)
    few = assembled(split(labels), test=tested, n_validation=6, n_test=5)
    assert len(few.train) == len(whole.train)
    assert np.bincount(few.validation.labels).tolist() == [3, 3]
    assert sorted(np.bincount(few.test.labels).tolist()) == [2, 3]
    for part, all_of_it in ((few.validation, whole.validation), (few.test, whole.test)):
        assert {row.tobytes() for row in part.inputs} < {row.tobytes() for row in all_of_it.inputs}


@pytest.mark.parametrize(("setting", "n", "legal"), [("n_validation", 0, "1 to 30"), ("n_test", 3, "1 to 2")])
def test_a_number_of_held_out_examples_out_of_range_is_refused(setting: str, n: int, legal: str) -> None:
    with pytest.raises(ConfigError, match=rf"data\.{setting}: {legal}, .*'made'.* {n} given"):
        assembled(split([0] * 200 + [1] * 100), **{setting: n})


def test_a_registered_data_set_and_a_file_both_take_numbers_of_examples(tmp_path: Path) -> None:
    few = load("digits", n_train=50, n_validation=20, n_test=30)
    assert (len(few.train), len(few.validation), len(few.test)) == (50, 20, 30)
    parts = split([0, 1] * 20)
    np.savez(
        tmp_path / "mine.npz",
        x_train=parts.inputs,
        y_train=parts.labels,
        x_test=parts.inputs,
        y_test=parts.labels,
    )
    assert len(load(tmp_path / "mine.npz", n_train=10).train) == 10


def recordings(counts: list[int], labels: list[int]) -> Recordings:
    """Recordings of a sensor of one pixel that fires `counts` times."""
    events = []
    for i, n in enumerate(counts):
        t, zeros = np.arange(n), np.zeros(n, dtype=np.int64)
        events.append(Events(t, zeros, zeros, zeros, shape=(1, 1), origin=f"recording {i}"))
    return Recordings(events, np.array(labels, dtype=np.int64))


def test_recordings_are_framed_in_their_order_with_their_labels() -> None:
    parts = EventTrainTest(
        train=recordings([4, 8], [1, 0]),
        test=recordings([12], [0]),
        validation=recordings([16], [1]),
        n_classes=2,
    )
    made = framed(parts, n_steps=4, framing="count")
    assert made.train.inputs[:, :, 0, 0, 0].tolist() == [[1] * 4, [2] * 4]
    assert made.train.labels.tolist() == [1, 0]
    assert made.test.inputs[:, :, 0, 0, 0].tolist() == [[3] * 4]
    assert made.validation is not None
    assert made.validation.inputs[:, :, 0, 0, 0].tolist() == [[4] * 4]
    assert made.train.inputs.dtype == np.uint8
    assert not made.train.inputs[:, :, 1].any()


@pytest.mark.parametrize("largest", ["train", "test", "validation"])
def test_counts_beyond_a_byte_are_kept_and_make_all_splits_floats(largest: str) -> None:
    counts = {name: [3, 600 if name == largest else 5, 7] for name in ("train", "test", "validation")}
    parts = EventTrainTest(**{k: recordings(v, [0, 1, 0]) for k, v in counts.items()}, n_classes=2)
    made = framed(parts, n_steps=2, framing="count")
    for name, expected in counts.items():
        inputs = getattr(made, name).inputs
        assert inputs.dtype == np.float32
        assert inputs.sum(axis=(1, 2, 3, 4)).tolist() == expected


def test_no_recordings_and_more_recordings_than_labels_are_refused() -> None:
    with pytest.raises(DataError, match=r"labels: int64 of shape \(N,\) expected, N at least 1"):
        recordings([], [])
    parts = EventTrainTest(train=recordings([4], [0]), test=recordings([4, 4], [0]), n_classes=1)
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        framed(parts, n_steps=2, framing="time")


def test_the_validation_split_is_the_same_every_time() -> None:
    first, second = (assembled(split([0, 1] * 20)) for _ in range(2))
    np.testing.assert_array_equal(first.validation.inputs, second.validation.inputs)


@given(st.lists(st.integers(0, 3), max_size=50), st.floats(0, 1))
def test_a_stratified_split_holds_the_fraction_of_every_class(labels: list[int], fraction: float) -> None:
    doubled = np.array([0, 0, *labels, *labels], dtype=np.int64)
    kept, held = stratified_split(doubled, fraction=fraction, rng=np.random.default_rng(0))
    assert sorted([*kept, *held]) == list(range(len(doubled)))
    for label in np.unique(doubled):
        n, n_held = int((doubled == label).sum()), int((doubled[held] == label).sum())
        assert 1 <= n_held <= n - 1
        assert abs(n_held - fraction * n) <= 1


def test_statistics_are_those_of_the_training_split_without_validation() -> None:
    made = assembled(split([0, 1] * 20, shape=(3, 2, 2)))
    np.testing.assert_allclose(made.spec.mean, made.train.inputs.mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(made.spec.std, made.train.inputs.std(axis=(0, 2, 3)))


def test_published_statistics_are_taken_as_they_are() -> None:
    assert assembled(split([0, 1] * 5), mean=(7.0,)).spec.mean == (7.0,)


def test_statistics_over_many_chunks_equal_those_over_the_whole() -> None:
    inputs = np.random.default_rng(0).normal(1000, 0.1, (2500, 2, 2, 1, 3)).astype(np.float32)
    mean, std = channel_statistics(inputs)
    axes = (0, 1, 3, 4)
    np.testing.assert_allclose(mean, inputs.mean(axis=axes, dtype=np.float64))
    np.testing.assert_allclose(std, inputs.std(axis=axes, dtype=np.float64))


@pytest.mark.parametrize("value", [0.0, 0.1, -3e5])
def test_a_constant_channel_has_deviation_one(value: float) -> None:
    assert channel_statistics(np.full((2001, 1, 3, 3), value, dtype=np.float32))[1] == (1.0,)


def test_frames_are_told_from_images_by_their_time_axis() -> None:
    images = assembled(split([0, 1] * 4, shape=(3, 4, 5))).spec
    frames = assembled(split([0, 1] * 4, shape=(7, 3, 4, 5))).spec
    assert (images.shape, images.static, images.n_steps) == ((3, 4, 5), True, None)
    assert (frames.shape, frames.static, frames.n_steps) == ((3, 4, 5), False, 7)


def test_the_digest_follows_the_contents() -> None:
    train = split([0, 1] * 20)
    pixel, label = (split([0, 1] * 20) for _ in range(2))
    pixel.inputs[-1, 0, 0, 0] ^= 1
    label.labels[[0, 1]] = label.labels[[1, 0]]
    other_test = assembled(train, test=split([0, 1], seed=2))
    digests = [assembled(train).digest, assembled(pixel).digest, assembled(label).digest, other_test.digest]
    assert len(set(digests)) == 4
    assert assembled(split([0, 1] * 20)).digest == digests[0]


def test_the_digest_tells_shapes_apart_that_hold_the_same_bytes() -> None:
    wide = assembled(Split(np.zeros((8, 1, 1, 4), np.uint8), np.arange(8) % 2))
    square = assembled(Split(np.zeros((8, 1, 2, 2), np.uint8), np.arange(8) % 2))
    assert wide.digest != square.digest


@pytest.mark.parametrize(
    ("train", "test", "says"),
    [
        (split([0, 0, 1]), None, "class 1 has too few training examples: 1, where at least 2"),
        (split([0, 0, 0]), None, "class 1 has too few training examples: 0"),
        (split([0, 0, 1, 2]), None, "a training label is 2, where 0 to 1 are expected"),
        (split([0, 0, 1, -1]), None, "a training label is -1"),
        (split([0, 1] * 2), split([5]), "a test label is 5"),
        (split([0, 1] * 2), split([]), "the test set is empty"),
        (split([0, 1] * 2), split([0, 1], shape=(1, 2, 3)), r"test examples uint8 \(1, 2, 3\)"),
    ],
)
def test_parts_that_make_no_data_set_are_refused_in_one_line(
    train: Split, test: Split | None, says: str
) -> None:
    with pytest.raises(DataError, match=f"made.file: .*{says}") as raised:
        assembled(train, test=test)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("inputs", "labels", "says"),
    [
        (np.zeros((2, 1, 2, 2)), np.zeros(2, np.int64), "inputs: .* float64 of shape"),
        (np.zeros((2, 4), np.uint8), np.zeros(2, np.int64), "inputs: .* 4 or 5 dimensions"),
        (np.zeros((2, 1, 2, 2), np.uint8), np.zeros(3, np.int64), r"labels: int64 of shape \(2,\)"),
        (np.zeros((2, 1, 2, 2), np.uint8), np.zeros(2, np.int32), "labels: .* int32"),
    ],
)
def test_a_split_refuses_arrays_that_do_not_fit(inputs: np.ndarray, labels: np.ndarray, says: str) -> None:
    with pytest.raises(DataError, match=says):
        Split(inputs, labels)
