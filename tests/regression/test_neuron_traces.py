"""Short traces of SpikingJelly 2.0.0, kept as numbers: 12 steps of one neuron each, the potential after the reset."""

from __future__ import annotations

import pytest
import torch

from evonas.snn.neurons import SpikingNeuron, State
from genomes.micro import Neuron

# fmt: off
TRACES = {
    # Inputs are quarters and sums exact; the potential meets the threshold exactly, which counts as a spike.
    "if, soft reset": (
        Neuron("if", v_threshold=1.0, tau=None, reset="soft"),
        [0.25, 0.25, 1.0, 0.75, 0.25, 0.5, 1.0, 0.5, 1.0, 0.75, 0.25, 0.25],
        [0, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 0],
        [0.25, 0.5, 0.5, 0.25, 0.5, 0.0, 0.0, 0.5, 0.5, 0.25, 0.5, 0.75],
    ),
    "if, hard reset": (
        Neuron("if", v_threshold=1.0, tau=None, reset="hard"),
        [0.75, -0.25, 0.5, 0.0, 0.5, 0.75, 0.75, 0.25, 1.0, 1.0, 0.25, 0.75],
        [0, 0, 1, 0, 0, 1, 0, 1, 1, 1, 0, 1],
        [0.75, 0.5, 0.0, 0.0, 0.5, 0.0, 0.75, 0.0, 0.0, 0.0, 0.25, 0.0],
    ),
    "lif, hard reset": (
        Neuron("lif", v_threshold=0.5, tau=4 / 3, reset="hard"),
        [0.9518301486968994, 0.5673677325248718, 0.8020166158676147, 0.11444900184869766, 0.0019517244072631001,
         0.21951569616794586, 0.6015868186950684, 0.62279212474823, 0.5207615494728088, 0.45516258478164673,
         0.5833251476287842, 0.5948867797851562],
        [1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0],
        [0.0, 0.4255257994, 0.0, 0.0858367514, 0.0229229812, 0.1703675174, 0.4937819934, 0.0, 0.3905711621,
         0.4390147291, 0.0, 0.4461650848],
    ),
    "lif, soft reset": (
        Neuron("lif", v_threshold=0.5, tau=2.0, reset="soft"),
        [0.8471639156341553, 0.891619086265564, 1.0446473360061646, 0.46553897857666016, 0.13153961300849915,
         0.6148073077201843, 1.498335599899292, 0.6531880497932434, 1.182699203491211, 0.7340736985206604,
         0.8666020035743713, -0.18856146931648254],
        [0, 1, 1, 0, 0, 0, 1, 1, 1, 0, 1, 0],
        [0.4235819578, 0.157600522, 0.101123929, 0.2833314538, 0.2074355334, 0.4111214206, 0.4547285102,
         0.05395828, 0.1183287418, 0.4262012201, 0.1464016119, -0.0210799287],
    ),
    "plif, hard reset": (
        Neuron("plif", v_threshold=1.0, tau=2.0, reset="hard"),
        [2.1965250968933105, 1.8472657203674316, 1.3478349447250366, 2.5820376873016357, 1.253157615661621,
         -0.07892943918704987, -0.10459642857313156, 3.4277796745300293, 0.4780420660972595, 1.6696234941482544,
         1.484452486038208, 2.068122386932373],
        [1, 0, 1, 1, 0, 0, 0, 1, 0, 0, 1, 1],
        [0.0, 0.9236328602, 0.0, 0.0, 0.6265788078, 0.2738246843, 0.0846141279, 0.0, 0.239021033, 0.9543222636,
         0.0, 0.0],
    ),
}
# fmt: on


@pytest.mark.parametrize("case", sorted(TRACES))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_the_trace_is_the_published_one(case: str, dtype: torch.dtype) -> None:
    neuron, currents, spikes, potentials = TRACES[case]
    layer = SpikingNeuron(neuron).to(dtype)
    state: State | None = None
    fired, after = [], []
    for current in currents:
        s, state = layer.step(torch.tensor([current], dtype=dtype), state)
        fired.append(s.item())
        after.append(state[0].item())
    assert fired == spikes
    assert after == pytest.approx(potentials, rel=0, abs=1e-6)
    assert layer(torch.tensor(currents, dtype=dtype).unsqueeze(1)).flatten().tolist() == spikes
