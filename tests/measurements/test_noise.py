from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from evonas.data import Dataset
from evonas.measurements.noise import DISTURBANCES, LEVELS, column, dropped, gaussian, noise, salt_pepper
from evonas.rng import generator
from evonas.runs.results import Run
from evonas.snn.network import SpikingNetwork
from evonas.training.evaluation import TimedNetwork
from evonas.training.loop import train
from genomes.architecture import Architecture
from genomes.genome import Genome

Chain = Callable[..., Architecture]
T = 4


class Repeat(torch.nn.Module):
    """Hands back what it was shown."""

    def forward(self, x: Tensor, *, time_steps: int) -> Tensor:
        return x


def images(*, n_frames: int, side: int = 6) -> Tensor:
    drawn = np.random.default_rng(0).standard_normal((n_frames, 8, 2, side, side), dtype=np.float32)
    return torch.from_numpy(drawn)


def rng() -> np.random.Generator:
    return generator(0, "test")


def shown(network: TimedNetwork, x: Tensor) -> Tensor:
    with torch.no_grad():
        return network(x, time_steps=T)


@pytest.fixture(params=[False, True], ids=["straight", "loop"])
def network(request: pytest.FixtureRequest, chain: Chain) -> SpikingNetwork:
    """Three layers, off and on a feedback cycle, with weights by which all of them fire, and a biased readout."""
    built = SpikingNetwork(chain(3, loop=request.param), seed=0).eval()
    shown(lambda x, *, time_steps: built(x, time_steps=time_steps, calibrate=True), images(n_frames=1))
    with torch.no_grad():
        built.readout.bias.copy_(torch.tensor([0.0, 0.1, 0.0]))
    return built


def spikes(network: SpikingNetwork, x: Tensor) -> dict[int, Tensor]:
    found: dict[int, Tensor] = {}
    with torch.no_grad():
        network(x, time_steps=T, observe=lambda node, sequence: found.update({node: sequence.clone()}))
    return found


# An image is convolved once, frames one by one; only then may spikes be written over the current.
@pytest.mark.parametrize("n_frames", [1, T])
@pytest.mark.parametrize("name", sorted(DISTURBANCES))
def test_level_0_changes_nothing(name: str, n_frames: int, network: SpikingNetwork) -> None:
    x = images(n_frames=n_frames)
    untouched = x.clone()
    disturbed = DISTURBANCES[name](network, level=0.0, rng=rng())
    assert torch.equal(shown(disturbed, x), shown(network, x))
    assert torch.equal(x, untouched)


@pytest.mark.parametrize("n_frames", [1, T])
def test_without_any_spike_the_readout_has_its_bias_alone(n_frames: int, network: SpikingNetwork) -> None:
    x = images(n_frames=n_frames)
    before = shown(network, x)
    assert not torch.equal(before, network.readout.bias.expand_as(before))
    silent = shown(dropped(network, level=1.0, rng=rng()), x)
    assert torch.equal(silent, network.readout.bias.expand_as(silent))
    assert torch.equal(shown(network, x), before), "the network itself stays as it is"


@pytest.mark.parametrize("n_frames", [1, T])
def test_a_lost_spike_is_missing_and_everything_else_about_its_neuron_is_as_before(
    n_frames: int, chain: Chain
) -> None:
    network = SpikingNetwork(chain(1), seed=0).eval()
    x = images(n_frames=n_frames, side=6)
    whole, thinned = (spikes(net, x)[1] for net in (network, dropped(network, level=0.25, rng=rng())))
    assert (thinned <= whole).all()
    assert thinned.sum() / whole.sum() == pytest.approx(0.75, abs=0.05)
    per_step = [float(thinned[t].sum() / whole[t].sum()) for t in range(T) if whole[t].any()]
    assert len(per_step) > 1
    assert per_step == pytest.approx([0.75] * len(per_step), abs=0.1)


