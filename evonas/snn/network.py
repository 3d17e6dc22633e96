"""The spiking network of an architecture; time is folded into the batch wherever no feedback loop forbids it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from evonas.errors import ConfigError
from evonas.rng import generator
from evonas.snn.neurons import SpikingNeuron, State
from evonas.snn.synapses import MOMENTUM, BatchNorm, synapse
from genomes.architecture import INPUT, Architecture

Observer = Callable[[int, Tensor], None]
"""Called with the index of a node and a sequence (t, B, C, H, W): what it sends, or the current that drives it."""


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
        run = _Run(
            self,
            time_steps=time_steps,
            calibrate=calibrate,
            observe=observe,
            observe_current=observe_current,
        )
        rates = run.output_rates(x)
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


class _Run:
    """One forward pass: the outputs computed so far, each dropped after its last use."""

    def __init__(
        self,
        network: SpikingNetwork,
        *,
        time_steps: int,
        calibrate: bool,
        observe: Observer | None,
        observe_current: Observer | None,
    ) -> None:
        self.network = network
        self.architecture = network.architecture
        self.time_steps = time_steps
        self.calibrate = calibrate
        self.observe = observe
        self.observe_current = observe_current
        self.values: dict[int, Tensor] = {}
        self.uses = Counter(s.source for s in self.architecture.synapses)

    def output_rates(self, x: Tensor) -> Tensor:
        """Mean output of the output nodes over time and space, stacked: (B, n_features)."""
        frames = x.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        self.values[INPUT] = frames.unflatten(0, x.shape[:2])
        rates = {}
        for group in self.architecture.schedule:
            if group == (INPUT,):
                continue
            if len(group) == 1 and not self._feeds_itself(group[0]):
                self.values[group[0]] = self._folded(group[0])
            else:
                self.values.update(self._stepped(group))
            for i in group:
                if self.observe and self.architecture.binary[i]:
                    self.observe(i, self.values[i])
                if i in self.architecture.outputs:
                    rates[i] = self.values[i].mean((0, 3, 4))
            self._drop_used(group)
        return torch.cat([rates[i] for i in self.architecture.outputs], dim=1)

    def _feeds_itself(self, node: int) -> bool:
        return any(self.architecture.synapses[s].source == node for s in self.architecture.incoming[node])

    def _drop_used(self, group: Sequence[int]) -> None:
        for i in group:
            for s in self.architecture.incoming[i]:
                source = self.architecture.synapses[s].source
                self.uses[source] -= 1
                if not self.uses[source]:
                    self.values.pop(source, None)

    def _batch_statistics(self) -> bool:
        return self.calibrate or self.network.training

    def _signal(self, index: int) -> Tensor:
        """What synapse `index` brings over the whole sequence (t, B, C, H, W), computed on time and batch together."""
        s = self.architecture.synapses[index]
        source = self.values[s.source]
        if s.delay:
            source = source.expand(self.time_steps, *source.shape[1:])
            if self.time_steps <= s.delay:
                return self._nothing(index, like=source[0])[None]
            source = source[: self.time_steps - s.delay]
        module = self.network.synapses[index]
        out: Tensor
        if s.operation.needs_sequence:
            sequence = source if s.delay else source.expand(self.time_steps, *source.shape[1:])
            out = module(sequence, self._batch_statistics()).flatten(0, 1)
        else:
            out = module(source.flatten(0, 1), self._batch_statistics())
        if s.delay:
            out = torch.cat([self._nothing(index, like=source[0]), out])
        return _unfolded(out, len(out) // source.shape[1])

    def _nothing(self, index: int, *, like: Tensor) -> Tensor:
        """The signal (B, C, H, W) of a synapse with delay at the first step, when its source has not fired yet."""
        s = self.architecture.synapses[index]
        shape = (len(like), *s.operation.out_shape(self.architecture.nodes[s.source].shape))
        return torch.zeros(shape, dtype=like.dtype, device=like.device).contiguous(
            memory_format=torch.channels_last
        )

    def _folded(self, node: int) -> Tensor:
        """The output (T, B, C, H, W) of a node off all cycles."""
        signals = [self._signal(index) for index in self.architecture.incoming[node]]
        n_steps = max(map(len, signals))
        flat = [signal.expand(n_steps, *signal.shape[1:]).flatten(0, 1) for signal in signals]
        joined = _unfolded(self._joined(node, flat), n_steps)
        if not self.architecture.nodes[node].neuron:
            return joined
        if self.observe_current:
            self.observe_current(node, joined)
        spikes: Tensor = self.network.neuron(node)(joined.expand(self.time_steps, *joined.shape[1:]))
        return spikes

    def _joined(self, node: int, signals: Sequence[Tensor]) -> Tensor:
        """The signals (N, C, H, W) of a node's synapses, added or stacked."""
        if len(signals) == 1:
            return signals[0]
        if self.architecture.nodes[node].merge == "concatenate":
            return torch.cat(list(signals), dim=1)
        total = signals[0] + signals[1]
        for signal in signals[2:]:
            total += signal
        return total

    def _stepped(self, group: Sequence[int]) -> dict[int, Tensor]:
        """The outputs of the nodes of one cycle, step by step; what enters the cycle is computed before, folded."""
        entering = {
            index: self._signal(index)
            for i in group
            for index in self.architecture.incoming[i]
            if self.architecture.synapses[index].source not in group
        }
        if not self.calibrate:
            return self._sequence(group, entering, batch_statistics=self.network.training)
        self._sequence(group, entering, batch_statistics=True)
        self.network.commit_statistics(1.0)
        return self._sequence(group, entering, batch_statistics=False)

    def _sequence(
        self, group: Sequence[int], entering: dict[int, Tensor], *, batch_statistics: bool
    ) -> dict[int, Tensor]:
        architecture, network = self.architecture, self.network
        outputs: dict[int, list[Tensor]] = {i: [] for i in group}
        listen = None if batch_statistics and self.calibrate else self.observe_current
        currents: dict[int, list[Tensor]] = {i: [] for i in group if listen and architecture.nodes[i].neuron}
        states: dict[int, State | None] = dict.fromkeys(group)
        for t in range(self.time_steps):
            for i in group:
                signals = []
                for index in architecture.incoming[i]:
                    s = architecture.synapses[index]
                    if index in entering:
                        signals.append(entering[index][min(t, len(entering[index]) - 1)])
                    elif s.delay > t:
                        signals.append(self._nothing(index, like=next(iter(entering.values()))[0]))
                    else:
                        signals.append(
                            network.synapses[index](outputs[s.source][t - s.delay], batch_statistics)
                        )
                output = self._joined(i, signals)
                if i in currents:
                    currents[i].append(output)
                if architecture.nodes[i].neuron:
                    output, states[i] = network.neuron(i).step(output, states[i])
                outputs[i].append(output)
        if listen:
            for i, parts in currents.items():
                listen(i, _unfolded(torch.cat(parts), self.time_steps))
        return {i: _unfolded(torch.cat(steps), self.time_steps) for i, steps in outputs.items()}


def _unfolded(frames: Tensor, n_steps: int) -> Tensor:
    """(n_steps * B, C, H, W) as (n_steps, B, C, H, W)."""
    return frames.view(n_steps, -1, *frames.shape[1:])
