"""The integrate-and-fire family over a whole sequence: one autograd node instead of a graph of T steps.

The convention, stated once (SpikingJelly's, with decayed input and a resting potential of 0); u is the
membrane potential before the reset, v after it, b = 1 / tau:

    u_t = v_{t-1} + b (x_t - v_{t-1})       leaky          u_t = v_{t-1} + x_t       not leaky
    s_t = 1 where u_t >= threshold_t, else 0
    v_t = u_t (1 - s_t)                     hard reset     v_t = u_t - v_threshold s_t     soft reset
    threshold_t = v_threshold + beta a_t     a_t = rho a_{t-1} + (1 - rho) s_{t-1}

(the last line for adaptive neurons only, a_0 = 0, beta = ADAPTATION_STRENGTH, rho = ADAPTATION_DECAY). The
spikes of the reset and of the adaptation are constants in the backward pass, so that du_{t+1}/du_t is
(1 - b)(1 - s_t) with the hard and 1 - b with the soft reset.

All that the backward pass needs is z_t = u_t - threshold_t in the dtype of the current: its sign is the
spike, and u_t, v_t and x_t follow from it. Nothing else is saved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

ADAPTATION_STRENGTH = 1.8  # beta; Bellec et al., NeurIPS 2018 (arXiv 1803.09574)
# The long-memory tasks of that paper need a rho of hundreds of steps, with which the threshold would hardly move
# in a simulation of 4 to 16. 0.75 forgets over about 4 steps and raises the threshold by 0.45 after one spike.
ADAPTATION_DECAY = 0.75

# Elements a thread takes through all steps before the next ones: a row of state, current and spikes each, 6
# MiB, stays in the last-level cache of a server core. Measured (benchmarks/speed_neurons.py): smaller ones
# lose to the cost of a call per operation.
_CHUNK = 1 << 19


@dataclass(frozen=True)
class Membrane:
    """What an integrate-and-fire neuron does, without state: the constants of the equations above."""

    v_threshold: float
    hard_reset: bool
    leaky: bool
    adaptive: bool


@dataclass(frozen=True)
class _Layout:
    """The memory of one time step: its shape, and strides that leave no holes."""

    shape: torch.Size
    strides: tuple[int, ...]

    @property
    def numel(self) -> int:
        return self.shape.numel()

    def empty(self, *, n_steps: int, like: Tensor, dtype: torch.dtype) -> Tensor:
        """An uninitialised (T, *shape) tensor with this layout per time step."""
        return torch.empty_strided(
            (n_steps, *self.shape), (self.numel, *self.strides), dtype=dtype, device=like.device
        )

    def rows(self, sequence: Tensor) -> Tensor:
        """`sequence` (T, *shape) as (T, numel) in the order of memory: a view, or a copy if its strides differ."""
        if sequence.stride()[1:] != self.strides and not self._fits(sequence):
            copy = self.empty(n_steps=sequence.shape[0], like=sequence, dtype=sequence.dtype)
            sequence = copy.copy_(sequence)
        return torch.as_strided(sequence, (sequence.shape[0], self.numel), (sequence.stride(0), 1))

    def row(self, state: Tensor) -> Tensor:
        """`state` (*shape) as a vector of numel elements."""
        return self.rows(state.unsqueeze(0))[0]

    def _fits(self, sequence: Tensor) -> bool:
        pairs = zip(self.shape, self.strides, sequence.stride()[1:], strict=True)
        return all(size == 1 or ours == theirs for size, ours, theirs in pairs)


def _layout(sequence: Tensor) -> _Layout:
    """The layout of a time step of `sequence` (T, ...); contiguous if a step has holes or overlaps itself."""
    shape, strides = sequence.shape[1:], sequence.stride()[1:]
    expected = 1
    for stride, size in sorted(zip(strides, shape, strict=True)):
        if size > 1 and stride != expected:
            return _Layout(shape, torch.empty(shape, device="meta").stride())
        expected *= size
    return _Layout(shape, strides)


def _chunks(n: int, *, device: torch.device) -> list[slice]:
    """Ranges of elements to simulate one after the other: cache-sized on a CPU, everything elsewhere."""
    size = _CHUNK * torch.get_num_threads() if device.type == "cpu" else n
    return [slice(start, min(start + size, n)) for start in range(0, n, max(size, 1))]


def _state_dtype(current: Tensor) -> torch.dtype:
    # Half precision loses small increments to a potential near the threshold, so the state never has less
    # than 32 bits.
    return current.dtype if current.dtype == torch.float64 else torch.float32


def _simulate(
    membrane: Membrane,
    *,
    inverse_tau: float | Tensor,
    current: Tensor,
    potential: Tensor,
    adaptation: Tensor | None,
    spikes: Tensor,
    distances: Tensor | None,
) -> None:
    """Run all steps: read `current` (T, n), update the state (n) in place, fill `spikes` and `distances` (T, n)."""
    for part in _chunks(potential.numel(), device=potential.device):
        v = potential[part]
        a = None if adaptation is None else adaptation[part]
        for t, (x, s) in enumerate(zip(current[:, part].unbind(), spikes[:, part].unbind(), strict=True)):
            if membrane.leaky:
                v.lerp_(x.to(v.dtype), inverse_tau)
            else:
                v.add_(x)
            threshold: float | Tensor = membrane.v_threshold
            if a is not None:
                threshold = a.mul(ADAPTATION_STRENGTH).add_(membrane.v_threshold)
            torch.ge(v, threshold, out=s)
            if distances is not None:
                torch.sub(v, threshold, out=distances[t, part])
            s = s.to(v.dtype)
            if membrane.hard_reset:
                v.addcmul_(v, s, value=-1.0)
            else:
                v.sub_(s, alpha=membrane.v_threshold)
            if a is not None:
                a.lerp_(s, 1.0 - ADAPTATION_DECAY)


class _IntegrateAndFire(torch.autograd.Function):
    """(current, potential, inverse_tau, adaptation) to (spikes, potential, adaptation); see `integrate_and_fire`."""

    @staticmethod
    def forward(
        ctx: Any,
        current: Tensor,
        potential: Tensor | None,
        inverse_tau: Tensor | None,
        adaptation: Tensor | None,
        membrane: Membrane,
        constant: float,
        gradient: Callable[[Tensor], Tensor],
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        layout, dtype = _layout(current), _state_dtype(current)
        spikes = layout.empty(n_steps=current.shape[0], like=current, dtype=current.dtype)
        distances = torch.empty_like(spikes)
        v, a = _start(membrane, layout, like=current, potential=potential, adaptation=adaptation)
        b = constant if inverse_tau is None else _scalar(inverse_tau, dtype=dtype)
        _simulate(
            membrane,
            inverse_tau=b,
            current=layout.rows(current),
            potential=layout.row(v),
            adaptation=None if a is None else layout.row(a),
            spikes=layout.rows(spikes),
            distances=layout.rows(distances),
        )
        # The starting potential is needed only for the gradient of inverse_tau; at rest it is zero and not
        # worth a tensor.
        ctx.save_for_backward(distances, potential if inverse_tau is not None else None, inverse_tau)
        ctx.membrane, ctx.constant, ctx.gradient, ctx.layout = membrane, constant, gradient, layout
        ctx.dtype, ctx.starts_at_rest = dtype, potential is None
        ctx.set_materialize_grads(False)
        if a is not None:
            ctx.mark_non_differentiable(a)
        return spikes, v, a

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        saved, start, inverse_tau = ctx.saved_tensors
        membrane, layout, dtype = ctx.membrane, ctx.layout, ctx.dtype
        b = ctx.constant if inverse_tau is None else _scalar(inverse_tau, dtype=dtype)
        distances = layout.rows(saved)
        grad_spikes = None if grads[0] is None else layout.rows(grads[0])
        grad_current = layout.empty(n_steps=saved.shape[0], like=saved, dtype=saved.dtype)
        grad_start = None if ctx.starts_at_rest else torch.empty_like(grad_current[0], dtype=dtype)
        grad_b = None
        if ctx.needs_input_grad[2]:
            grad_b = torch.zeros((), dtype=torch.float64, device=saved.device)
        rows = layout.rows(grad_current)
        grad_end = None if grads[1] is None else layout.row(grads[1])
        first = None if start is None else layout.row(start)
        for part in _chunks(layout.numel, device=saved.device):
            gv = None if grad_end is None else grad_end[part]  # None is zero; never written to
            for t in reversed(range(saved.shape[0])):
                z = distances[t, part].to(dtype)
                gu = ctx.gradient(z)
                if grad_spikes is None:
                    gu.zero_()
                else:
                    gu.mul_(grad_spikes[t, part])
                if gv is not None and membrane.hard_reset:
                    gu.addcmul_(gv, torch.lt(z, 0, out=torch.empty_like(z)))
                elif gv is not None:
                    gu.add_(gv)
                if grad_b is not None:
                    u = z.add(membrane.v_threshold)
                    before: Tensor | None
                    if t > 0:
                        before = _after_reset(membrane, distances[t - 1, part])
                    else:
                        before = None if first is None else first[part]
                    # x_t - v_{t-1}, which is what b multiplies, times b
                    grad_b.add_(torch.dot(gu, u if before is None else u.sub_(before)))
                if membrane.leaky:
                    torch.mul(gu, b, out=rows[t, part])
                    gv = gu.mul_(1.0 - b) if t > 0 or grad_start is not None else None
                else:
                    rows[t, part].copy_(gu)
                    gv = gu
            if grad_start is not None and gv is not None:
                layout.row(grad_start)[part].copy_(gv)
        grad_tau = None if grad_b is None else grad_b.div_(b).to(inverse_tau.dtype)
        return grad_current, grad_start, grad_tau, None, None, None, None


def _after_reset(membrane: Membrane, z: Tensor) -> Tensor:
    """The potential after the reset (a new tensor) from the distance to the threshold before it."""
    u = z.to(_state_dtype(z)).add(membrane.v_threshold)
    spikes = torch.ge(z, 0, out=torch.empty_like(z)).to(u.dtype)
    if membrane.hard_reset:
        return u.addcmul_(u, spikes, value=-1.0)
    return u.sub_(spikes, alpha=membrane.v_threshold)


def _scalar(inverse_tau: Tensor, *, dtype: torch.dtype) -> float | Tensor:
    """A Python number on the CPU; elsewhere the tensor itself, since reading it would wait for the device."""
    return inverse_tau.detach().to(dtype) if inverse_tau.device.type != "cpu" else inverse_tau.item()


def _start(
    membrane: Membrane, layout: _Layout, *, like: Tensor, potential: Tensor | None, adaptation: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Fresh state tensors in `layout`: copies of the given ones, or rest."""

    def fresh(given: Tensor | None) -> Tensor:
        state = layout.empty(n_steps=1, like=like, dtype=_state_dtype(like))[0]
        return state.zero_() if given is None else state.copy_(given)

    return fresh(potential), fresh(adaptation) if membrane.adaptive else None


