"""Layers of neurons of SpikingJelly, snnTorch and Norse, and of plain torch, that do what ours do.

Our convention, which is SpikingJelly's with decayed input, is stated in `evonas.snn.integrate_and_fire`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from genomes.micro import Neuron
from peers.network import Library, stacked


class EachStep(nn.Module):
    """A layer that maps one time step, applied to all of a sequence (T, ...)."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, sequence: Tensor) -> Tensor:
        """The outputs (T, ...) of a sequence (T, ...)."""
        return stacked([self.layer(step) for step in sequence])


def _just_below(threshold: float) -> float:
    """With it `u > threshold` is our `u >= threshold` in single precision."""
    return float(np.nextafter(np.float32(threshold), np.float32(0.0)))


def spikingjelly() -> Library:
    """SpikingJelly 2.0: `IFNode` and `LIFNode`, multi-step or single-step, reset detached from the gradient."""
    from spikingjelly.activation_based import functional, neuron, surrogate

    def neurons(parameters: Neuron, stepped: bool, trained: bool) -> nn.Module:
        common = {
            "v_threshold": parameters.v_threshold,
            "v_reset": 0.0 if parameters.reset == "hard" else None,
            # Without gradients the surrogate only decides which code runs, and that of `Rect` keeps less on a CPU.
            "surrogate_function": surrogate.ATan() if trained else surrogate.Rect(),
            "detach_reset": True,
            "step_mode": "s" if stepped else "m",
        }
        if parameters.model == "if":
            layer: nn.Module = neuron.IFNode(**common)
        else:
            layer = neuron.LIFNode(tau=_tau(parameters), decay_input=True, **common)
        return layer

    return Library("SpikingJelly", neurons, functional.reset_net)


def snntorch() -> Library:
    """snnTorch 1.0: `Leaky` with hidden state.

    Its input is not decayed and its spike is `u > threshold`, so potential and threshold are ours times tau. Its late
    reset (`reset_delay`, the default) is ours but for leaky neurons with soft reset: what it subtracts does not leak.
    """
    from snntorch import Leaky, SpikingNeuron
    from snntorch.surrogate import atan

    class PromptReset(Leaky):
        """`Leaky` that resets in the step of the spike, and does not ask for a second reset in the next."""

        def mem_reset(self, mem: Tensor) -> float:
            return 0.0

    def neurons(parameters: Neuron, stepped: bool, trained: bool) -> nn.Module:
        tau = 1.0 if parameters.model == "if" else _tau(parameters)
        hard = parameters.reset == "hard"
        # The prompt reset is faster, but lets the gradient through.
        late = trained and (hard or parameters.model == "if")
        layer: nn.Module = (Leaky if late else PromptReset)(
            # Kept in double precision for the network to round.
            beta=torch.tensor(1.0 if parameters.model == "if" else 1.0 - 1.0 / tau, dtype=torch.float64),
            threshold=torch.tensor(_just_below(parameters.v_threshold * tau), dtype=torch.float64),
            spike_grad=atan(alpha=2.0 / tau),
            reset_mechanism="zero" if hard else "subtract",
            reset_delay=late,
            init_hidden=True,
        )
        SpikingNeuron.instances.clear()  # it would keep every layer ever made alive
        return layer if stepped else EachStep(layer)

    def reset(network: nn.Module) -> None:
        for module in network.modules():
            if isinstance(module, Leaky):
                module.reset_mem()

    return Library("snnTorch", neurons, reset)


class WithState(nn.Module):
    """A cell of Norse with its state kept beside it."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell
        self.state: Any = None

    def forward(self, current: Tensor) -> Tensor:
        """The spikes (B, ...) of one step."""
        spikes: Tensor
        spikes, self.state = self.cell(current, self.state)
        return spikes


def norse() -> Library:
    """Norse 1.1: `LIFBoxCell` and `IAFCell`.

    Its surrogate is SuperSpike, its reset lets the gradient through and `IAFCell` has the hard reset alone: what is
    trained is near our network but not the same.
    """
    from norse.torch import IAFCell, IAFParameters, LIFBoxCell, LIFBoxParameters
    from norse.torch.functional.reset import reset_subtract, reset_value

    def neurons(parameters: Neuron, stepped: bool, trained: bool) -> nn.Module:
        threshold = torch.tensor(_just_below(parameters.v_threshold))
        if parameters.model == "if":
            cell: nn.Module = IAFCell(p=IAFParameters(v_th=threshold))
        else:
            p = LIFBoxParameters(
                tau_mem_inv=torch.tensor(1.0 / _tau(parameters)),
                v_th=threshold,
                reset_method=reset_value if parameters.reset == "hard" else reset_subtract,
            )
            cell = LIFBoxCell(p=p, dt=1.0)
        return WithState(cell) if stepped else EachStep(WithState(cell))

    def reset(network: nn.Module) -> None:
        for module in network.modules():
            if isinstance(module, WithState):
                module.state = None

    return Library("Norse", neurons, reset)


class PlainNeurons(nn.Module):
    """Integrate-and-fire neurons in a few lines of torch, one step at a time, for evaluation."""

    def __init__(self, neuron: Neuron) -> None:
        super().__init__()
        self.neuron = neuron
        self.v: Tensor | None = None

    def forward(self, current: Tensor) -> Tensor:
        """The spikes (B, ...) of one step."""
        p = self.neuron
        v = torch.zeros_like(current) if self.v is None else self.v
        v = v + current if p.model == "if" else v + (current - v) / _tau(p)
        spikes: Tensor = (v >= p.v_threshold).to(v.dtype)
        self.v = v * (1.0 - spikes) if p.reset == "hard" else v - spikes * p.v_threshold
        return spikes


def plain() -> Library:
    """Neurons written by hand, as released search codes have them."""

    def neurons(parameters: Neuron, stepped: bool, trained: bool) -> nn.Module:
        layer = PlainNeurons(parameters)
        return layer if stepped else EachStep(layer)

    def reset(network: nn.Module) -> None:
        for module in network.modules():
            if isinstance(module, PlainNeurons):
                module.v = None

    return Library("plain torch", neurons, reset)


LIBRARIES: dict[str, Callable[[], Library]] = {
    "spikingjelly": spikingjelly,
    "snntorch": snntorch,
    "norse": norse,
    "plain": plain,
}


def _tau(parameters: Neuron) -> float:
    assert parameters.tau is not None
    return float(parameters.tau)
