"""Crops and flips against a loop over the examples."""

from __future__ import annotations

import torch

from evonas.training.augmentation import CROP_PADDING, Shifts, crop_and_flip, draw_shifts

CPU = torch.device("cpu")


def test_every_example_is_shifted_and_mirrored_as_a_loop_does_it() -> None:
    inputs = torch.arange(6 * 2 * 5 * 7, dtype=torch.float32).reshape(6, 2, 5, 7) + 1
    shifts = draw_shifts(6, seed=3, epoch=1, device=CPU)
    result = crop_and_flip(inputs, shifts=shifts)
    for i, image in enumerate(inputs):
        padded = torch.nn.functional.pad(image, (CROP_PADDING,) * 4)
        top, left = int(shifts.rows[i]), int(shifts.columns[i])
        crop = padded[:, top : top + 5, left : left + 7]
        assert torch.equal(result[i], crop.flip(-1) if shifts.mirrored[i] else crop)


def test_a_crop_in_the_middle_leaves_the_image_and_a_corner_brings_in_black() -> None:
    image = torch.full((1, 1, 6, 6), 200, dtype=torch.uint8)
    still, moved = (torch.tensor([offset]) for offset in (CROP_PADDING, 0))
    upright = torch.tensor([False])
    assert torch.equal(crop_and_flip(image, shifts=Shifts(still, still, upright)), image)
    corner = crop_and_flip(image, shifts=Shifts(moved, moved, upright))
    assert corner.dtype == torch.uint8
    assert corner[0, 0, :CROP_PADDING].max() == 0
    assert corner[0, 0, CROP_PADDING:, CROP_PADDING:].min() == 200


def test_all_frames_of_a_recording_move_together() -> None:
    recording = torch.rand(4, 1, 2, 8, 8).repeat(1, 3, 1, 1, 1)
    result = crop_and_flip(recording, shifts=draw_shifts(4, seed=0, epoch=0, device=CPU))
    assert result.shape == recording.shape
    assert torch.equal(result[:, 0], result[:, 2])
    assert not torch.equal(result, recording)


def test_the_draw_covers_all_offsets_and_depends_on_seed_and_epoch_alone() -> None:
    shifts = draw_shifts(2000, seed=5, epoch=2, device=CPU)
    again = draw_shifts(2000, seed=5, epoch=2, device=CPU)
    later = draw_shifts(2000, seed=5, epoch=3, device=CPU)
    assert set(shifts.rows.tolist()) == set(shifts.columns.tolist()) == set(range(2 * CROP_PADDING + 1))
    assert 0.4 < shifts.mirrored.float().mean() < 0.6
    assert torch.equal(shifts.rows, again.rows)
    assert torch.equal(shifts.mirrored, again.mirrored)
    assert not torch.equal(shifts.rows, later.rows)
    assert not torch.equal(shifts.rows, shifts.columns)