def integrate_and_fire(
    current: Tensor,
    *,
    membrane: Membrane,
    gradient: Callable[[Tensor], Tensor],
    inverse_tau: float | Tensor = 1.0,
    potential: Tensor | None = None,
    adaptation: Tensor | None = None,
    overwrite: bool = False,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The spikes of `current` (T, B, ...) and the state after the last step.

    Spikes have the shape, strides and dtype of the current; the state (B, ...) has 32 bits or more. Without gradients
    nothing but the spikes and the state is allocated, with `overwrite` and a current without holes the state alone;
    with them one further tensor of the size of the current. Gradients flow to `current`, `potential` and, given as a
    tensor, `inverse_tau`. `potential` and `adaptation` start at rest if None.
    """
    tensor = inverse_tau if isinstance(inverse_tau, Tensor) else None
    constant = 1.0 if isinstance(inverse_tau, Tensor) else inverse_tau
    inputs = (current, potential, tensor)
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in inputs):
        result: tuple[Tensor, Tensor, Tensor | None] = _IntegrateAndFire.apply(
            current, potential, tensor, adaptation, membrane, constant, gradient
        )
        return result
    layout = _layout(current)
    if overwrite and current.stride() == (layout.numel, *layout.strides):
        spikes = current
    else:
        spikes = layout.empty(n_steps=current.shape[0], like=current, dtype=current.dtype)
    v, a = _start(membrane, layout, like=current, potential=potential, adaptation=adaptation)
    _simulate(
        membrane,
        inverse_tau=constant if tensor is None else _scalar(tensor, dtype=v.dtype),
        current=layout.rows(current.detach()),
        potential=layout.row(v.detach()),
        adaptation=None if a is None else layout.row(a),
        spikes=layout.rows(spikes),
        distances=None,
    )
    return spikes, v, a
