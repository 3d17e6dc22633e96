"""Training: it learns, it says how well, it touches the test set once, and it refuses what it cannot do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from evonas.data.dataset import Dataset
from evonas.errors import ConfigError
from evonas.training.batches import Batches
from evonas.training.loop import CHECKPOINT, RESULT, WEIGHTS, DivergedError
from evonas.training.result import EpochReport, TrainingResult

Make = Callable[[], nn.Module]
Run = Callable[..., TrainingResult]


def _same_weights(a: nn.Module, b: nn.Module) -> bool:
    theirs = b.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in a.state_dict().items())


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("amp", [False, True], ids=["float32", "mixed"])
def test_it_learns_and_says_how_well(
    run: Run, optimizer: str, amp: bool, images: Dataset, small_network: Make, tmp_path: Path
) -> None:
    reports: list[EpochReport] = []
    network = small_network()
    result = run(
        network,
        images,
        tmp_path,
        epochs=8,
        optimizer=optimizer,
        amp=amp,
        learning_rate=0.05,
        report=reports.append,
    )
    assert result.test_accuracy > 0.9
    assert result.validation_accuracy == reports[-1].validation_accuracy > 0.9
    assert [r.epoch for r in reports] == list(range(1, 9))
    assert reports[-1].loss < reports[0].loss
    assert all(r.images_per_second > 0 and r.epochs == 8 for r in reports)
    assert result.epochs == 8
    assert result.seconds > 0
    assert result.images_per_second > 0
    assert not network.training
    assert all(p.dtype == torch.float32 for p in network.parameters())


def test_recordings_are_trained_on_too(
    run: Run, frames: Dataset, small_network: Make, tmp_path: Path
) -> None:
    assert run(small_network(), frames, tmp_path, epochs=8, learning_rate=0.05).test_accuracy > 0.9


def test_the_files_hold_the_weights_and_the_result(
    run: Run, images: Dataset, small_network: Make, tmp_path: Path
) -> None:
    network = small_network()
    result = run(network, images, tmp_path)
    fresh = small_network()
    fresh.load_state_dict(torch.load(tmp_path / WEIGHTS, weights_only=True))
    assert _same_weights(fresh, network)
    assert json.loads((tmp_path / RESULT).read_text()) == result.to_dict()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([CHECKPOINT, RESULT, WEIGHTS])


def test_the_test_set_is_read_once_and_only_after_the_last_epoch(
    run: Run, images: Dataset, small_network: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    read = Batches.in_order

    def watched(batches: Batches) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        events.append({20: "validation", 30: "test"}[len(batches)])
        return read(batches)

    monkeypatch.setattr(Batches, "in_order", watched)
    first = run(small_network(), images, tmp_path, epochs=3)
    assert events == ["validation"] * 3 + ["test"]
    network = small_network()
    again = run(network, images, tmp_path, epochs=3)
    assert events == ["validation"] * 3 + ["test"]
    assert again == first
    weights = torch.load(tmp_path / WEIGHTS, weights_only=True)
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())


def test_a_loss_that_is_not_finite_stops_the_training(
    run: Run, images: Dataset, small_network: Make, tmp_path: Path
) -> None:
    network = small_network()
    nn.init.constant_(network.get_parameter("readout.bias"), float("inf"))
    with pytest.raises(
        DivergedError, match=r"diverged in epoch 1 of 4: loss nan; lower training.learning_rate"
    ):
        run(network, images, tmp_path)
    assert not (tmp_path / CHECKPOINT).exists()


def test_weights_that_are_not_finite_stop_the_training_though_the_silent_network_has_a_finite_loss(
    run: Run, images: Dataset, small_network: Make, tmp_path: Path
) -> None:
    network = small_network()
    network.register_parameter("unused", nn.Parameter(torch.tensor(float("nan"))))
    with pytest.raises(DivergedError, match="weights that are not finite"):
        run(network, images, tmp_path)


def test_wrong_settings_are_refused_before_anything_is_written(
    run: Run, images: Dataset, small_network: Make, tmp_path: Path
) -> None:
    folder = tmp_path / "new"
    with pytest.raises(
        ConfigError, match=r"training.threads: a whole number of 1 or above expected, 0 given"
    ):
        run(small_network(), images, folder, threads=0)
    with pytest.raises(ConfigError, match=r"training.device"):
        run(small_network(), images, folder, device="cuda:99")
    assert not folder.exists()


def test_the_number_of_threads_is_put_back(
    run: Run, images: Dataset, small_network: Make, tmp_path: Path
) -> None:
    run(small_network(), images, tmp_path, epochs=1, threads=2)
    assert torch.get_num_threads() == 1


def test_the_test_accuracy_is_the_share_of_test_examples_that_are_right(
    run: Run, images: Dataset, small_network: Make, tmp_path: Path
) -> None:
    network = small_network()
    result = run(network, images, tmp_path, epochs=2)
    stored = Batches(images.test, spec=images.spec, size=len(images.test), device=torch.device("cpu"))
    inputs, labels = next(stored.in_order())
    with torch.no_grad():
        logits = network(inputs, time_steps=3)
    assert result.test_accuracy == pytest.approx((logits.argmax(1) == labels).float().mean().item())
