from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evonas.data.cifar10 import Published, read_cifar10
from evonas.data.download import md5_of
from evonas.errors import DataMissingError

FOLDER = "cifar-10-batches-py"
IN_A_PROCESS = """
import json, resource, sys
from pathlib import Path
from evonas.data.cifar10 import Published, read_cifar10
from evonas.data.download import Archive
from evonas.errors import DataMissingError
root, archive, images_per_file, largest_file = json.loads(sys.argv[1])
if largest_file:
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
published = Published(Archive(**archive), images_per_file)
try:
    read_cifar10(Path(root), report=lambda line: print(line, flush=True), published=published)
except DataMissingError as error:
    print("refused:", error)
"""


def arguments(root: Path, published: Published, *, largest_file: int = 0) -> list[str]:
    archive = {**vars(published.archive), "files": dict(published.archive.files)}
    values = json.dumps([str(root), archive, published.images_per_file, largest_file])
    return [sys.executable, "-c", IN_A_PROCESS, values]


def read(root: Path, published: Published, *, lines: list[str] | None = None) -> None:
    read_cifar10(root, report=(lines if lines is not None else []).append, published=published)


def refusal(root: Path, published: Published) -> str:
    with pytest.raises(DataMissingError) as raised:
        read(root, published)
    message = str(raised.value)
    assert "\n" not in message
    assert str(root / FOLDER) in message
    return message


def test_a_missing_data_set_is_downloaded_and_read(
    tmp_path: Path, small_cifar10: Any, web_server: Any
) -> None:
    published = small_cifar10.published(url=web_server.serve(small_cifar10.packed))
    root = tmp_path / "not" / "there" / "yet"
    read(root, published)
    assert [path.name for path in root.iterdir()] == [FOLDER]
    assert {path.name: md5_of(path) for path in (root / FOLDER).iterdir()} == published.archive.files


def test_what_was_downloaded_is_not_asked_for_again(
    tmp_path: Path, small_cifar10: Any, web_server: Any
) -> None:
    published = small_cifar10.published(url=web_server.serve(small_cifar10.packed))
    read(tmp_path, published)
    read(tmp_path, published)
    assert web_server.requests == 1


def test_a_download_tells_how_far_it_is(tmp_path: Path, small_cifar10: Any, web_server: Any) -> None:
    published = small_cifar10.published(url=web_server.serve(small_cifar10.packed))
    lines: list[str] = []
    read(tmp_path, published, lines=lines)
    megabytes = f"{len(small_cifar10.packed) / 1e6:.1f} MB"
    assert lines[0] == f"downloading {web_server.url} ({megabytes})"
    assert f"downloaded {megabytes} of {megabytes}, 100 %, " in lines[-2]
    assert lines[-1] == f"{tmp_path / FOLDER}: 6 files, md5 as published"


def test_only_the_lost_file_is_replaced(tmp_path: Path, small_cifar10: Any, web_server: Any) -> None:
    published = small_cifar10.published(url=web_server.serve(small_cifar10.packed))
    folder = small_cifar10.write_python(tmp_path)
    (folder / "data_batch_3").unlink()
    before = {path.name: path.stat().st_ino for path in folder.iterdir()}
    read(tmp_path, published)
    after = {path.name: path.stat().st_ino for path in folder.iterdir()}
    assert after.items() > before.items()
    assert set(after) == set(published.archive.files)


