"""Interruption: resumed equals uninterrupted, and a folder that does not fit is refused."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from evonas.data.dataset import Dataset, Split
from evonas.data.loading import load
from evonas.errors import RunError
from evonas.rng import generator
from evonas.snn.network import SpikingNetwork
from evonas.training import loop
from evonas.training.loop import CHECKPOINT
from evonas.training.result import EpochReport, TrainingResult
from genomes.architecture import INPUT, InputSpec
from genomes.canvas import Canvas
from genomes.micro import Kernel, Neuron
from genomes.operations import Convolution, Dropout
from genomes.spaces.evonas import EvonasSpace

Make = Callable[..., nn.Module]
Run = Callable[..., TrainingResult]


class _InterruptedError(Exception):
    """Stands for Ctrl-C."""


def _interrupt_after(epochs: int) -> Callable[[EpochReport], None]:
    def report(epoch: EpochReport) -> None:
        if epoch.epoch == epochs:
            raise _InterruptedError

    return report


def _same_weights(a: nn.Module, b: nn.Module) -> bool:
    theirs = b.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in a.state_dict().items())


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("stop", [1, 3])
def test_an_interrupted_training_resumes_to_the_weights_of_an_uninterrupted_one(
    run: Run, optimizer: str, stop: int, augmented: Dataset, small_network: Make, tmp_path: Path
) -> None:
    whole, cut, resumed = small_network(), small_network(), small_network()
    expected = run(whole, augmented, tmp_path / "whole", optimizer=optimizer)
    with pytest.raises(_InterruptedError):
        run(cut, augmented, tmp_path / "cut", optimizer=optimizer, report=_interrupt_after(stop))
    assert not _same_weights(cut, whole)
    reports: list[EpochReport] = []
    torch.manual_seed(99)  # the global generator must not matter
    result = run(resumed, augmented, tmp_path / "cut", optimizer=optimizer, report=reports.append)
    assert [r.epoch for r in reports] == list(range(stop + 1, 5))
    assert _same_weights(resumed, whole)
    assert result.test_accuracy == expected.test_accuracy


def test_an_interruption_before_the_first_checkpoint_loses_nothing_but_time(
    run: Run, augmented: Dataset, small_network: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut, resumed = small_network(), small_network(), small_network()
    run(whole, augmented, tmp_path / "whole")

    def stop(step: int, *, n_steps: int, peak: float) -> float:
        raise _InterruptedError

    with monkeypatch.context() as patch:
        patch.setattr(loop, "learning_rate_at", stop)
        with pytest.raises(_InterruptedError):
            run(cut, augmented, tmp_path / "cut")
    run(resumed, augmented, tmp_path / "cut")
    assert _same_weights(resumed, whole)


def test_another_training_in_the_folder_is_refused_and_said(
    run: Run, images: Dataset, small_network: Make, tmp_path: Path
) -> None:
    run(small_network(), images, tmp_path, epochs=1)
    with pytest.raises(RunError, match="another epochs: 1 there, 2 asked"):
        run(small_network(), images, tmp_path, epochs=2)
    with pytest.raises(RunError, match="another data: 'halves' there, 'others' asked"):
        run(small_network(), replace(images, digest="others"), tmp_path, epochs=1)
    other = small_network()
    nn.init.zeros_(other.get_parameter("readout.bias"))
    with pytest.raises(RunError, match="another network"):
        run(other, images, tmp_path, epochs=1)
    with pytest.raises(RunError, match="another surrogate: 'arctan' there, 'sigmoid' asked"):
        run(small_network(surrogate="sigmoid"), images, tmp_path, epochs=1)


def test_a_checkpoint_from_before_surrogates_could_be_chosen_goes_on_with_arctan_alone(
    run: Run, images: Dataset, small_network: Make, tmp_path: Path
) -> None:
    whole, resumed = small_network(), small_network()
    run(whole, images, tmp_path / "whole")
    with pytest.raises(_InterruptedError):
        run(small_network(), images, tmp_path / "cut", report=_interrupt_after(2))
    path = tmp_path / "cut" / CHECKPOINT
    saved = torch.load(path, weights_only=True)
    del saved["identity"]["surrogate"]
    torch.save(saved, path)
    with pytest.raises(RunError, match="another surrogate: 'arctan' there, 'triangle' asked"):
        run(small_network(surrogate="triangle"), images, tmp_path / "cut")
    run(resumed, images, tmp_path / "cut")
    assert _same_weights(resumed, whole)


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_a_damaged_checkpoint_is_refused_in_one_line(
    run: Run, damage: str, images: Dataset, small_network: Make, tmp_path: Path
) -> None:
    run(small_network(), images, tmp_path, epochs=1)
    path = tmp_path / CHECKPOINT
    content = path.read_bytes()
    path.write_bytes({"cut": content[:-700], "text": b"not a checkpoint\n", "empty": b""}[damage])
    with pytest.raises(RunError, match=r"checkpoint.pt is damaged .* delete it") as caught:
        run(small_network(), images, tmp_path, epochs=1)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_that_cannot_be_written_stops_the_training_and_leaves_the_old_one(
    run: Run, images: Dataset, small_network: Make, tmp_path: Path
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def fill_disk(epoch: EpochReport) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))

    try:
        with pytest.raises(RunError, match=r"cannot write .*checkpoint.pt"):
            run(small_network(), images, tmp_path, report=fill_disk)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    resumed, whole, reports = small_network(), small_network(), []
    run(resumed, images, tmp_path, report=reports.append)
    run(whole, images, tmp_path / "whole")
    assert [r.epoch for r in reports] == [2, 3, 4]
    assert _same_weights(resumed, whole)


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; from evonas.training.checkpoint import write_file\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "path = Path(sys.argv[1]); write_file(path, b'old')\n"
        "from evonas.errors import RunError\n"
        "try: write_file(path, b'x' * 9000)\n"
        "except RunError as error: print(error)\n"
    )
    path = tmp_path / "weights.pt"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.startswith(f"cannot write {path}: File too large")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
@pytest.mark.parametrize("amp", [False, True], ids=["float32", "mixed"])
def test_it_learns_on_an_accelerator_and_goes_on_on_the_cpu(
    run: Run, amp: bool, images: Dataset, small_network: Make, tmp_path: Path
) -> None:
    with pytest.raises(_InterruptedError):
        run(small_network(), images, tmp_path, epochs=8, device="cuda", amp=amp, report=_interrupt_after(7))
    assert run(small_network(), images, tmp_path, epochs=8, amp=amp, learning_rate=0.02).test_accuracy > 0.9


def _spiking_network(dataset: Dataset, *, seed: int) -> SpikingNetwork:
    """A sampled architecture with feedback, in which every neuron model occurs."""
    spec = dataset.spec
    space = EvonasSpace(
        InputSpec(shape=spec.shape, n_classes=spec.n_classes), base_width=4, max_stages=2, max_slots=2
    )
    for number in range(100):
        architecture = space.decode(space.sample(rng=generator(seed, "training-test", number)))
        models = {neuron.model for node in architecture.nodes if (neuron := node.neuron)}
        if architecture.has_feedback and models == set(space.models):
            return SpikingNetwork(architecture, seed=seed)
    raise AssertionError("no sampled architecture has feedback and every neuron model")


def test_a_searched_network_learns_digits_and_resumes_bit_for_bit(run: Run, tmp_path: Path) -> None:
    digits = load("digits")
    train, few = digits.train, digits.validation
    digits = replace(digits, train=Split(train.inputs[:192], train.labels[:192]), test=few)
    whole, cut, resumed = (_spiking_network(digits, seed=1) for _ in range(3))
    reports: list[EpochReport] = []
    result = run(whole, digits, tmp_path / "whole", report=reports.append)
    assert reports[-1].loss < reports[0].loss
    assert result.test_accuracy > 0.2  # chance is 0.1
    with pytest.raises(_InterruptedError):
        run(cut, digits, tmp_path / "cut", report=_interrupt_after(2))
    assert run(resumed, digits, tmp_path / "cut").test_accuracy == result.test_accuracy
    assert _same_weights(resumed, whole)


def test_the_masks_of_dropout_are_those_of_an_uninterrupted_training(
    run: Run, images: Dataset, tmp_path: Path
) -> None:
    def with_dropout() -> SpikingNetwork:
        canvas = Canvas()
        lif = Neuron("lif", v_threshold=0.5, tau=2.0, reset="hard")
        stem = canvas.spikes(canvas.through(INPUT, Convolution(Kernel(3), 4)), lif)
        output = canvas.spikes(canvas.through(stem, Dropout(0.5), Convolution(Kernel(3), 4)), lif)
        spec = InputSpec(images.spec.shape, images.spec.n_classes)
        return SpikingNetwork(canvas.architecture(spec, outputs=[output]), seed=0)

    whole, cut, resumed = (with_dropout() for _ in range(3))
    run(whole, images, tmp_path / "whole")
    with pytest.raises(_InterruptedError):
        run(cut, images, tmp_path / "cut", report=_interrupt_after(2))
    torch.manual_seed(99)  # the global generator must not matter
    before = torch.get_rng_state()
    run(resumed, images, tmp_path / "cut")
    assert torch.equal(torch.get_rng_state(), before)
    assert _same_weights(resumed, whole)
