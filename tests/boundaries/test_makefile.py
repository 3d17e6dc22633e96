from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = (
    "DATASET DATA_DIR SPACE POPULATION GENERATIONS WORKERS SEED RUN CSV ELITE EPOCHS DEVICE NAME SIZE TABLE "
    "PROXIES LIMIT PYTHON"
)


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    # A make that runs these tests hands its flags and variables down.
    inherited = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", *NAMES.split()}
    environment = {name: value for name, value in os.environ.items() if name not in inherited}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ("evolve", "evonas evolve"),
        ("evolve DATASET=cifar10", "evonas evolve --dataset 'cifar10'"),
        (
            "evolve DATASET=d POPULATION=1 GENERATIONS=2 WORKERS=3 SEED=4 RUN=r DATA_DIR=e SPACE=s",
            "evonas evolve --dataset 'd' --data-dir 'e' --space 's' --population '1' --generations '2' "
            "--workers '3' --seed '4' --run-dir 'r'",
        ),
        ("resume RUN=runs/x", "evonas resume 'runs/x'"),
        (
            "resume RUN=runs/x GENERATIONS=9 WORKERS=1",
            "evonas resume 'runs/x' --generations '9' --workers '1'",
        ),
        ("front RUN=runs/x", "evonas front 'runs/x'"),
        ("front RUN=runs/x CSV=f.csv", "evonas front 'runs/x' --csv 'f.csv'"),
        ("front RUN=runs/x FIGURE=f.png", "evonas front 'runs/x' --figure 'f.png'"),
        ("train RUN=runs/x", "evonas train 'runs/x'"),
        (
            "train RUN=runs/x ELITE=2 EPOCHS=3 DEVICE=cuda",
            "evonas train 'runs/x' --elite '2' --epochs '3' --device 'cuda'",
        ),
        ("experiment NAME=mse_nas_cifar10", "evonas experiment 'mse_nas_cifar10'"),
        (
            "experiment NAME=e SIZE=paper RUN=r DATA_DIR=d WORKERS=8 DEVICE=cuda",
            "evonas experiment 'e' --size 'paper' --run-dir 'r' --data-dir 'd' --workers '8' --device 'cuda'",
        ),
        ("rank TABLE=t.csv", "evonas rank 't.csv' --space 'spikenas_bench'"),
        (
            "rank TABLE=t SPACE=s PROXIES=a,b ONLY=c=1 DISTINCT=d COLUMNS=e DATASET=e LIMIT=3 WORKERS=2 DATA_DIR=d "
            "CSV=o.csv FIGURE=f.png RUN=r",
            "evonas rank 't' --space 's' --proxies 'a,b' --only 'c=1' --distinct 'd' --columns 'e' --dataset 'e' "
            "--data-dir 'd' --limit '3' --workers '2' --csv 'o.csv' --figure 'f.png' --run-dir 'r'",
        ),
    ],
)
def test_a_target_expands_to_one_command(arguments: str, command: str) -> None:
    done = make("-n", "-o", ".venv/.installed", *arguments.split())
    assert done.stderr == ""
    assert [line.removeprefix(".venv/bin/") for line in done.stdout.splitlines()] == [command]


@pytest.mark.parametrize("target", ["resume", "front", "train"])
def test_a_target_that_needs_a_run_says_how_to_name_it(target: str) -> None:
    done = make("-n", "-o", ".venv/.installed", target)
    assert done.returncode == 2
    assert f"make {target} RUN=runs/<name>" in done.stderr


def test_experiment_says_how_to_name_one() -> None:
    done = make("-n", "-o", ".venv/.installed", "experiment")
    assert done.returncode == 2
    assert "make experiment NAME=<one of: asa_events " in done.stderr


def test_rank_says_how_to_name_a_table() -> None:
    done = make("-n", "-o", ".venv/.installed", "rank")
    assert done.returncode == 2
    assert "say which table: make rank TABLE=" in done.stderr


def test_help_lists_every_target_of_the_contract() -> None:
    listed = {line.split()[1] for line in make("help").stdout.splitlines()}
    wanted = "evolve test resume front train experiment rank install lint test-slow bench clean help"
    assert set(wanted.split()) <= listed


def test_a_misspelt_variable_is_refused() -> None:
    done = make("-n", "evolve", "POPULATON=6")
    assert done.returncode == 2
    assert "unknown variable POPULATON; known: DATASET" in done.stderr