def test_spikes_are_lost_in_every_layer_and_within_feedback_cycles(network: SpikingNetwork) -> None:
    x = images(n_frames=1)
    assert all(sequence.any() for sequence in spikes(network, x).values())
    disturbed = dropped(network, level=1.0, rng=rng())
    assert isinstance(disturbed, SpikingNetwork)
    lost = spikes(disturbed, x)
    assert sorted(lost) == [1, 2, 3]
    assert not any(sequence.any() for sequence in lost.values())


@pytest.mark.parametrize("n_frames", [1, T])
def test_gaussian_noise_has_the_deviation_of_its_level_and_is_drawn_anew_for_each_image_and_frame(
    n_frames: int,
) -> None:
    x = images(n_frames=n_frames, side=20)
    added = shown(gaussian(Repeat(), level=0.5, rng=rng()), x) - x
    assert added.std() == pytest.approx(0.5, rel=0.05)
    assert abs(float(added.mean())) < 0.02
    assert len({float(part[0, 0, 0]) for part in added.flatten(0, 1)}) == n_frames * 8


@pytest.mark.parametrize("n_frames", [1, T])
def test_salt_and_pepper_sets_its_share_of_whole_pixels_to_the_extremes_of_the_image(n_frames: int) -> None:
    x = images(n_frames=n_frames, side=40)
    found = shown(salt_pepper(Repeat(), level=0.1, rng=rng()), x)
    lowest, highest = x.amin((3, 4), keepdim=True), x.amax((3, 4), keepdim=True)
    pepper, salt = (found == lowest) & (x != lowest), (found == highest) & (x != highest)
    assert torch.equal(pepper | salt, found != x)
    # In each image each channel has one pixel at each extreme, which it may keep.
    assert ((pepper[:, :, 0] != pepper[:, :, 1]).sum((2, 3)) <= 2).all()
    for kind in (salt, pepper):
        assert float(kind.float().mean()) == pytest.approx(0.05, abs=0.006)


def test_levels_share_their_draws() -> None:
    x = images(n_frames=1)
    weak, strong = (shown(gaussian(Repeat(), level=level, rng=rng()), x) - x for level in (0.5, 1.0))
    torch.testing.assert_close(2 * weak, strong, rtol=1e-4, atol=1e-5)
    few, many = (shown(salt_pepper(Repeat(), level=level, rng=rng()), x) != x for level in (0.1, 0.4))
    assert few.any()
    assert (many | ~few).all()


def test_a_trained_network_loses_accuracy_by_noise(
    make_run: Callable[..., Run], make_genome: Callable[..., Genome], digits: Dataset, tmp_path: Path
) -> None:
    run = make_run([make_genome("feedforward_excitation")])
    identity = run.rows[0].architecture_id
    network = run.network(identity)
    result = train(
        network,
        digits,
        time_steps=3,
        epochs=12,
        batch=20,
        optimizer="adamw",
        learning_rate=0.01,
        weight_decay=0.0,
        label_smoothing=0.0,
        device="cpu",
        amp=False,
        seed=0,
        threads=1,
        folder=run.folder.elite(identity),
        report=lambda epoch: None,
    )
    found = noise(run, identity, digits)
    assert list(found) == [
        "clean",
        *("gaussian_025", "gaussian_050", "gaussian_100", "gaussian_loss"),
        *("salt_pepper_002", "salt_pepper_005", "salt_pepper_010", "salt_pepper_loss"),
        *("dropped_010", "dropped_020", "dropped_040", "dropped_loss"),
        "noise_loss",
    ]
    assert found["clean"] == result.test_accuracy > 0.4
    for name, levels in LEVELS.items():
        at = [found[column(name, level)] for level in levels]
        assert found[f"{name}_loss"] == pytest.approx(np.mean(at) - found["clean"])
        assert found[f"{name}_loss"] < 0
        assert at[-1] < at[0]
