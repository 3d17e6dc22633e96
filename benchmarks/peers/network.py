"""An architecture as a plain torch module with the neurons of another library, in the two ways people run one.

Layer by layer: every layer sees all time steps at once, time folded into the batch before convolutions, as
SpikingJelly's multi-step mode and `SeqToANNContainer` do; only feedback cycles are stepped. Step by step: the whole
network once per time step, the neurons remembering.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from evonas.snn.network import Observer, SpikingNetwork
from genomes.architecture import INPUT, Architecture
from genomes.micro import Neuron
from genomes.operations import AveragePool, Convolution, Identity, MaxPool, Operation, Resize, Shape


@dataclass(frozen=True)
class Library:
    """What is another library's: its layers of neurons, and how all of a network are brought to rest.

    `neurons` makes a layer that maps (T, B, C, H, W), or (B, C, H, W) if `stepped`; `trained` says whether there will
    be gradients. None where the library has no neuron of that kind.
    """

    name: str
    neurons: Callable[[Neuron, bool, bool], nn.Module]
    reset: Callable[[nn.Module], None]


class PooledBatchNorm(nn.BatchNorm2d):
    """Batch norm in a feedback cycle: gathers the statistics of each step, then uses those of all steps together."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.gathering = False
        self._moments: list[tuple[Tensor, Tensor]] = []

    def forward(self, x: Tensor) -> Tensor:
        """`x` (B, C, H, W) normalised."""
        if not self.gathering:
            return super().forward(x)
        mean, variance = torch.batch_norm_update_stats(x, None, None, 0.0)
        self._moments.append((mean, variance))
        return nn.functional.batch_norm(x, mean, variance, self.weight, self.bias, eps=self.eps)

    def pool(self) -> None:
        """Make the statistics of all gathered steps the running ones."""
        means = torch.stack([mean for mean, _ in self._moments])
        variances = torch.stack([variance for _, variance in self._moments])
        self._moments.clear()
        mean = means.mean(0)
        assert self.running_mean is not None
        assert self.running_var is not None
        self.running_mean.copy_(mean)
        self.running_var.copy_((variances + means.square()).mean(0) - mean.square())


