"""The spiking network of an architecture: its weights as torch modules. How it runs: `evonas.snn.forward_pass`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from evonas.errors import ConfigError
from evonas.rng import generator
from evonas.snn.forward_pass import ForwardPass, Observer
from evonas.snn.neurons import SpikingNeuron
from evonas.snn.synapses import MOMENTUM, BatchNorm, synapse
from genomes.architecture import Architecture


class SpikingNetwork(nn.Module):
    """A network with the first weights of `seed`; equal architectures and seeds give equal weights.

    Input is (1, B, C, H, W) for images, shown unchanged at every time step and convolved once, or (T, B, C, H, W) for
    event frames. Output is (B, n_classes): the linear readout of firing rates averaged over time and space, the voters
    of each class averaged. All state lives inside `forward`: every call starts at rest.
    """

    def __init__(self, architecture: Architecture, *, seed: int, surrogate: str = "arctan") -> None:
        super().__init__()
        self.architecture = architecture
        nodes = architecture.nodes
        self.synapses = nn.ModuleList(
            synapse(s.operation, in_shape=nodes[s.source].shape, rng=generator(seed, "weights", key))
            for s, key in zip(architecture.synapses, architecture.weight_keys, strict=True)
        )
        self.neurons = nn.ModuleDict(
            {str(i): SpikingNeuron(n.neuron, surrogate=surrogate) for i, n in enumerate(nodes) if n.neuron}
        )
        n_features, n_voters = architecture.n_features, architecture.n_voters
        self.readout = skip_init(
            nn.Linear, n_features, n_voters
        )  # its own first weights would be drawn globally
        drawn = generator(seed, "weights", f"readout {n_features} {n_voters}").standard_normal(
            (n_voters, n_features)
        )
        with torch.no_grad():
            self.readout.weight.copy_(torch.from_numpy(drawn).mul_(n_features**-0.5))
            self.readout.bias.zero_()

    def forward(
        self,
        x: Tensor,
        *,
        time_steps: int,
        calibrate: bool = False,
        observe: Observer | None = None,
        observe_current: Observer | None = None,
    ) -> Tensor:
        """The logits (B, n_classes) of `x` after `time_steps` steps.

        In training mode batch norms use and track the statistics of the batch. With `calibrate` the statistics of this
        batch replace the running ones and the result is what a network with those statistics computes: off feedback
        cycles in one pass, inside a cycle by a pass that pools the statistics of all steps and one that uses them.

        `observe` is handed the output of every node where that is binary, `observe_current` the current of every
        node with neurons, before they fire; its first dimension is 1 where it is the same at every step.

        Raises:
            ConfigError: `x` has another shape, or frames are not one per time step.
        """
        shape = self.architecture.input.shape
        if x.dim() != 5 or tuple(x.shape[2:]) != shape or x.shape[0] not in (1, time_steps):
            expected = f"(1, B, {', '.join(map(str, shape))}) for images or {time_steps} in the place of 1 for frames"
            raise ConfigError(
                f"x: expected {expected}, got {tuple(x.shape)}; images[None] adds the first axis"
            )
        forward_pass = ForwardPass(
            self,
            time_steps=time_steps,
            calibrate=calibrate,
            observe=observe,
            observe_current=observe_current,
        )
        rates = forward_pass.output_rates(x)
        self.commit_statistics(1.0 if calibrate else MOMENTUM)
        votes: Tensor = self.readout(rates)
        logits: Tensor = votes.unflatten(1, (self.architecture.input.n_classes, -1)).mean(2)
        return logits

    def neuron(self, node: int) -> SpikingNeuron:
        """The neurons of a spiking node."""
        module = self.neurons[str(node)]
        assert isinstance(module, SpikingNeuron)
        return module

    def commit_statistics(self, momentum: float) -> None:
        """Mix the batch-norm statistics gathered since the last commit into the running ones."""
        for module in self.modules():
            if isinstance(module, BatchNorm):
                module.commit(momentum)