def test_an_archive_with_another_md5_is_refused_and_nothing_is_kept(
    tmp_path: Path, small_cifar10: Any, web_server: Any
) -> None:
    altered = bytearray(small_cifar10.packed)
    altered[len(altered) // 2] ^= 1
    published = small_cifar10.published(url=web_server.serve(bytes(altered)))
    message = refusal(tmp_path, published)
    assert hashlib.md5(altered).hexdigest() in message
    assert published.archive.md5 in message
    assert list(tmp_path.iterdir()) == []


def test_a_connection_that_breaks_off_leaves_nothing(
    tmp_path: Path, small_cifar10: Any, web_server: Any
) -> None:
    packed = small_cifar10.packed
    url = web_server.serve(packed[:-500], announced=len(packed))
    message = refusal(tmp_path, small_cifar10.published(url=url))
    assert f"the connection ended after {len(packed) - 500} of {len(packed)} bytes" in message
    assert list(tmp_path.iterdir()) == []


def test_an_address_that_is_not_found_is_said_so(tmp_path: Path, small_cifar10: Any, web_server: Any) -> None:
    assert "404" in refusal(tmp_path, small_cifar10.published(url=web_server.url))


@pytest.mark.parametrize("url", ["nonsense", "gopher://127.0.0.1/", "http://[::1/"])
def test_an_impossible_address_is_refused_in_one_line(tmp_path: Path, small_cifar10: Any, url: str) -> None:
    refusal(tmp_path, small_cifar10.published(url=url))


def test_a_root_that_is_a_file_is_refused_in_one_line(
    tmp_path: Path, small_cifar10: Any, web_server: Any
) -> None:
    root = tmp_path / "data"
    root.write_text("mine")
    assert "File exists" in refusal(root, small_cifar10.published(url=web_server.serve(small_cifar10.packed)))
    assert root.read_text() == "mine"


def test_an_archive_that_lacks_a_file_is_refused(
    tmp_path: Path, small_cifar10: Any, web_server: Any, make_tar_gz: Callable[..., bytes]
) -> None:
    files = {f"{FOLDER}/{name}": content for name, content in small_cifar10.python_files.items()}
    del files[f"{FOLDER}/data_batch_5"]
    packed = make_tar_gz(files)
    published = small_cifar10.published(url=web_server.serve(packed), packed=packed)
    assert f"the archive holds no {FOLDER}/data_batch_5" in refusal(tmp_path, published)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_differs_inside_an_archive_is_refused(
    tmp_path: Path, small_cifar10: Any, web_server: Any, make_tar_gz: Callable[..., bytes]
) -> None:
    files = {f"{FOLDER}/{name}": content for name, content in small_cifar10.python_files.items()}
    files[f"{FOLDER}/test_batch"] += b"\0"
    packed = make_tar_gz(files)
    published = small_cifar10.published(url=web_server.serve(packed), packed=packed)
    assert f"{FOLDER}/test_batch in the archive differs" in refusal(tmp_path, published)


def test_an_archive_cannot_write_outside_its_folder(
    tmp_path: Path, small_cifar10: Any, web_server: Any, make_tar_gz: Callable[..., bytes]
) -> None:
    root = tmp_path / "root"
    files = {f"{FOLDER}/{name}": content for name, content in small_cifar10.python_files.items()}
    harmful = {"../escaped": b"x", str(tmp_path / "absolute"): b"x", f"{FOLDER}/../../up": b"x", "more": b"x"}
    packed = make_tar_gz({**harmful, **files})
    read(root, small_cifar10.published(url=web_server.serve(packed), packed=packed))
    assert [path.name for path in tmp_path.iterdir()] == ["root"]
    assert [path.name for path in root.iterdir()] == [FOLDER]
    assert len(list((root / FOLDER).iterdir())) == 6


def test_a_link_in_an_archive_is_not_followed(
    tmp_path: Path, small_cifar10: Any, web_server: Any, make_tar_gz: Callable[..., bytes]
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(small_cifar10.python_files["test_batch"])
    files = {f"{FOLDER}/{name}": content for name, content in small_cifar10.python_files.items()}
    del files[f"{FOLDER}/test_batch"]
    packed = make_tar_gz(files, links={f"{FOLDER}/test_batch": str(secret)})
    published = small_cifar10.published(url=web_server.serve(packed), packed=packed)
    assert f"the archive holds no {FOLDER}/test_batch" in refusal(tmp_path / "root", published)


@pytest.mark.parametrize("content", [b"<html>sign in first</html>", b"", b"\x1f\x8b\x08\x00cut"])
def test_an_answer_that_is_no_archive_is_refused_even_if_its_md5_were_right(
    tmp_path: Path, small_cifar10: Any, web_server: Any, content: bytes
) -> None:
    refusal(tmp_path, small_cifar10.published(url=web_server.serve(content), packed=content))
    assert list(tmp_path.iterdir()) == []


def test_a_process_killed_during_a_download_leaves_nothing_that_passes_for_data(
    tmp_path: Path, small_cifar10: Any, web_server: Any
) -> None:
    packed = small_cifar10.packed
    published = small_cifar10.published(url=web_server.serve(packed, stalls_after=len(packed) - 10))
    with subprocess.Popen(arguments(tmp_path, published), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("downloading")
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / FOLDER).exists()
    web_server.serve(packed)
    read(tmp_path, published)
    assert len(list((tmp_path / FOLDER).iterdir())) == 6


def test_a_full_disk_ends_a_download_with_one_line_and_leaves_nothing(
    tmp_path: Path, small_cifar10: Any, web_server: Any
) -> None:
    published = small_cifar10.published(url=web_server.serve(small_cifar10.packed))
    limited = arguments(tmp_path, published, largest_file=1 << 16)
    ran = subprocess.run(limited, capture_output=True, text=True, check=True)
    assert "File too large" in ran.stdout.splitlines()[-1]
    assert ran.stdout.splitlines()[-1].startswith("refused: ")
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_falls_silent_is_given_up(
    tmp_path: Path, small_cifar10: Any, web_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evonas.data.download.TIMEOUT_S", 0.2)
    url = web_server.serve(small_cifar10.packed, stalls_after=100)
    assert "timed out" in refusal(tmp_path, small_cifar10.published(url=url))
    assert list(tmp_path.iterdir()) == []


def test_a_whole_data_set_needs_no_network(tmp_path: Path, small_cifar10: Any, dead_url: str) -> None:
    published = small_cifar10.published(url=dead_url)
    small_cifar10.write_python(tmp_path)
    read(tmp_path, replace(published, archive=replace(published.archive, md5="never looked at")))
