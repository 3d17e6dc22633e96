"""What every test shares: one thread, reproducible examples, and the real data where they are to be had."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parents[1]
UNPACK = REPOSITORY.parent / "shared" / "data" / "unpack.py"
ORACLES = REPOSITORY.parent / "shared" / "oracles"
FASHION_MNIST_ROOTS = (
    REPOSITORY.parent / "shared" / "data",
    REPOSITORY / "data",
    Path("/usr/share/datasets"),
)
"""The last is where Debian's package dataset-fashion-mnist puts it."""
SPIKENAS_BENCH = REPOSITORY.parent / "shared" / "data" / "spikenas-bench" / "cifar10_dev.csv"

# Set before anything imports torch or NumPy's BLAS, and inherited by the processes that tests start.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

settings.register_profile("reproducible", derandomize=True, deadline=None)
settings.load_profile("reproducible")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """One torch thread for every test, whatever the test before it set; torch is not imported for that."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def cifar10_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data root that holds the genuine CIFAR-10, unpacked once; the test is skipped where that cannot be.

    With EVONAS_REQUIRE_REAL_DATA=1 it fails instead of being skipped.
    """
    _need(_why_not("CIFAR-10") or _why_no_pillow())
    yield from _unpacked("cifar10", factory=tmp_path_factory)


@pytest.fixture(scope="session")
def event_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data root that holds 1,100 genuine N-MNIST recordings and the DVS128 objects, as `cifar10_root` does."""
    _need(_why_not("event recordings"))
    yield from _unpacked("nmnist", "dvs128", factory=tmp_path_factory)


@pytest.fixture(scope="session")
def fashion_mnist_root() -> Path:
    """A data root that holds all of the genuine Fashion-MNIST, plain or gzipped; the test is skipped without one.

    It does not fail with EVONAS_REQUIRE_REAL_DATA=1, which speaks of the shared data: those need not hold this set.
    """
    for root in FASHION_MNIST_ROOTS:
        files = (root / "fashion-mnist").glob("*-idx[13]-ubyte*")
        if len({path.name.removesuffix(".gz") for path in files}) == 4:
            return root
    where = ", ".join(str(root / "fashion-mnist") for root in FASHION_MNIST_ROOTS)
    pytest.skip(f"real Fashion-MNIST needed: its four files are in none of {where}")


@pytest.fixture(scope="session")
def oracles() -> Path:
    """The folder of the reference values; where it is missing the test is skipped, or fails as for `cifar10_root`."""
    _need("" if ORACLES.is_dir() else f"reference values needed: {ORACLES} is missing")
    return ORACLES


@pytest.fixture(scope="session")
def spikenas_bench() -> Path:
    """The table of SpikeNAS-Bench for CIFAR10; where it is missing it goes as with `oracles`."""
    _need("" if SPIKENAS_BENCH.is_file() else f"benchmark table needed: {SPIKENAS_BENCH} is missing")
    return SPIKENAS_BENCH


def _need(reason: str) -> None:
    """Skip the test for `reason`, if there is one; with EVONAS_REQUIRE_REAL_DATA=1 let it fail."""
    if reason and os.environ.get("EVONAS_REQUIRE_REAL_DATA") == "1":
        pytest.fail(f"{reason}, and EVONAS_REQUIRE_REAL_DATA=1 forbids to skip")
    if reason:
        pytest.skip(reason)


def _why_not(what: str) -> str:
    return "" if UNPACK.is_file() else f"real {what} needed: {UNPACK} is missing"


def _why_no_pillow() -> str:
    missing = importlib.util.find_spec("PIL") is None
    return f"real CIFAR-10 needed: Pillow is missing, which {UNPACK} uses" if missing else ""


def _unpacked(*names: str, factory: pytest.TempPathFactory) -> Iterator[Path]:
    base = factory.getbasetemp()
    is_parallel = "PYTEST_XDIST_WORKER" in os.environ
    # The workers of a parallel run share the folder above their own; there the data are unpacked once.
    root = (base.parent if is_parallel else base) / f"real-{'-'.join(names)}"
    root.mkdir(exist_ok=True)
    with (root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / "whole").exists():
            subprocess.run([sys.executable, str(UNPACK), str(root), *names], check=True)
            (root / "whole").touch()
    yield root
    if not is_parallel:
        shutil.rmtree(root)  # pytest keeps the folders of the last three runs, and CIFAR-10 is 180 MB
