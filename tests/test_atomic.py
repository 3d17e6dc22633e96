from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

from evonas.atomic import atomic_write


def test_the_content_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"one", b"", b"three"):
        atomic_write(path, content)
        assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_the_file_has_the_mode_that_open_would_give_it(tmp_path: Path) -> None:
    atomic_write(tmp_path / "atomic", b"")
    (tmp_path / "plain").touch()
    modes = {stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in ("atomic", "plain")}
    assert len(modes) == 1


def test_a_full_disk_leaves_the_old_file_and_no_leftover(tmp_path: Path) -> None:
    script = """
import resource, sys
from pathlib import Path
from evonas.atomic import atomic_write
path = Path(sys.argv[1])
atomic_write(path, b"old")
resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))
try:
    atomic_write(path, b"n" * 4096)
except OSError:
    print("stopped")
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "file")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "stopped\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"
