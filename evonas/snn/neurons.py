"""Spiking neurons: each model's dynamics, registered by name, and the torch module around them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from evonas.snn.integrate_and_fire import Membrane, integrate_and_fire
from evonas.snn.surrogates import SURROGATES, Surrogate
from genomes.micro import Neuron
from genomes.registry import Registry

State = tuple[Tensor, ...]  # what a neuron remembers between time steps, each (B, ...)


class Simulate(Protocol):
    """The dynamics of a neuron over a sequence."""

    def __call__(
        self,
        current: Tensor,
        state: State | None,
        *,
        neuron: Neuron,
        surrogate: Surrogate,
        parameters: Mapping[str, Tensor],
        overwrite: bool = False,
    ) -> tuple[Tensor, State]:
        """The spikes (T, B, ...) of `current` (T, B, ...), and the state after the last step; None is rest.

        With `overwrite` the spikes may be written over the current. A sequence cut in two, the state handed on, gives
        the same spikes as in one piece.
        """


@dataclass(frozen=True)
class Dynamics:
    """A neuron model: how it turns current into spikes, and what of it is learnt.

    `parameters` gives the learnable scalars of a layer and their starting values.
    """

    simulate: Simulate
    source: str
    parameters: Callable[[Neuron], Mapping[str, float]] = field(default=lambda neuron: {})


DYNAMICS: Registry[Dynamics] = Registry("neuron model")


class Step(Protocol):
    """The dynamics of a neuron over one time step, in plain differentiable torch."""

    def __call__(
        self,
        current: Tensor,
        state: State | None,
        *,
        neuron: Neuron,
        surrogate: Surrogate,
        parameters: Mapping[str, Tensor],
    ) -> tuple[Tensor, State]:
        """The spikes (B, ...) of `current` (B, ...) and the next state; see `evonas.snn.surrogates.spike`."""


def stepwise(step: Step) -> Simulate:
    """The dynamics over a sequence from those of one step: the short way to register a new model.

    It is slower, and in training needs several times the memory, of a model that simulates its sequence at
    once.
    """

    def simulate(
        current: Tensor,
        state: State | None,
        *,
        neuron: Neuron,
        surrogate: Surrogate,
        parameters: Mapping[str, Tensor],
        overwrite: bool = False,
    ) -> tuple[Tensor, State]:
        spikes = []
        for x in current:
            s, state = step(x, state, neuron=neuron, surrogate=surrogate, parameters=parameters)
            spikes.append(s)
        return torch.stack(spikes), state or ()

    return simulate


def _integrate_and_fire(*, leaky: bool, adaptive: bool) -> Simulate:
    def simulate(
        current: Tensor,
        state: State | None,
        *,
        neuron: Neuron,
        surrogate: Surrogate,
        parameters: Mapping[str, Tensor],
        overwrite: bool = False,
    ) -> tuple[Tensor, State]:
        inverse_tau: float | Tensor = 1.0
        if "w" in parameters:
            inverse_tau = torch.sigmoid(parameters["w"])
        elif neuron.tau is not None:
            inverse_tau = 1.0 / neuron.tau
        spikes, potential, adaptation = integrate_and_fire(
            current,
            membrane=Membrane(
                v_threshold=neuron.v_threshold,
                hard_reset=neuron.reset == "hard",
                leaky=leaky,
                adaptive=adaptive,
            ),
            gradient=surrogate.gradient,
            inverse_tau=inverse_tau,
            potential=state[0] if state else None,
            adaptation=state[1] if state and adaptive else None,
            overwrite=overwrite,
        )
        return spikes, (potential,) if adaptation is None else (potential, adaptation)

    return simulate


def _plif_parameters(neuron: Neuron) -> Mapping[str, float]:
    """w with 1 / tau = sigmoid(w); arXiv 2007.05785, section 3.3."""
    assert neuron.tau is not None  # a leaky model has a time constant, above 1
    return {"w": -math.log(neuron.tau - 1.0)}


DYNAMICS.register(
    "if", Dynamics(_integrate_and_fire(leaky=False, adaptive=False), source="Lapicque 1907, without leak")
)
DYNAMICS.register(
    "lif",
    Dynamics(
        _integrate_and_fire(leaky=True, adaptive=False), source="Gerstner et al., Neuronal Dynamics 2014, 1.3"
    ),
)
DYNAMICS.register(
    "plif",
    Dynamics(
        _integrate_and_fire(leaky=True, adaptive=False),
        source="Fang et al., ICCV 2021, arXiv 2007.05785, section 3.3",
        parameters=_plif_parameters,
    ),
)
DYNAMICS.register(
    "alif",
    Dynamics(
        _integrate_and_fire(leaky=True, adaptive=True),
        source="Bellec et al., NeurIPS 2018, arXiv 1803.09574, section 2; soft reset as in e-prop",
    ),
)


class SpikingNeuron(nn.Module):
    """A layer of equal neurons.

    >>> lif = SpikingNeuron(Neuron("lif", v_threshold=1.0, tau=2.0, reset="hard"), surrogate="arctan")
    >>> lif(torch.tensor([[1.0], [1.5], [0.5]])).squeeze(1)
    tensor([0., 1., 0.])

    Raises:
        UnknownNameError: no dynamics or no surrogate gradient of that name.
    """

    def __init__(self, neuron: Neuron, *, surrogate: str = "arctan") -> None:
        super().__init__()
        self.neuron = neuron
        self.surrogate = SURROGATES.get(surrogate)
        self.dynamics = DYNAMICS.get(neuron.model)
        for name, value in self.dynamics.parameters(neuron).items():
            self.register_parameter(name, nn.Parameter(torch.tensor(value)))

    def forward(self, current: Tensor, *, overwrite: bool = False) -> Tensor:
        """The spikes of the sequence `current` (T, B, ...) from rest: 0 and 1 in its shape, strides and dtype.

        With `overwrite` and without gradients they take its place in memory, where it has no holes.
        """
        return self._simulate(current, None, overwrite=overwrite)[0]

    def step(self, current: Tensor, state: State | None) -> tuple[Tensor, State]:
        """The spikes (B, ...) of one time step, and the state to hand to the next; None starts at rest.

        Steps give the spikes and gradients of `forward`, which is faster where no feedback forbids it.
        """
        spikes, state = self._simulate(current.unsqueeze(0), state, overwrite=False)
        return spikes.squeeze(0), state

    def _simulate(self, current: Tensor, state: State | None, *, overwrite: bool) -> tuple[Tensor, State]:
        return self.dynamics.simulate(
            current,
            state,
            neuron=self.neuron,
            surrogate=self.surrogate,
            parameters=dict(self.named_parameters()),
            overwrite=overwrite,
        )

    def extra_repr(self) -> str:
        """The neuron and its surrogate gradient, for printing."""
        return f"{self.neuron}, surrogate={self.surrogate.name!r}"
