"""Keeping memory that was freed, so that the next layer's spikes need no fresh pages."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD = -1  # mallopt(3)
_M_MMAP_MAX = -4


def keep_freed_memory() -> None:
    """Have this process, from now on, reuse the memory of freed tensors, where the C library can (glibc).

    By default glibc gives a tensor of more than 32 MiB pages of its own and hands them back with it, and the kernel
    fills every page with zeros before it is written again: that took up to a third of an evaluation.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, -1)  # never
