"""The neurons that a space offers: how one is drawn, varied and checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

import numpy as np

from genomes.gene_space import among
from genomes.micro import NEURON_MODELS, Neuron
from genomes.space import Gene
from genomes.variation import pick

G = TypeVar("G")
T = TypeVar("T")


class NeuronChoice(Protocol):
    """The options of a space that say which neurons it has."""

    @property
    def models(self) -> tuple[str, ...]:
        """Names of `genomes.micro.NEURON_MODELS`."""
        ...

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Values of `v_threshold`."""
        ...

    @property
    def taus(self) -> tuple[float, ...]:
        """Time constants of models that leak, in time steps."""
        ...

    @property
    def resets(self) -> tuple[str, ...]:
        """Some of `genomes.micro.RESETS`."""
        ...


def sample_neuron(choice: NeuronChoice, rng: np.random.Generator) -> Neuron:
    """A random neuron, each gene uniform."""
    model = pick(choice.models, rng)
    tau = pick(choice.taus, rng) if NEURON_MODELS.get(model).leaky else None
    return Neuron(model, pick(choice.thresholds, rng), tau, pick(choice.resets, rng))


def check_neuron(choice: NeuronChoice, name: str, neuron: Neuron) -> None:
    """Refuse a neuron outside the choice.

    Raises:
        IllegalGeneError: its first value that is not offered.
    """
    among(f"{name} model", neuron.model, choice.models)
    among(f"{name} threshold", neuron.v_threshold, choice.thresholds)
    among(f"{name} reset", neuron.reset, choice.resets)
    if neuron.tau is not None:
        among(f"{name} tau", neuron.tau, choice.taus)


def neuron_genes(
    choice: NeuronChoice, name: str, neuron: Neuron, put: Callable[[Neuron], G]
) -> list[Gene[G]]:
    """The genes of one neuron, those without an alternative among them; `put` makes a genome with another neuron."""

    def change_model(model: str, rng: np.random.Generator) -> G:
        tau = (neuron.tau or pick(choice.taus, rng)) if NEURON_MODELS.get(model).leaky else None
        return put(replace(neuron, model=model, tau=tau))

    return [
        Gene("micro", f"{name} model", neuron.model, others(choice.models, neuron.model), change_model),
        Gene(
            "micro",
            f"{name} threshold",
            neuron.v_threshold,
            others(choice.thresholds, neuron.v_threshold),
            lambda value, rng: put(replace(neuron, v_threshold=value)),
        ),
        Gene(
            "micro",
            f"{name} tau",
            neuron.tau,
            () if neuron.tau is None else others(choice.taus, neuron.tau),
            lambda value, rng: put(replace(neuron, tau=value)),
        ),
        Gene(
            "micro",
            f"{name} reset",
            neuron.reset,
            others(choice.resets, neuron.reset),
            lambda value, rng: put(replace(neuron, reset=value)),
        ),
    ]


def others(options: Sequence[T], value: T) -> tuple[T, ...]:
    """The options that are not `value`."""
    return tuple(option for option in options if option != value)
