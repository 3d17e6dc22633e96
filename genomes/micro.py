"""The micro scale: what one neuron and one synapse are."""

from __future__ import annotations

import math
from dataclasses import dataclass

from genomes.errors import IllegalGeneError
from genomes.registry import Registry


@dataclass(frozen=True)
class NeuronModel:
    """What the genotype must know of a neuron model; its dynamics are in `evonas.snn.neurons`.

    `leaky` models have a time constant. `n_parameters` counts learnable scalars per layer of neurons: constants are
    not parameters, the learnt time constant of PLIF is one.
    """

    name: str
    leaky: bool
    n_parameters: int


NEURON_MODELS: Registry[NeuronModel] = Registry("neuron model")
for _model in (
    NeuronModel("if", leaky=False, n_parameters=0),
    NeuronModel("lif", leaky=True, n_parameters=0),
    NeuronModel("plif", leaky=True, n_parameters=1),
    NeuronModel("alif", leaky=True, n_parameters=0),
):
    NEURON_MODELS.register(_model.name, _model)

RESETS = ("hard", "soft")


@dataclass(frozen=True)
class Neuron:
    """One layer of equal neurons.

    `v_threshold` is dimensionless, `tau` is in time steps (None for a model without leak), `reset` is "hard" (to 0) or
    "soft" (minus the threshold).

    Raises:
        IllegalGeneError: a value outside its domain, or a time constant where the model has none.

    >>> Neuron("if", v_threshold=1.0, tau=None, reset="hard")
    Neuron(model='if', v_threshold=1.0, tau=None, reset='hard')
    """

    model: str
    v_threshold: float
    tau: float | None
    reset: str

    def __post_init__(self) -> None:
        # 1 and 1.0 are equal but written differently, and ids are made of what is written.
        object.__setattr__(self, "v_threshold", float(self.v_threshold))
        object.__setattr__(self, "tau", None if self.tau is None else float(self.tau))
        leaky = NEURON_MODELS.get(self.model).leaky
        if not 0 < self.v_threshold < math.inf:
            raise IllegalGeneError(f"neuron: v_threshold must be above 0 and finite, got {self.v_threshold}")
        if self.reset not in RESETS:
            raise IllegalGeneError(f"neuron: reset must be one of {', '.join(RESETS)}, got {self.reset!r}")
        if leaky and (self.tau is None or not 1 < self.tau < math.inf):
            # At 1 nothing is remembered, and a learnt 1 / tau = sigmoid(w) cannot start there.
            raise IllegalGeneError(
                f"neuron: model '{self.model}' needs tau above 1 time step, got {self.tau}"
            )
        if not leaky and self.tau is not None:
            raise IllegalGeneError(
                f"neuron: model '{self.model}' has no leak, so tau must be null, got {self.tau}"
            )

    def __str__(self) -> str:
        leak = "" if self.tau is None else f" tau {self.tau:g}"
        return f"{self.model}{leak} threshold {self.v_threshold:g} {self.reset} reset"


@dataclass(frozen=True)
class Kernel:
    """The convolution of one synapse: `size` x `size`, full or depthwise-separable.

    Raises:
        IllegalGeneError: an even or non-positive size; a separable kernel of size 1, which has no depthwise part.
    """

    size: int
    separable: bool = False

    def __post_init__(self) -> None:
        if self.size < 1 or self.size % 2 == 0:
            raise IllegalGeneError(f"kernel: size must be odd and positive, got {self.size}")
        if self.separable and self.size == 1:
            raise IllegalGeneError("kernel: size 1 cannot be separable; use a full kernel of size 1")

    def __str__(self) -> str:
        return f"{'separable ' if self.separable else ''}{self.size}x{self.size}"
