from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evonas.evaluation.watchdog import INTERVAL_S, Process, exit_with, this_process

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="/proc is needed, which Linux has"
)

WORKER = """
import sys, time
from evonas.evaluation.watchdog import Process, exit_with
host, pid, started = sys.argv[1:]
exit_with(Process(host, int(pid), started))
print("watching", flush=True)
time.sleep(60)
"""

DRIVER = f"""
import os, subprocess, sys, time
from evonas.evaluation.watchdog import this_process
me = this_process()
worker = subprocess.Popen(
    [sys.executable, "-c", {WORKER!r}, me.host, str(me.pid), me.started], stdout=subprocess.PIPE, text=True
)
print(worker.pid, worker.stdout.readline().strip(), flush=True)
time.sleep(60)
"""


def runs(pid: int) -> bool:
    """Whether a process runs; one that has ended but was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone_within(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not runs(pid):
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def pair() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A driver process and the number of its worker, which watches it."""
    driver = subprocess.Popen([sys.executable, "-c", DRIVER], stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    number, word = driver.stdout.readline().split()
    assert word == "watching"
    worker = int(number)
    try:
        yield driver, worker
    finally:
        driver.kill()
        driver.wait()
        driver.stdout.close()
        if runs(worker):
            os.kill(worker, signal.SIGKILL)


def test_a_worker_leaves_when_its_driver_is_killed_without_a_word(
    pair: tuple[subprocess.Popen[str], int],
) -> None:
    driver, worker = pair
    time.sleep(3 * INTERVAL_S)
    assert runs(worker)  # it stays as long as its driver does
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    assert gone_within(worker, 20)


def test_a_worker_leaves_though_nobody_has_waited_for_its_driver(
    pair: tuple[subprocess.Popen[str], int],
) -> None:
    driver, worker = pair
    os.kill(driver.pid, signal.SIGKILL)  # not waited for: the driver is a zombie until the test ends
    assert gone_within(worker, 20)


def test_a_later_process_with_the_number_of_the_driver_is_not_the_driver() -> None:
    me = this_process()
    impostor = replace(me, started=str(int(me.started) - 1))
    command = [sys.executable, "-c", WORKER, impostor.host, str(impostor.pid), impostor.started]
    assert subprocess.run(command, timeout=30, capture_output=True, check=False).returncode == 1


@pytest.mark.parametrize("elsewhere", [{"host": "another-host"}, {"started": ""}])
def test_a_driver_that_cannot_be_seen_is_not_watched(elsewhere: dict[str, str]) -> None:
    n_threads = threading.active_count()
    exit_with(replace(this_process(), **elsewhere))  # type: ignore[arg-type]
    assert threading.active_count() == n_threads


def test_a_process_knows_itself() -> None:
    me = this_process()
    assert me == this_process()
    assert me.pid == os.getpid()
    assert me.started.isdigit()
    assert isinstance(me, Process)
