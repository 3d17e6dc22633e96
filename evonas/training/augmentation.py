"""Random crops and flips of a whole batch at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from evonas.rng import generator

CROP_PADDING = 4  # pixels on each side; He et al., CVPR 2016 (arXiv 1512.03385), section 4.2


@dataclass(frozen=True)
class Shifts:
    """Where N examples are cropped, `rows` and `columns` (N,) of 0 to 2 CROP_PADDING, and which are mirrored."""

    rows: Tensor
    columns: Tensor
    mirrored: Tensor

    def of(self, examples: Tensor) -> Shifts:
        """Those of the chosen examples (B,)."""
        return Shifts(self.rows[examples], self.columns[examples], self.mirrored[examples])


def draw_shifts(n: int, *, seed: int, epoch: int, device: torch.device) -> Shifts:
    """The crops and flips of the `n` training examples in one epoch; a function of its arguments alone."""
    rng = generator(seed, "training", epoch, "augmentation")
    offsets = rng.integers(0, 2 * CROP_PADDING, size=(2, n), endpoint=True)
    mirrored = rng.integers(0, 1, size=n, endpoint=True).astype(np.bool_)
    rows, columns, flips = (torch.from_numpy(a).to(device) for a in (offsets[0], offsets[1], mirrored))
    return Shifts(rows, columns, flips)


def crop_and_flip(inputs: Tensor, *, shifts: Shifts) -> Tensor:
    """`inputs` (B, ..., H, W), padded with zeros, cropped to H x W again and mirrored left to right where
    asked.

    All leading dimensions of an example, so the frames of an event recording too, move together. The inputs
    are the stored ones, so that the padding is black, as where images are cropped before they are normalised.
    """
    height, width = inputs.shape[-2:]
    flat = inputs.flatten(1, -3)
    padded = pad(flat, (CROP_PADDING,) * 4)
    rows = shifts.rows[:, None] + torch.arange(height, device=inputs.device)
    columns = torch.arange(width, device=inputs.device)
    columns = torch.where(shifts.mirrored[:, None], columns.flip(0), columns) + shifts.columns[:, None]
    example = torch.arange(len(inputs), device=inputs.device)[:, None, None, None]
    channel = torch.arange(flat.shape[1], device=inputs.device)[None, :, None, None]
    return padded[example, channel, rows[:, None, :, None], columns[:, None, None, :]].view(inputs.shape)