class PeerNetwork(nn.Module):
    """The function of `ours` with its present weights and statistics, called as `SpikingNetwork` is.

    With `stepped` it runs step by step and cannot calibrate: a batch norm would need the currents of all steps at
    once. It then uses the statistics that `ours` had when this network was made. With `hoisted` what a still image
    excites before the first neuron is computed once, as an able user would, not at every step.
    """

    def __init__(
        self,
        ours: SpikingNetwork,
        library: Library,
        *,
        stepped: bool,
        hoisted: bool = True,
        channels_last: bool,
        trained: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.architecture: Architecture = ours.architecture
        self.library = library
        self.stepped = stepped
        self.hoisted = hoisted
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        nodes = self.architecture.nodes
        self.cycle_of: dict[int, tuple[int, ...]] = {
            i: group
            for group in self.architecture.schedule
            for i in group
            if len(group) > 1 or any(s.source == s.target == i for s in self.architecture.synapses)
        }
        self.synapses = nn.ModuleList(
            _synapse(s.operation, shape=nodes[s.source].shape, cyclic=s.source in self._cycle(s.target))
            for s in self.architecture.synapses
        )
        self.signs = [getattr(s.operation, "sign", 1) or 1 for s in self.architecture.synapses]
        self.neurons = nn.ModuleDict(
            {
                str(i): library.neurons(node.neuron, stepped or i in self.cycle_of, trained)
                for i, node in enumerate(nodes)
                if node.neuron
            }
        )
        self.readout = nn.Linear(self.architecture.n_features, self.architecture.n_voters)
        self._take_weights(ours)
        self.to(dtype=dtype, memory_format=self.memory_format)  # type: ignore[call-overload]
        self.train(trained)

    def forward(
        self,
        x: Tensor,
        *,
        time_steps: int,
        calibrate: bool = False,
        observe: Observer | None = None,
        observe_current: Observer | None = None,
    ) -> Tensor:
        """The logits (B, n_classes) of images (1, B, C, H, W); `observe` is called as that of `SpikingNetwork`."""
        assert observe_current is None
        self.library.reset(self)
        frames = x.flatten(0, 1).contiguous(memory_format=self.memory_format)
        images = frames.unflatten(0, x.shape[:2])
        if self.stepped:
            rates = self._step_by_step(images[0], time_steps=time_steps, observe=observe)
        else:
            rates = self._layer_by_layer(images, time_steps=time_steps, calibrate=calibrate, observe=observe)
        votes: Tensor = self.readout(torch.cat([rates[i] for i in self.architecture.outputs], dim=1))
        logits: Tensor = votes.unflatten(1, (self.architecture.input.n_classes, -1)).mean(2)
        return logits

    def _cycle(self, node: int) -> tuple[int, ...]:
        return self.cycle_of.get(node, ())

    @torch.no_grad()
    def _take_weights(self, ours: SpikingNetwork) -> None:
        state = ours.state_dict()
        for i, module in enumerate(self.synapses):
            if isinstance(module, nn.Sequential):
                convolution, norm = module[0], module[1]
                assert isinstance(convolution, nn.Conv2d)
                convolution.weight.copy_(state[f"synapses.{i}.weight"])
                for name in ("weight", "bias", "running_mean", "running_var"):
                    getattr(norm, name).copy_(state[f"synapses.{i}.norm.{name}"])
        self.readout.weight.copy_(state["readout.weight"])
        self.readout.bias.copy_(state["readout.bias"])

    # layer by layer -------------------------------------------------------------------------------------------------

    def _layer_by_layer(
        self, images: Tensor, *, time_steps: int, calibrate: bool, observe: Observer | None
    ) -> dict[int, Tensor]:
        architecture = self.architecture
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.train(self.training or (calibrate and not isinstance(module, PooledBatchNorm)))
        values, rates = {INPUT: images}, {}
        uses = Counter(s.source for s in architecture.synapses)
        for group in architecture.schedule:
            if group == (INPUT,):
                continue
            if group[0] in self.cycle_of:
                values.update(self._cycle_values(group, values, time_steps=time_steps, calibrate=calibrate))
            else:
                values[group[0]] = self._layer(group[0], values, time_steps=time_steps)
            for i in group:
                if observe and architecture.binary[i]:
                    observe(i, values[i])
                if i in architecture.outputs:
                    rates[i] = values[i].mean((0, 3, 4))
            for i in group:
                for source in (architecture.synapses[s].source for s in architecture.incoming[i]):
                    uses[source] -= 1
                    if not uses[source]:
                        del values[source]
        return rates

    def _signal(self, index: int, values: dict[int, Tensor], *, time_steps: int) -> Tensor:
        """What a synapse brings off cycles, (1 or T, B, C, H, W)."""
        s = self.architecture.synapses[index]
        source = values[s.source]
        if s.delay:
            source = source.expand(time_steps, *source.shape[1:])[: time_steps - s.delay]
        signal: Tensor = self.synapses[index](source.flatten(0, 1)).unflatten(0, source.shape[:2])
        if s.delay:
            signal = torch.cat([torch.zeros_like(signal[:1]).expand(s.delay, *signal.shape[1:]), signal])
        return signal

    def _layer(self, node: int, values: dict[int, Tensor], *, time_steps: int) -> Tensor:
        incoming = self.architecture.incoming[node]
        signals = [self._signal(index, values, time_steps=time_steps) for index in incoming]
        n_steps = max(map(len, signals))
        signals = [s if len(s) == n_steps else s.expand(n_steps, *s.shape[1:]) for s in signals]
        joined = self._joined(node, signals, channels=2)
        if not self.architecture.nodes[node].neuron:
            return joined
        spikes: Tensor = self.neurons[str(node)](joined.expand(time_steps, *joined.shape[1:]))
        return spikes.to(joined.dtype)  # snnTorch fires in single precision

    def _joined(self, node: int, signals: Sequence[Tensor], *, channels: int) -> Tensor:
        signs = [self.signs[index] for index in self.architecture.incoming[node]]
        if self.architecture.nodes[node].merge == "concatenate" and len(signals) > 1:
            return torch.cat(
                [s if sign > 0 else -s for s, sign in zip(signals, signs, strict=True)], dim=channels
            )
        total = signals[0] if signs[0] > 0 else -signals[0]
        for signal, sign in zip(signals[1:], signs[1:], strict=True):
            total = total + signal if sign > 0 else total - signal
        return total

    def _cycle_values(
        self, group: Sequence[int], values: dict[int, Tensor], *, time_steps: int, calibrate: bool
    ) -> dict[int, Tensor]:
        entering = {
            index: self._signal(index, values, time_steps=time_steps)
            for i in group
            for index in self.architecture.incoming[i]
            if self.architecture.synapses[index].source not in group
        }
        if calibrate:
            inside = {index for i in group for index in self.architecture.incoming[i]} - set(entering)
            norms = [
                module
                for index in inside
                for module in self.synapses[index].modules()
                if isinstance(module, PooledBatchNorm)
            ]
            for norm in norms:
                norm.gathering = True
            self._cycle_steps(group, entering, time_steps=time_steps)
            for norm in norms:
                norm.gathering = False
                norm.pool()
            for i in group:
                if self.architecture.nodes[i].neuron:
                    self.library.reset(self.neurons[str(i)])
        outputs = self._cycle_steps(group, entering, time_steps=time_steps)
        return {i: stacked(steps) for i, steps in outputs.items()}

    def _cycle_steps(
        self, group: Sequence[int], entering: dict[int, Tensor], *, time_steps: int
    ) -> dict[int, list[Tensor]]:
        outputs: dict[int, list[Tensor]] = {i: [] for i in group}
        for t in range(time_steps):
            for i in group:
                signals = []
                for index in self.architecture.incoming[i]:
                    s = self.architecture.synapses[index]
                    if index in entering:
                        signals.append(entering[index][min(t, len(entering[index]) - 1)])
                    elif s.delay > t:
                        like = next(iter(entering.values()))
                        signals.append(self._nothing(index, like=like[0]))
                    else:
                        signals.append(self.synapses[index](outputs[s.source][t - s.delay]))
                outputs[i].append(self._fired(i, signals))
        return outputs

    def _nothing(self, index: int, *, like: Tensor) -> Tensor:
        s = self.architecture.synapses[index]
        shape = s.operation.out_shape(self.architecture.nodes[s.source].shape)
        return like.new_zeros((len(like), *shape)).contiguous(memory_format=self.memory_format)

    def _fired(self, node: int, signals: Sequence[Tensor]) -> Tensor:
        joined = self._joined(node, signals, channels=1)
        if not self.architecture.nodes[node].neuron:
            return joined
        spikes: Tensor = self.neurons[str(node)](joined)
        return spikes.to(joined.dtype)

    # step by step ---------------------------------------------------------------------------------------------------

    def _step_by_step(
        self, images: Tensor, *, time_steps: int, observe: Observer | None
    ) -> dict[int, Tensor]:
        architecture = self.architecture
        order = [i for group in architecture.schedule for i in group if i != INPUT]
        past: list[dict[int, Tensor]] = []
        collected: dict[int, list[Tensor]] = {i: [] for i in order if observe and architecture.binary[i]}
        totals: dict[int, Tensor] = {}
        still: dict[int, Tensor] = {}  # signals that are the same at every step
        for t in range(time_steps):
            now = {INPUT: images}
            for i in order:
                signals = []
                for index in architecture.incoming[i]:
                    s = architecture.synapses[index]
                    if index in still:
                        signal = still[index]
                    elif s.delay > t:
                        signal = self._nothing(index, like=images)
                    else:
                        signal = self.synapses[index]((past[t - s.delay] if s.delay else now)[s.source])
                        if self.hoisted and architecture.static[s.source] and not s.delay:
                            still[index] = signal
                    signals.append(signal)
                now[i] = self._fired(i, signals)
                if i in collected:
                    collected[i].append(now[i])
                if i in architecture.outputs:
                    mean = now[i].mean((2, 3))
                    totals[i] = totals[i] + mean if i in totals else mean
            past.append({s.source: now[s.source] for s in architecture.synapses if s.delay})
        for i, steps in collected.items():
            assert observe is not None
            observe(i, stacked(steps))
        return {i: total / time_steps for i, total in totals.items()}


def stacked(steps: Sequence[Tensor]) -> Tensor:
    """Steps (B, C, H, W) as one sequence (T, B, C, H, W), in the order in which they lie in memory: the fast way."""
    if not steps[0].is_contiguous(memory_format=torch.channels_last):
        return torch.stack(list(steps))
    return torch.stack([step.permute(0, 2, 3, 1) for step in steps]).permute(0, 1, 4, 2, 3)


def _synapse(operation: Operation, *, shape: Shape, cyclic: bool) -> nn.Module:
    match operation:
        case Convolution(kernel, channels, sign, stride) if not kernel.separable:
            norm = PooledBatchNorm if cyclic else nn.BatchNorm2d
            convolution = nn.Conv2d(
                shape[0], channels, kernel.size, stride=stride, padding=kernel.size // 2, bias=False
            )
            # The rectified current enters by addition or, inhibitory, by subtraction.
            return nn.Sequential(
                convolution, norm(channels), nn.ReLU(inplace=True) if sign else nn.Identity()
            )
        case Identity():
            return nn.Identity()
        case MaxPool(size):
            return nn.MaxPool2d(size)
        case AveragePool(size, stride):
            return nn.AvgPool2d(size, stride, operation.padding)
        case Resize(height, width):
            return nn.Upsample(size=(height, width), mode="nearest")
        case _:
            raise ValueError(
                f"operation: no counterpart of '{operation}' in the other libraries; leave it out of the space"
            )
