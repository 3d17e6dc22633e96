"""What a training step of a network costs, and whether its gradient reaches the first layer.

Measured as the training begins: with the first weights of the run's seed, on the first `training.batch` training
images, not augmented, by the loss and the surrogate gradient of its training. Everything is in single precision and on
one thread, whatever the settings of training, so that machines differ in the time alone.
"""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from evonas.data import Dataset
from evonas.measurements.examples import first_examples
from evonas.measurements.measurement import MEASUREMENTS
from evonas.runs.results import Run
from evonas.snn.network import SpikingNetwork
from evonas.training.draws import seeded_draws
from genomes.operations import CONVOLUTIONS

N_TIMED = 3


@dataclass(frozen=True, eq=False)
class _Saved:
    """A tensor in the hands of autograd, which drops it with what it was saved for."""

    tensor: Tensor


def training_cost(run: Run, architecture_id: str, dataset: Dataset) -> dict[str, float]:
    """Time and memory of a step, and the gradient of its loss for the first and the last convolution.

    Columns: step_seconds, the median of `N_TIMED` passes forward and back after a first one, without the update of the
    weights; saved_mb, the 10^6 bytes that autograd keeps for the way back, weights and inputs left out; gradient_first,
    the log10 of the Euclidean norm of the gradient for the first convolution's weights; gradient_ratio, that less the
    same of the last convolution. The two are NaN where no gradient arrives.
    """
    config = run.record.config
    seed, settings = config.evolution.seed, config.training
    network = SpikingNetwork(run.architecture(architecture_id), seed=seed, surrogate=settings.surrogate)
    network.train()
    examples = first_examples(dataset.train, spec=dataset.spec, n=settings.batch, batch=settings.batch)
    ((inputs, labels),) = examples.in_order()

    def loss() -> Tensor:
        network.zero_grad(set_to_none=True)
        logits = network(inputs, time_steps=config.evaluation.time_steps)
        return cross_entropy(logits, labels, label_smoothing=settings.label_smoothing)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with seeded_draws(seed=seed, epoch=0):
            apart = [*network.parameters(), *network.buffers(), inputs, labels]
            value, n_bytes = saved_bytes(loss, apart=apart)
            value.backward()
            first, last = (_log_norm(network, synapse) for synapse in _first_and_last_convolution(network))
            seconds = [_timed(lambda: loss().backward()) for _ in range(N_TIMED)]
    finally:
        torch.set_num_threads(threads)
    return {
        "step_seconds": median(seconds),
        "saved_mb": n_bytes / 1e6,
        "gradient_first": first,
        "gradient_ratio": first - last,
    }


def saved_bytes(compute: Callable[[], Tensor], *, apart: list[Tensor]) -> tuple[Tensor, int]:
    """What `compute` returns, and the bytes of memory that autograd keeps to go back through it.

    Memory that several saved tensors share, views of each other, counts once; that of the tensors `apart` does not.
    """
    kept: weakref.WeakSet[_Saved] = weakref.WeakSet()

    def keep(tensor: Tensor) -> _Saved:
        saved = _Saved(tensor)
        kept.add(saved)
        return saved

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda saved: saved.tensor):
        result = compute()
    sizes = {_address(saved.tensor): saved.tensor.untyped_storage().nbytes() for saved in kept}
    for tensor in apart:
        sizes.pop(_address(tensor), None)
    return result, sum(sizes.values())


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _first_and_last_convolution(network: SpikingNetwork) -> tuple[int, int]:
    """The synapses by number; they are in order of their targets, and those in order of execution."""
    synapses = network.architecture.synapses
    found = [i for i, synapse in enumerate(synapses) if isinstance(synapse.operation, CONVOLUTIONS)]
    return found[0], found[-1]


def _log_norm(network: SpikingNetwork, synapse: int) -> float:
    """The log10 of the norm of the gradient for a synapse's weights, both halves of a separable one."""
    weights = [weight for weight in network.synapses[synapse].parameters() if weight.dim() > 1]
    square = sum(float(w.grad.double().square().sum()) for w in weights if w.grad is not None)
    return math.log10(square) / 2 if square else math.nan


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


MEASUREMENTS.register("training_cost", training_cost)
