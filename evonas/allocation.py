"""Keeping memory that was freed, so that the next layer's spikes need no fresh pages."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD = -1  # mallopt(3)
_M_MMAP_MAX = -4

KEPT_BYTES = 2**31 - 1
"""Free memory at the end of the heap that is not handed back."""


def keep_freed_memory() -> bool:
    """Have this process reuse the memory of freed tensors; whether the C library can (glibc).

    By default glibc gives a tensor of more than 32 MiB pages of its own and hands them back with it, and the kernel
    fills every page with zeros before it is written again: that took up to a third of an evaluation.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return bool(mallopt and mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES))
