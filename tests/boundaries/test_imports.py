from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "ray", "pandas", "scipy", "sklearn")

PROBE = """
import contextlib, io, sys
{action}
print(*sorted({{name.partition(".")[0] for name in sys.modules}} & set({heavy!r})))
"""

HELP = """
from evonas.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    assert main({arguments!r}) == 0
"""


def heavy_after(action: str) -> str:
    script = PROBE.format(action=action, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_probe_sees_a_heavy_import() -> None:
    assert heavy_after("import scipy") == "scipy"


@pytest.mark.parametrize("module", ["evonas", "evonas.cli", "evonas.runs.config", "genomes"])
def test_importing_what_every_command_imports_loads_nothing_heavy(module: str) -> None:
    assert heavy_after(f"import {module}") == ""


@pytest.mark.parametrize(
    "arguments", [["--help"], ["evolve", "--help"], ["train", "--help"], ["rank", "--help"], ["--version"]]
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    assert heavy_after(HELP.format(arguments=arguments)) == ""


def test_a_run_waits_for_neither_ray_nor_what_only_ranking_needs() -> None:
    assert heavy_after("import evonas.pipeline") == "torch"
