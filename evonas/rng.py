"""The one source of randomness: named, independent streams derived from the seed of the run."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, purpose: str, *keys: int | str) -> np.random.Generator:
    """The stream of `seed` for one purpose, e.g. ``generator(7, "variation", 3)``.

    Streams with different purpose or keys are independent, and a stream depends on nothing else: not on the order of
    calls, the number of workers, or what was drawn before. That is what makes a resumed run equal an uninterrupted one.

    >>> generator(1, "sample", 0).integers(100) == generator(1, "sample", 0).integers(100)
    np.True_
    """
    # repr keeps 1 and "1" apart; SHA-256 because hash() of a string differs between processes.
    digest = hashlib.sha256(repr((purpose, *keys)).encode()).digest()
    words = [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4)]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))
