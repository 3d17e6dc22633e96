"""Freed memory is kept."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import resource
import torch
from evonas.allocation import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.ones(16 * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

first = faults()
keep_freed_memory()
for _ in range(4):  # until the heap has grown
    faults()
print(first, faults())
"""


def test_tensors_of_a_size_that_was_freed_before_cause_no_page_faults() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert after < before / 20
