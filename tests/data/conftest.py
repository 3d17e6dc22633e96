"""A small CIFAR-10 in the genuine formats, and a web server to fetch it from."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import socket
import struct
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from evonas.data.cifar10 import Published
from evonas.data.download import Archive

NAMES = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
IMAGES_PER_FILE = 30


def python2_batch(rows: np.ndarray, labels: list[int]) -> bytes:
    """A batch as Python 2 and NumPy 1 wrote it: protocol 2, byte strings, the old module names."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n"
        + (number(0) + b"\x85" + text(b"b") + b"tR")
        + (b"(" + number(1) + number(rows.shape[0]) + number(rows.shape[1]) + b"\x86")
        + (b"cnumpy\ndtype\n(" + text(b"u1") + number(0) + number(1) + b"tR")
        + (b"(" + number(3) + text(b"|") + b"NNN" + number(-1) + number(-1) + number(0) + b"tb\x89")
        + (b"T" + struct.pack("<i", rows.size) + rows.tobytes() + b"tb")
    )
    listed = b"](" + b"".join(number(label) for label in labels) + b"e"
    return b"\x80\x02}(" + text(b"labels") + listed + text(b"data") + array + b"u."


@dataclass(frozen=True)
class SmallCifar10:
    """Random images, 3 of each class in each file, as every published file would hold them."""

    rows: dict[str, np.ndarray]
    labels: dict[str, list[int]]

    @property
    def python_files(self) -> dict[str, bytes]:
        return {name: python2_batch(self.rows[name], self.labels[name]) for name in NAMES}

    @property
    def binary_files(self) -> dict[str, bytes]:
        return {
            f"{name}.bin": np.column_stack(
                [np.array(self.labels[name], dtype=np.uint8)[:, None], self.rows[name]]
            ).tobytes()
            for name in NAMES
        }

    @property
    def packed(self) -> bytes:
        folder = "cifar-10-batches-py"
        return tar_gz({f"{folder}/{name}": content for name, content in self.python_files.items()})

    def published(self, *, url: str, packed: bytes | None = None) -> Published:
        md5 = hashlib.md5(self.packed if packed is None else packed).hexdigest()
        files = {name: hashlib.md5(content).hexdigest() for name, content in self.python_files.items()}
        return Published(Archive(url, md5, "cifar-10-batches-py", files), images_per_file=IMAGES_PER_FILE)

    def write_python(self, root: Path) -> Path:
        return write_files(root / "cifar-10-batches-py", self.python_files)

    def write_binary(self, root: Path) -> Path:
        return write_files(root / "cifar-10-batches-bin", self.binary_files)


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def tar_gz(files: dict[str, bytes], *, links: dict[str, str] | None = None) -> bytes:
    """A gzipped tar file with these members; the same bytes for the same files."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    return gzip.compress(raw.getvalue(), mtime=0, compresslevel=1)


@pytest.fixture(scope="session")
def small_cifar10() -> SmallCifar10:
    rng = np.random.default_rng(10)
    return SmallCifar10(
        rows={name: rng.integers(0, 256, (IMAGES_PER_FILE, 3072), dtype=np.uint8) for name in NAMES},
        labels={name: rng.permutation(np.arange(IMAGES_PER_FILE) % 10).tolist() for name in NAMES},
    )


@pytest.fixture(scope="session")
def make_tar_gz() -> Callable[..., bytes]:
    return tar_gz


@pytest.fixture
def dead_url() -> str:
    """An address at which nothing answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    return f"http://127.0.0.1:{port}/cifar-10-python.tar.gz"


@dataclass(frozen=True)
class _Served:
    content: bytes
    announced: int
    stalls_after: int | None


class WebServer:
    """A web server on this machine; `requests` counts what it was asked for."""

    def __init__(self) -> None:
        self.requests = 0
        self.released = threading.Event()
        self._served: _Served | None = None
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests += 1
                served = outer._served
                if served is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(served.announced))
                self.end_headers()
                self.wfile.write(served.content[: served.stalls_after])
                if served.stalls_after is not None:
                    self.wfile.flush()
                    outer.released.wait(60)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False  # so that closing waits for every answer to end
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/cifar-10-python.tar.gz"

    def serve(self, content: bytes, *, announced: int | None = None, stalls_after: int | None = None) -> str:
        """Answer every request with `content` from now on; returns the address."""
        self._served = _Served(content, len(content) if announced is None else announced, stalls_after)
        return self.url

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def web_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = WebServer()
    yield server
    server.close()


@pytest.fixture
def published_offline(small_cifar10: SmallCifar10, dead_url: str) -> Published:
    """The small CIFAR-10 as it would be published where no network leads to it."""
    return small_cifar10.published(url=dead_url)
