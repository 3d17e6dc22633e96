"""A worker must not outlive its driver, even one that was killed without a word."""

from __future__ import annotations

import os
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path

INTERVAL_S = 0.5


@dataclass(frozen=True)
class Process:
    """A process, told apart from a later one with the same number by when it started (clock ticks since boot)."""

    host: str
    pid: int
    started: str


def this_process() -> Process:
    """The calling process."""
    return Process(socket.gethostname(), os.getpid(), _started(os.getpid()))


def exit_with(driver: Process) -> None:
    """End the calling process soon after `driver` has gone, from a thread of its own.

    On another host, and where there is no /proc, this does nothing: there Ray notices that the driver is gone.
    """
    if driver.host != socket.gethostname() or not driver.started:
        return

    def watch() -> None:
        while _started(driver.pid) == driver.started:
            time.sleep(INTERVAL_S)
        os._exit(1)

    threading.Thread(target=watch, name="driver-watchdog", daemon=True).start()


def _started(pid: int) -> str:
    """Start time of a process that runs, else an empty text; a zombie does not run."""
    try:
        # The name in the second field may hold blanks and brackets; the numbers follow its last bracket.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]
