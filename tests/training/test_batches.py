"""Batches: what a network is given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from evonas.data.batches import normalise
from evonas.data.dataset import Dataset
from evonas.training.batches import Batches

CPU = torch.device("cpu")


def _batches(dataset: Dataset, *, size: int) -> Batches:
    return Batches(dataset.train, spec=dataset.spec, size=size, device=CPU)


def test_batches_in_order_hold_every_example_normalised_as_elsewhere(images: Dataset) -> None:
    pairs = list(_batches(images, size=32).in_order())
    assert [inputs.shape for inputs, _ in pairs] == [(1, 32, 1, 8, 8), (1, 32, 1, 8, 8), (1, 6, 1, 8, 8)]
    together = torch.cat([inputs[0] for inputs, _ in pairs]).numpy()
    np.testing.assert_array_equal(together, normalise(images.train.inputs, images.spec))
    np.testing.assert_array_equal(torch.cat([labels for _, labels in pairs]).numpy(), images.train.labels)


def test_time_comes_first_in_batches_of_recordings(frames: Dataset) -> None:
    inputs, _ = next(_batches(frames, size=16).in_order())
    assert inputs.shape == (3, 16, 1, 8, 8)
    np.testing.assert_array_equal(
        inputs.transpose(0, 1).numpy(), normalise(frames.train.inputs[:16], frames.spec)
    )


def test_float_inputs_are_left_as_they_are(images: Dataset) -> None:
    stored = replace(images.train, inputs=images.train.inputs.astype(np.float32))
    before = stored.inputs.copy()
    batches = Batches(stored, spec=images.spec, size=16, device=CPU)
    next(batches.in_order())
    next(batches.shuffled(seed=0, epoch=0))
    np.testing.assert_array_equal(stored.inputs, before)


def test_an_epoch_holds_no_example_twice_and_no_batch_that_is_not_full(images: Dataset) -> None:
    marked = replace(images.train, labels=np.arange(70, dtype=np.int64))
    batches = Batches(marked, spec=images.spec, size=32, device=CPU)
    seen = [labels for _, labels in batches.shuffled(seed=1, epoch=0)]
    assert [len(labels) for labels in seen] == [32, 32]
    assert len(set(torch.cat(seen).tolist())) == 64
    for inputs, labels in batches.shuffled(seed=1, epoch=0):
        expected = normalise(images.train.inputs[labels.numpy()], images.spec)
        np.testing.assert_array_equal(inputs[0].numpy(), expected)


def test_a_split_smaller_than_a_batch_is_one_batch(images: Dataset) -> None:
    batches = _batches(images, size=200)
    assert batches.n_per_epoch == 1
    assert [len(labels) for _, labels in batches.shuffled(seed=0, epoch=0)] == [70]


def test_the_order_depends_on_seed_and_epoch_alone(augmented: Dataset) -> None:
    def first(seed: int, epoch: int) -> torch.Tensor:
        return next(_batches(augmented, size=32).shuffled(seed=seed, epoch=epoch))[0]

    assert torch.equal(first(1, 4), first(1, 4))
    assert not torch.equal(first(1, 4), first(1, 5))
    assert not torch.equal(first(1, 4), first(2, 4))


def test_only_data_that_allow_it_are_augmented(images: Dataset, augmented: Dataset) -> None:
    plain = next(_batches(images, size=64).shuffled(seed=0, epoch=0))
    moved = next(_batches(augmented, size=64).shuffled(seed=0, epoch=0))
    assert torch.equal(plain[1], moved[1])
    assert not torch.equal(plain[0], moved[0])
    for a, b in zip(
        _batches(images, size=64).in_order(), _batches(augmented, size=64).in_order(), strict=True
    ):
        assert torch.equal(a[0], b[0])
