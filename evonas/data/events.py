"""Recordings of event cameras as values, and the frames that a network is given of them.

An event says that one pixel became brighter (polarity 1, on) or darker (polarity 0, off) at one moment. A frame counts
the events of each polarity and pixel during one time step; how a recording is divided into time steps is its framing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evonas.errors import ConfigError, DataError
from genomes.registry import Registry


@dataclass(frozen=True, eq=False)
class Events:
    """The events of one recording in order of time.

    Raises:
        DataError: no events, arrays of different lengths, time that goes backwards, a pixel off the sensor, or a
            polarity other than 0 and 1.
    """

    t: np.ndarray
    """(N,) int64, microseconds, never falling."""
    x: np.ndarray
    """(N,) column, from 0 at the left."""
    y: np.ndarray
    """(N,) row, from 0 at the top."""
    polarity: np.ndarray
    """(N,) 1 for brighter (on), 0 for darker (off)."""
    shape: tuple[int, int]
    """H, W of the sensor, in pixels."""
    origin: str
    """What error messages call the recording."""

    def __post_init__(self) -> None:
        lengths = [len(array) for array in (self.t, self.x, self.y, self.polarity)]
        if len(set(lengths)) > 1:
            raise DataError(f"{self.origin}: t, x, y and polarity must be equally long; got {lengths}")
        if not len(self.t):
            raise DataError(f"{self.origin}: holds no events, at least one is expected; remove or replace it")
        falls = np.flatnonzero(self.t[1:] < self.t[:-1])
        if len(falls):
            i = int(falls[0]) + 1
            came = f"event {i} is at {self.t[i]} us after one at {self.t[i - 1]} us"
            raise DataError(f"{self.origin}: time must not go backwards, but {came}; fetch it again")
        height, width = self.shape
        for name, values, size in (
            ("x", self.x, width),
            ("y", self.y, height),
            ("polarity", self.polarity, 2),
        ):
            if values.min() < 0 or values.max() >= size:
                i = int(np.flatnonzero((values < 0) | (values >= size))[0])
                came = f"event {i} has {values[i]}"
                raise DataError(f"{self.origin}: {name} must be 0 to {size - 1}, but {came}; fetch it again")

    def __len__(self) -> int:
        return len(self.t)

    def between(self, *, start: int, stop: int, origin: str) -> Events:
        """The events number `start` to `stop` - 1, called `origin`."""
        part = slice(start, stop)
        return Events(
            self.t[part], self.x[part], self.y[part], self.polarity[part], shape=self.shape, origin=origin
        )


def content_of(path: Path) -> bytes:
    """The bytes of a recording.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); check the file and its permissions"
        ) from None


def windows(events: Events, *, length_us: int) -> list[Events]:
    """The recording cut into consecutive windows of `length_us`; the last piece and empty windows are not used."""
    n_windows = int(events.t[-1] - events.t[0]) // length_us
    edges = np.searchsorted(events.t, events.t[0] + length_us * np.arange(n_windows + 1))
    return [
        events.between(start=int(edges[i]), stop=int(edges[i + 1]), origin=f"{events.origin}, window {i}")
        for i in range(n_windows)
        if edges[i] < edges[i + 1]
    ]


def subsampled(events: Events, *, factor: int) -> Events:
    """The same events on a sensor of which `factor` x `factor` neighbours are one pixel, so their counts add up.

    Raises:
        ValueError: the sensor does not divide into such pixels.
    """
    height, width = events.shape
    if factor < 1 or height % factor or width % factor:
        raise ValueError(f"factor must divide a sensor of {height} x {width}; got {factor}")
    return dataclasses.replace(
        events,
        x=events.x // factor,
        y=events.y // factor,
        shape=(height // factor, width // factor),
    )


def by_time(t: np.ndarray, *, n_steps: int) -> np.ndarray:
    """The time step of each event, where every step lasts equally long, from the first event to the last."""
    since = t - t[0]
    # One microsecond more than lies between them, so that the last event is in the last step.
    steps: np.ndarray = since * n_steps // (since[-1] + 1)
    return steps


def by_count(t: np.ndarray, *, n_steps: int) -> np.ndarray:
    """The time step of each event, where every step holds equally many; their numbers differ by one at most."""
    steps: np.ndarray = np.arange(len(t)) * n_steps // len(t)
    return steps


FRAMINGS: Registry[Callable[..., np.ndarray]] = Registry("framing")
"""From the times of events (N,) and `n_steps` to the time step (N,) of each, 0 to `n_steps` - 1, never falling."""
FRAMINGS.register("time", by_time)
FRAMINGS.register("count", by_count)


def frames(events: Events, *, n_steps: int, framing: str) -> np.ndarray:
    """How often each pixel fired in each time step: (n_steps, 2, H, W) float32, off events before on events.

    Every event is counted once, so the counts add up to the number of events.

    Raises:
        UnknownNameError: no framing has this name.
        ConfigError: `n_steps` is below 1.
    """
    if n_steps < 1:
        raise ConfigError(f"evaluation.time_steps: at least 1 expected, {n_steps} given; give more")
    steps = FRAMINGS.get(framing)(events.t, n_steps=n_steps)
    shape = (n_steps, 2, *events.shape)
    cells = np.ravel_multi_index((steps, events.polarity, events.y, events.x), shape)
    counts = np.bincount(cells, minlength=int(np.prod(shape)))
    return counts.reshape(shape).astype(np.float32)
