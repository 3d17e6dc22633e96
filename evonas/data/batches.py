"""From stored examples to what a network is given."""

from __future__ import annotations

import numpy as np

from evonas.data.dataset import Dataset, DataSpec
from evonas.errors import ConfigError, DataError
from evonas.rng import generator


def normalise(inputs: np.ndarray, spec: DataSpec) -> np.ndarray:
    """The inputs as float32, less the mean and over the standard deviation of their channel; same shape.

    Args:
        inputs: (..., C, H, W) in the unit of the stored inputs; left as it is.

    Raises:
        DataError: the last three dimensions are not those of the data set.
    """
    if inputs.shape[-3:] != spec.shape:
        raise DataError(f"inputs of '{spec.name}' end in {spec.shape}, not in {inputs.shape[-3:]}")
    per_channel = (-1, 1, 1)
    result = inputs.astype(np.float32)
    result -= np.asarray(spec.mean, dtype=np.float32).reshape(per_channel)
    result /= np.asarray(spec.std, dtype=np.float32).reshape(per_channel)
    return result


def scoring_batch(dataset: Dataset, *, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The fixed batch that training-free scores are computed on: normalised inputs and their labels.

    It is the first `size` examples of one fixed order of the training split, in which the classes take turns: a
    batch is as balanced as the data allow, the same in every run, and the beginning of every larger one. Nothing
    is augmented.

    Returns:
        (size, C, H, W) or (size, T, C, H, W) float32, and (size,) int64.

    Raises:
        ConfigError: `size` is below 1 or more than the training split holds.
    """
    if not 1 <= size <= len(dataset.train):
        expected = f"1 to {len(dataset.train)}, the training examples of '{dataset.spec.name}', expected"
        raise ConfigError(f"evaluation.batch: {expected}, {size} given; choose a size in that range")
    chosen = order_of_turns(dataset.train.labels, rng=generator(0, "scoring-order"))[:size]
    return normalise(dataset.train.inputs[chosen], dataset.spec), dataset.train.labels[chosen]


def order_of_turns(labels: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """Indices (N,) in which the k-th drawn example of each class comes before the k+1-th of any class."""
    drawn = rng.permutation(len(labels))
    turn = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        members = drawn[labels[drawn] == label]
        turn[members] = np.arange(len(members))
    return np.lexsort((labels, turn))
