"""A run on a Ray cluster of two nodes, both on this machine, one of which is lost on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import evonas

SMALL = (
    *("--dataset", "digits", "--population", "6", "--generations", "2"),
    *("--set", "training.elites=0", "--set", "evaluation.batch=16"),
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]

Same = Callable[[Path, Path], None]
Rows = Callable[[Path], list[bytes]]

# A cluster in a process of its own, so that nothing of Ray is loaded here. It tells its address and the start of each
# node's id on a line of JSON, loses its second node at the word "lose" and ends when its input does.
CLUSTER = """
import json, os, sys
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
from ray.cluster_utils import Cluster

n_cpus = int(sys.argv[1])
store = 100 * 2**20
cluster = Cluster(initialize_head=True, head_node_args=dict(num_cpus=n_cpus, object_store_memory=store,
                                                            include_dashboard=False))
second = cluster.add_node(num_cpus=n_cpus, object_store_memory=store)
cluster.wait_for_nodes()
print(json.dumps([cluster.address, *(node.node_id[:12] for node in (cluster.head_node, second))]), flush=True)
for word in sys.stdin:
    cluster.remove_node(second, allow_graceful=False)
    print("lost", flush=True)
cluster.shutdown()
"""


class Nodes:
    """Two nodes, and the address at which they are joined."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        self.address, self.head, self.second = json.loads(process.stdout.readline())

    def lose_one(self) -> None:
        """Kill the second node with everything that runs on it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("lose\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "lost\n"


@pytest.fixture
def cluster() -> Iterator[Callable[[int], Nodes]]:
    """Start two nodes of so many processors each; ended, whatever happened, after the test."""
    processes: list[subprocess.Popen[str]] = []

    def make(n_cpus: int) -> Nodes:
        process = subprocess.Popen(
            [sys.executable, "-c", CLUSTER, str(n_cpus)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        return Nodes(process)

    yield make
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def nodes_of(run_dir: Path) -> set[str]:
    return {name.partition("/")[0] for name in evonas.load_run(run_dir).evaluations()["worker"] if name}


def test_workers_on_both_nodes_of_a_cluster_find_the_same(
    run_command: Any, cluster: Callable[[int], Nodes], whole: Path, tmp_path: Path, assert_same: Same
) -> None:
    nodes = cluster(1)  # one processor each, so that two workers must be on both
    run_dir = tmp_path / "run"
    code, _, errors = run_command(
        *("evolve", *SMALL, "--workers", 2, "--address", nodes.address, "--run-dir", run_dir)
    )
    assert (code, errors) == (0, "")
    assert nodes_of(run_dir) == {nodes.head, nodes.second}
    assert_same(run_dir, whole)


def test_a_node_that_is_lost_on_the_way_changes_nothing_where_others_have_room(
    start: Any, cluster: Callable[[int], Nodes], whole: Path, tmp_path: Path, rows: Rows, assert_same: Same
) -> None:
    nodes = cluster(2)
    run_dir = tmp_path / "run"
    # Three workers on nodes of two processors: both nodes have some, and two processors remain when one is lost.
    command = start("evolve", *SMALL, "--workers", 3, "--address", nodes.address, "--run-dir", run_dir)
    command.wait_for(lambda: len(rows(run_dir)) >= 2, what="row 2")
    nodes.lose_one()
    assert len(rows(run_dir)) < 18
    code, _, errors = command.finish()
    assert (code, errors) == (0, "")
    assert_same(run_dir, whole)


def test_a_run_goes_on_with_the_workers_that_are_left_when_there_is_no_room_for_a_new_one(
    start: Any, cluster: Callable[[int], Nodes], tmp_path: Path, rows: Rows
) -> None:
    nodes = cluster(1)
    run_dir = tmp_path / "run"
    # The time that a worker may take to start is cut short, so that the test need not wait minutes for it to be over,
    # and the run is made long enough to go beyond it.
    code = (
        "import sys, evonas.evaluation.ray_workers as ray_workers; ray_workers.START_TIMEOUT_S = 20.0;"
        "from evonas.cli import main; sys.exit(main())"
    )
    command = start(
        *(
            "evolve",
            *SMALL,
            "--generations",
            60,
            "--workers",
            2,
            "--address",
            nodes.address,
            "--run-dir",
            run_dir,
        ),
        line=[sys.executable, "-c", code],
    )
    command.wait_for(lambda: len(rows(run_dir)) >= 2, what="row 2")
    nodes.lose_one()
    n_rows = len(rows(run_dir))
    until = time.monotonic() + 40.0
    while command.process.poll() is None and time.monotonic() < until:
        time.sleep(0.5)
    if command.process.poll() is None:
        assert len(rows(run_dir)) > n_rows
        return
    code_, _, errors = command.finish()
    assert (code_, errors) == (0, "")


def test_more_workers_than_the_cluster_has_processors_are_refused_and_nothing_is_made(
    run_command: Any, cluster: Callable[[int], Nodes], tmp_path: Path
) -> None:
    nodes = cluster(1)
    run_dir = tmp_path / "run"
    code, _, errors = run_command(
        *("evolve", *SMALL, "--workers", 5, "--address", nodes.address, "--run-dir", run_dir)
    )
    assert code == 2
    assert len(errors.splitlines()) == 1, errors
    assert "evaluation.workers" in errors
    assert not (run_dir / "config.json").exists()
