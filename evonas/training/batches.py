"""From a stored split to the tensors that a network is given, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from evonas.data.dataset import DataSpec, Split
from evonas.rng import generator
from evonas.training.augmentation import crop_and_flip, draw_shifts

# Bytes of a split that are kept on an accelerator; a larger one stays in main memory and travels batch by
# batch.
_RESIDENT_LIMIT = 2 << 30


class Batches:
    """The batches of a split on a device: normalised float32 inputs (1 or T, B, C, H, W), int64 labels (B,)."""

    def __init__(self, split: Split, *, spec: DataSpec, size: int, device: torch.device) -> None:
        resident = device if split.inputs.nbytes <= _RESIDENT_LIMIT else torch.device("cpu")
        inputs = (
            split.inputs if split.inputs.flags.writeable else split.inputs.copy()
        )  # torch warns of read-only ones
        self._inputs = torch.from_numpy(inputs).to(resident)
        self._labels = torch.from_numpy(split.labels).to(resident)
        self._spec, self._size, self._device = spec, size, device
        self._mean = torch.tensor(spec.mean, dtype=torch.float32, device=device).view(-1, 1, 1)
        self._std = torch.tensor(spec.std, dtype=torch.float32, device=device).view(-1, 1, 1)

    def __len__(self) -> int:
        """The number of examples."""
        return len(self._labels)

    @property
    def n_per_epoch(self) -> int:
        """Batches of a training epoch: the rest that fills no batch is left out, another one each epoch."""
        return max(1, len(self) // self._size)

    def shuffled(self, *, seed: int, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The training batches of `epoch`: in random order, cropped and flipped if the data allow it."""
        order = torch.from_numpy(generator(seed, "training", epoch, "order").permutation(len(self)))
        order = order.to(self._inputs.device)
        shifts = None
        if self._spec.augment:
            shifts = draw_shifts(len(self), seed=seed, epoch=epoch, device=self._inputs.device)
        for i in range(self.n_per_epoch):
            chosen = order[i * self._size : (i + 1) * self._size]
            inputs = self._inputs[chosen]
            if shifts is not None:
                inputs = crop_and_flip(inputs, shifts=shifts.of(chosen))
            yield self._presented(inputs), self._labels[chosen].to(self._device)

    def in_order(self) -> Iterator[tuple[Tensor, Tensor]]:
        """All examples once, as stored: for evaluation."""
        for inputs, labels in zip(
            self._inputs.split(self._size), self._labels.split(self._size), strict=True
        ):
            yield self._presented(inputs), labels.to(self._device)

    def _presented(self, inputs: Tensor) -> Tensor:
        # The arithmetic of evonas.data.batches.normalise, on the device.
        values = inputs.to(self._device).to(torch.float32, copy=True).sub_(self._mean).div_(self._std)
        return values.unsqueeze(0) if self._spec.static else values.transpose(0, 1)
