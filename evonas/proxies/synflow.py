"""Synaptic flow: how much runs over all paths through a network whose weights are all positive.

    sum over layers l of <W_l, dR / dW_l>,    R = sum of the logits for an input of ones

(Tanaka et al., NeurIPS 2020, arXiv 2006.05467; summed to rank networks, without batch norm, by Abdelfattah et al., ICLR
2021, arXiv 2101.08134). No data and no labels are used. R is linear in each W_l
that every path passes, which then adds exactly R: a chain of n layers has n R.

A spiking network is scored as the linear one that it is on average:

- weights (convolutions, readout) are taken absolute; so are signs: inhibition counts as much as excitation;
- neurons hand on current / v_threshold at every step, the rate of an integrate-and-fire neuron between silence and one
  spike a step; leak and reset are left out (a leaky neuron with decayed input has the same gain for a steady current);
- batch norms, dropout and attention hand on what they get; pooling, shifts, stacks and sums stay;
- time is unrolled for `STEPS` steps, of which the readout takes the mean: what a synapse with delay carries arrives at
  the second, so every path through at most one feedback edge counts, half as much as one through none, and loops are
  not run through again and again, where they would outgrow all else.

Computed in double precision for one sample. Bounds and differences are those of the log10. Firing plays no part, so a
silent network has the same value as any other; its health is not measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from evonas.proxies.backward import copied
from evonas.proxies.candidate import Candidate, Measured, Proxy, Stimulation
from evonas.proxies.registry import PROXIES
from evonas.snn.network import SpikingNetwork
from evonas.snn.neurons import Dynamics, SpikingNeuron, State
from evonas.snn.surrogates import Surrogate
from evonas.snn.synapses import EPSILON, BatchNorm, ConvolutionSynapse, PassiveSynapse
from genomes.architecture import Architecture
from genomes.micro import Neuron
from genomes.operations import Identity, SpatialAttention

STEPS = 2
"""Time steps that are unrolled, if the network is given as many."""

SOURCE = "Tanaka et al., NeurIPS 2020, arXiv 2006.05467"

LOW, HIGH = 1.0, 1e60
"""Bounds: a 3 x 3 convolution multiplies the flow by about 3.4 sqrt(input channels), and low thresholds raise
it further: a sample of the default space at 16 channels reaches 1e37."""


def _linear(
    current: Tensor,
    state: State | None,
    *,
    neuron: Neuron,
    surrogate: Surrogate,
    parameters: Mapping[str, Tensor],
    overwrite: bool = False,
) -> tuple[Tensor, State]:
    return current / neuron.v_threshold, ()


LINEAR = Dynamics(_linear, source=SOURCE)
"""Neurons without spikes and without memory: their mean rate."""


def linearised(network: SpikingNetwork) -> SpikingNetwork:
    """A copy in double precision, linear in its input and with weights >= 0, as described above."""
    linear = copied(network).double()
    for index, synapse in enumerate(linear.architecture.synapses):
        if isinstance(synapse.operation, SpatialAttention):
            linear.synapses[index] = PassiveSynapse(Identity())
    with torch.no_grad():
        for parameter in linear.parameters():
            parameter.abs_()
        for module in linear.modules():
            match module:
                case SpikingNeuron():
                    module.dynamics = LINEAR
                case ConvolutionSynapse():
                    module.sign = 0
                case BatchNorm():
                    module.running_mean.zero_()
                    module.running_var.fill_(1.0 - EPSILON)  # to which it adds EPSILON
                    module.weight.fill_(1.0)
                    module.bias.zero_()
                case _:
                    pass
    return linear


def synaptic_flow(network: SpikingNetwork, *, time_steps: int) -> float:
    """The sum over layers of <W, dR/dW>; infinite or NaN where double precision overflows."""
    linear = linearised(network)
    weights = [parameter for parameter in linear.parameters() if parameter.dim() > 1]
    with torch.enable_grad():
        ones = torch.ones(
            1, 1, *network.architecture.input.shape, dtype=torch.float64, device=weights[0].device
        )
        flow = linear(ones, time_steps=min(time_steps, STEPS)).sum()
        gradients = torch.autograd.grad(flow, weights, allow_unused=True, materialize_grads=True)
    pairs = zip(weights, gradients, strict=True)
    return sum(float((weight.detach() * gradient).sum()) for weight, gradient in pairs)


def _value(candidate: Candidate) -> Measured:
    return Measured(synaptic_flow(candidate.network, time_steps=candidate.time_steps))


def _bounds(sample: Sequence[Architecture], stimulation: Stimulation) -> tuple[float, float]:
    return LOW, HIGH


PROXIES.register("synflow", Proxy("synflow", SOURCE, _bounds, (), _value, scale="log10"))
