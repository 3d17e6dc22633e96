"""The time that counts against a worker."""

from __future__ import annotations

import pytest

from evonas.evaluation.ray_workers import LONGEST_STEP_S, AttendedClock


def test_the_clock_runs_while_it_is_looked_at_and_leaves_out_the_time_that_the_driver_slept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = iter([100.0, 100.25, 100.75, 4000.0, 4000.5])
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    clock = AttendedClock()
    assert [clock.now() for _ in range(4)] == [0.25, 0.75, 0.75 + LONGEST_STEP_S, 1.25 + LONGEST_STEP_S]
