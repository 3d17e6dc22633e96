from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evonas.data.events import FRAMINGS, Events, frames, subsampled, windows
from evonas.errors import ConfigError, DataError
from genomes.errors import UnknownNameError


def events(rows: list[tuple[int, int, int, int]], *, shape: tuple[int, int] = (4, 6)) -> Events:
    """A recording of rows (t, x, y, polarity)."""
    t, x, y, polarity = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return Events(t, x, y, polarity, shape=shape, origin="made.bin")


recordings = st.lists(
    st.tuples(st.integers(0, 10**6), st.integers(0, 5), st.integers(0, 3), st.integers(0, 1)),
    min_size=1,
    max_size=80,
).map(lambda rows: events(sorted(rows)))


def test_frames_of_equal_time_hold_each_event_at_its_step_polarity_row_and_column() -> None:
    made = events([(100, 5, 0, 1), (149, 5, 0, 1), (150, 2, 3, 0), (199, 0, 1, 1)])
    expected = np.zeros((2, 2, 4, 6))
    expected[0, 1, 0, 5] = 2
    expected[1, 0, 3, 2] = 1
    expected[1, 1, 1, 0] = 1
    counts = frames(made, n_steps=2, framing="time")
    assert counts.dtype == np.float32
    np.testing.assert_array_equal(counts, expected)


def test_frames_of_equal_count_take_the_events_in_their_order_whatever_their_time() -> None:
    made = events([(0, 0, 0, 0), (1, 1, 0, 0), (2, 2, 0, 0), (900, 3, 0, 0)])
    counts = frames(made, n_steps=2, framing="count")
    assert counts[:, 0, 0].tolist() == [[1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0]]
    assert frames(made, n_steps=2, framing="time").sum(axis=(1, 2, 3)).tolist() == [3, 1]


@pytest.mark.parametrize("framing", FRAMINGS.names())
@given(made=recordings, n_steps=st.integers(1, 20))
def test_frames_count_every_event_once(made: Events, n_steps: int, framing: str) -> None:
    counts = frames(made, n_steps=n_steps, framing=framing)
    assert counts.shape == (n_steps, 2, 4, 6)
    assert counts.sum() == len(made)
    for polarity in (0, 1):
        assert counts[:, polarity].sum() == (made.polarity == polarity).sum()


@given(made=recordings, n_steps=st.integers(1, 20))
def test_frames_of_equal_count_differ_by_one_event_at_most(made: Events, n_steps: int) -> None:
    per_step = frames(made, n_steps=n_steps, framing="count").sum(axis=(1, 2, 3))
    assert per_step.max() - per_step.min() <= 1


@given(made=recordings, n_steps=st.integers(1, 20))
def test_frames_of_equal_time_hold_what_an_interval_of_that_length_holds(made: Events, n_steps: int) -> None:
    span = int(made.t[-1] - made.t[0]) + 1
    since = [int(t - made.t[0]) for t in made.t]
    expected = [
        sum(step * span <= moment * n_steps < (step + 1) * span for moment in since)
        for step in range(n_steps)
    ]
    assert frames(made, n_steps=n_steps, framing="time").sum(axis=(1, 2, 3)).tolist() == expected


def test_frames_follow_the_events_and_not_the_clock() -> None:
    rows = [(3, 0, 0, 0), (40, 1, 1, 1), (77, 2, 2, 0)]
    later = [(t + 2**33, x, y, p) for t, x, y, p in rows]
    for framing in FRAMINGS.names():
        np.testing.assert_array_equal(
            frames(events(rows), n_steps=3, framing=framing),
            frames(events(later), n_steps=3, framing=framing),
        )


def test_an_unknown_framing_and_no_time_steps_are_refused() -> None:
    made = events([(0, 0, 0, 0)])
    with pytest.raises(UnknownNameError, match="unknown framing 'tme'; did you mean 'time'"):
        frames(made, n_steps=2, framing="tme")
    with pytest.raises(ConfigError, match="at least 1 expected, 0 given"):
        frames(made, n_steps=0, framing="time")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "holds no events"),
        ([(5, 0, 0, 0), (7, 0, 0, 0), (6, 0, 0, 0)], "event 2 is at 6 us after one at 7 us"),
        ([(0, 0, 0, 0), (0, 6, 0, 0)], "x must be 0 to 5, but event 1 has 6"),
        ([(0, 0, 4, 0)], "y must be 0 to 3, but event 0 has 4"),
        ([(0, -1, 0, 0)], "x must be 0 to 5, but event 0 has -1"),
        ([(0, 0, 0, 2)], "polarity must be 0 to 1, but event 0 has 2"),
    ],
)
def test_events_that_no_camera_gives_are_refused_in_one_line(
    rows: list[tuple[int, int, int, int]], says: str
) -> None:
    with pytest.raises(DataError, match=f"^made.bin: .*{says}") as raised:
        events(rows)
    assert "\n" not in str(raised.value)


def test_events_at_the_same_moment_and_at_the_corners_are_taken() -> None:
    assert len(events([(5, 0, 0, 0), (5, 5, 3, 1), (5, 5, 3, 1)])) == 3


def test_arrays_of_different_lengths_are_refused() -> None:
    two, one = np.zeros(2, dtype=np.int64), np.zeros(1, dtype=np.int64)
    with pytest.raises(DataError, match=r"equally long; got \[2, 2, 1, 2\]"):
        Events(two, two, one, two, shape=(1, 1), origin="made.bin")


@given(made=recordings, framing=st.sampled_from(FRAMINGS.names()))
def test_a_coarser_sensor_adds_the_counts_of_neighbours(made: Events, framing: str) -> None:
    fine = frames(made, n_steps=3, framing=framing)
    coarse = frames(subsampled(made, factor=2), n_steps=3, framing=framing)
    np.testing.assert_array_equal(coarse, fine.reshape(3, 2, 2, 2, 3, 2).sum(axis=(3, 5)))


@pytest.mark.parametrize("factor", [0, 3, 4])
def test_a_factor_that_does_not_divide_the_sensor_is_refused(factor: int) -> None:
    with pytest.raises(ValueError, match=f"factor must divide a sensor of 4 x 6; got {factor}"):
        subsampled(events([(0, 0, 0, 0)]), factor=factor)


def test_windows_follow_each_other_and_leave_out_the_rest() -> None:
    made = events([(t, 0, 0, 0) for t in (7, 8, 16, 17, 26, 27, 36, 40)])
    assert [window.t.tolist() for window in windows(made, length_us=10)] == [[7, 8, 16], [17, 26], [27, 36]]


def test_a_pause_in_a_recording_makes_no_window() -> None:
    recording = events([(0, 0, 0, 0), (5, 0, 0, 0), (25, 0, 0, 0), (30, 0, 0, 0)])
    assert [window.t.tolist() for window in windows(recording, length_us=10)] == [[0, 5], [25]]


def test_a_recording_shorter_than_a_window_has_none() -> None:
    assert windows(events([(0, 0, 0, 0), (9, 0, 0, 0)]), length_us=10) == []
