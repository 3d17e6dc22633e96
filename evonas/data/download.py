"""What is published as archives or single files: fetched once, checked, and no partial file taken for a whole one."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from evonas.data.dataset import Report
from evonas.errors import DataMissingError

TIMEOUT_S = 30.0
"""Without a byte for this long, the other side counts as gone."""
REPORT_S = 2.0
_BLOCK = 1 << 18


@dataclass(frozen=True)
class Archive:
    """A gzipped tar file that holds one folder of data files, as published."""

    url: str
    md5: str
    folder: str
    files: Mapping[str, str]
    """File name in the folder to md5."""


@dataclass(frozen=True)
class SingleFiles:
    """Data files that are published one by one and kept as they come."""

    url: str
    """That of a file without its name."""
    folder: str
    files: Mapping[str, str]
    """File name to md5."""
    elsewhere: str
    """Where else they are to be had: what to do, for a person whose download failed."""


class _Unusable(Exception):
    """The transfer ended without what was asked for."""


_FAILURES = (
    OSError,
    ValueError,
    EOFError,
    http.client.HTTPException,
    tarfile.TarError,
    zlib.error,
    _Unusable,
)
"""What no network, a malformed address, a full disk or a damaged archive raise."""


def fetch(source: Archive | SingleFiles, *, root: Path, report: Report) -> None:
    """Put the files of `source` that are not there yet into ``root/folder``, each one whole or not at all.

    Files that are there are left alone, whatever they hold.

    Raises:
        DataMissingError: it cannot be had; one line with the reason, the folder and the files expected.
    """
    folder = root / source.folder
    try:
        root.mkdir(parents=True, exist_ok=True)
        # Beside the final place, because a file can be renamed in one step only within one file system.
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=root) as staging:
            _stage(source, to=Path(staging), report=report)
            folder.mkdir(exist_ok=True)
            for name in source.files:
                if not (folder / name).exists():
                    (Path(staging) / name).rename(folder / name)
    except _FAILURES as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        if isinstance(source, Archive):
            remedy = f"download and unpack it in {root}"
        else:
            remedy = f"download them to {folder}, {source.elsewhere}"
        raise DataMissingError(
            f"{folder} lacks files of {source.url}, which could not be downloaded ({reason}); "
            f"{remedy}, or name another folder as data.root; "
            f"files expected in {folder}: {', '.join(sorted(source.files))}"
        ) from None
    report(f"{folder}: {len(source.files)} files, md5 as published")


def md5_of(path: Path) -> str:
    """The md5 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _stage(source: Archive | SingleFiles, *, to: Path, report: Report) -> None:
    """Put all files of `source` into `to`, checked."""
    if isinstance(source, Archive):
        packed = to / "archive"
        _transfer(source.url, md5=source.md5, to=packed, report=report)
        _unpack(packed, archive=source, to=to)
    else:
        for name, md5 in source.files.items():
            _transfer(source.url + name, md5=md5, to=to / name, report=report)


def _transfer(url: str, *, md5: str, to: Path, report: Report) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    received, started = 0, time.monotonic()
    last_report = started
    with _open(url) as response, to.open("wb") as file:
        expected = _content_length(response.headers.get("Content-Length"))
        report(f"downloading {url}{_of(expected)}")
        while block := response.read(_BLOCK):
            file.write(block)
            digest.update(block)
            received += len(block)
            now = time.monotonic()
            if now - last_report >= REPORT_S:
                last_report = now
                report(_progress(received, expected=expected, seconds=now - started))
    if expected is not None and received != expected:
        raise _Unusable(f"the connection ended after {received} of {expected} bytes")
    if digest.hexdigest() != md5:
        raise _Unusable(f"{received} bytes came with md5 {digest.hexdigest()}, where {md5} is expected")
    report(_progress(received, expected=expected, seconds=time.monotonic() - started))


def _open(url: str) -> http.client.HTTPResponse:
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(url, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        with error:  # it holds the connection
            raise _Unusable(f"the server answered {error.code} {error.reason}") from None
    return response


def _content_length(header: str | None) -> int | None:
    return int(header) if header is not None and header.isdigit() else None


def _of(expected: int | None) -> str:
    return "" if expected is None else f" ({expected / 1e6:.1f} MB)"


def _progress(received: int, *, expected: int | None, seconds: float) -> str:
    share = "" if not expected else f" of {expected / 1e6:.1f} MB, {100 * received // expected} %"
    rate = received / 1e6 / max(seconds, 1e-3)
    return f"downloaded {received / 1e6:.1f} MB{share}, {rate:.1f} MB/s"


def _unpack(packed: Path, *, archive: Archive, to: Path) -> None:
    """Write the listed files of the archive into `to`, and nothing else, whatever paths and links it holds."""
    wanted = {PurePosixPath(archive.folder, name): name for name in archive.files}
    with tarfile.open(packed, "r:gz") as tar:
        for member in tar:
            name = wanted.get(PurePosixPath(member.name))
            content = tar.extractfile(member) if name is not None and member.isreg() else None
            if name is not None and content is not None:
                _write(content, to=to / name)
    for name, md5 in archive.files.items():
        if not (to / name).is_file():
            raise _Unusable(f"the archive holds no {archive.folder}/{name}")
        if md5_of(to / name) != md5:
            raise _Unusable(f"{archive.folder}/{name} in the archive differs from the published file")


def _write(content: IO[bytes], *, to: Path) -> None:
    with content, to.open("wb") as file:
        shutil.copyfileobj(content, file, _BLOCK)
