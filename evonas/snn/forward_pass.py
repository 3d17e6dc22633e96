"""One forward pass: nodes in the order of the architecture's schedule, time folded into the batch off feedback cycles.

A node off all cycles is computed once for all time steps, a still image once for all of them up to the first neurons;
the nodes of a cycle are stepped together. What a node sends is dropped after its last use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from evonas.snn.neurons import State
from genomes.architecture import INPUT

if TYPE_CHECKING:
    from evonas.snn.network import SpikingNetwork

Observer = Callable[[int, Tensor], None]
"""Called with the index of a node and a sequence (t, B, C, H, W): what it sends, or the current that drives it.

A current is that only during the call: without gradients spikes are written over it."""


class ForwardPass:
    """The outputs computed so far, each (t, B, C, H, W) with t = 1 where it is the same at every step."""

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
        self.values[INPUT] = _unfolded(frames, len(x))
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

    # off feedback cycles ---------------------------------------------------------------------------------------------

    def _folded(self, node: int) -> Tensor:
        """The output (t, B, C, H, W) of a node off all cycles."""
        incoming = self.architecture.incoming[node]
        signals = [self._signal(index) for index in incoming]
        n_steps = max(map(len, signals))
        flat = [signal.expand(n_steps, *signal.shape[1:]).flatten(0, 1) for signal in signals]
        # Without gradients a sum takes the place of its first signal, and spikes that of the current, unless that is
        # what another node sends.
        sources = [self.values[self.architecture.synapses[index].source] for index in incoming]
        shared = (
            torch.is_grad_enabled()
            or len(signals[0]) < n_steps
            or any(_same_memory(flat[0], source) for source in sources)
        )
        joined = _unfolded(self._joined(node, flat, overwrite=not shared), n_steps)
        if not self.architecture.nodes[node].neuron:
            return joined
        if self.observe_current:
            self.observe_current(node, joined)
        current = joined.expand(self.time_steps, *joined.shape[1:])
        spikes: Tensor = self.network.neuron(node)(current, overwrite=not shared)
        return spikes

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
        batch_statistics = self.calibrate or self.network.training
        out: Tensor
        if s.operation.needs_sequence:
            sequence = source if s.delay else source.expand(self.time_steps, *source.shape[1:])
            out = module(sequence, batch_statistics).flatten(0, 1)
        else:
            out = module(source.flatten(0, 1), batch_statistics)
        if s.delay:
            out = torch.cat([self._nothing(index, like=source[0]), out])
        return _unfolded(out, len(out) // source.shape[1])

    def _joined(self, node: int, signals: Sequence[Tensor], *, overwrite: bool = False) -> Tensor:
        """The signals (N, C, H, W) of a node's synapses, stacked or added, with `overwrite` to the first of them."""
        if len(signals) == 1:
            return signals[0]
        if self.architecture.nodes[node].merge == "concatenate":
            return torch.cat(list(signals), dim=1)
        total = signals[0].add_(signals[1]) if overwrite else signals[0] + signals[1]
        for signal in signals[2:]:
            total += signal
        return total

    def _nothing(self, index: int, *, like: Tensor) -> Tensor:
        """The signal (B, C, H, W) of a synapse with delay at the first step, when its source has not fired yet."""
        s = self.architecture.synapses[index]
        channels, height, width = s.operation.out_shape(self.architecture.nodes[s.source].shape)
        return like.new_zeros(len(like), height, width, channels).permute(0, 3, 1, 2)

    # on a feedback cycle ---------------------------------------------------------------------------------------------

    def _stepped(self, group: Sequence[int]) -> dict[int, Tensor]:
        """The outputs of the nodes of one cycle, step by step; what enters the cycle is computed before, folded."""
        entering = {
            index: self._signal(index)
            for i in group
            for index in self.architecture.incoming[i]
            if self.architecture.synapses[index].source not in group
        }
        if self.calibrate:
            self._steps(group, entering, batch_statistics=True)
            self.network.commit_statistics(1.0)
        batch_statistics = self.network.training and not self.calibrate
        outputs, currents = self._steps(group, entering, batch_statistics=batch_statistics)
        if self.observe_current:
            for i in group:
                if self.architecture.nodes[i].neuron:
                    self.observe_current(i, _sequence(currents[i]))
        return {i: _sequence(steps) for i, steps in outputs.items()}

    def _steps(
        self, group: Sequence[int], entering: Mapping[int, Tensor], *, batch_statistics: bool
    ) -> tuple[dict[int, list[Tensor]], dict[int, list[Tensor]]]:
        """What each node of a cycle sends (B, C, H, W) at each step; and what drives it, where that is observed."""
        outputs: dict[int, list[Tensor]] = {i: [] for i in group}
        currents: dict[int, list[Tensor]] = {i: [] for i in group}
        states: dict[int, State | None] = dict.fromkeys(group)
        for t in range(self.time_steps):
            for i in group:
                joined = self._joined_at(t, i, outputs, entering, batch_statistics=batch_statistics)
                if self.observe_current:
                    currents[i].append(joined)
                if self.architecture.nodes[i].neuron:
                    joined, states[i] = self.network.neuron(i).step(joined, states[i])
                outputs[i].append(joined)
        return outputs, currents

    def _joined_at(
        self,
        t: int,
        node: int,
        outputs: Mapping[int, Sequence[Tensor]],
        entering: Mapping[int, Tensor],
        *,
        batch_statistics: bool,
    ) -> Tensor:
        """What drives a node of a cycle at step `t`."""
        architecture = self.architecture
        signals = []
        for index in architecture.incoming[node]:
            s = architecture.synapses[index]
            if index in entering:
                signals.append(entering[index][min(t, len(entering[index]) - 1)])
            elif t < s.delay:
                signals.append(self._nothing(index, like=next(iter(entering.values()))[0]))
            else:
                module = self.network.synapses[index]
                signals.append(module(outputs[s.source][t - s.delay], batch_statistics))
        return self._joined(node, signals)


def _same_memory(one: Tensor, other: Tensor) -> bool:
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


def _unfolded(frames: Tensor, n_steps: int) -> Tensor:
    """(n_steps * B, C, H, W) as (n_steps, B, C, H, W)."""
    return frames.view(n_steps, -1, *frames.shape[1:])


def _sequence(steps: Sequence[Tensor]) -> Tensor:
    """Steps (B, C, H, W) as one sequence (T, B, C, H, W).

    Torch stacks tensors several times faster in the order in which they lie in memory, channels innermost.
    """
    return torch.stack([step.permute(0, 2, 3, 1) for step in steps]).permute(0, 1, 4, 2, 3)
