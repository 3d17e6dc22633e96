from __future__ import annotations

import gzip
import hashlib
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evonas.data import load
from evonas.data.download import SingleFiles
from evonas.data.fashion_mnist import PUBLISHED, Published, read_fashion_mnist
from evonas.data.loading import assemble
from evonas.errors import DataError, DataMissingError

N_TRAIN, N_TEST = 40, 20
FOLDER = "fashion-mnist"
TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def silent(line: str) -> None:
    """A reporter of progress that keeps quiet."""


def idx(array: np.ndarray) -> bytes:
    """The bytes of an IDX file, written down independently of the reader."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    """Random images, as many of each class, in few."""
    rng = np.random.default_rng(28)
    made = {}
    for n, images, labels in ((N_TRAIN, TRAIN_IMAGES, TRAIN_LABELS), (N_TEST, TEST_IMAGES, TEST_LABELS)):
        made[images] = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        made[labels] = rng.permutation(np.arange(n) % 10).astype(np.uint8)
    return made


@pytest.fixture(scope="module")
def plain(arrays: dict[str, np.ndarray]) -> dict[str, bytes]:
    return {name: idx(array) for name, array in arrays.items()}


@pytest.fixture(scope="module")
def gzipped(plain: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in plain.items()}


@pytest.fixture
def published(tmp_path: Path, plain: dict[str, bytes], gzipped: dict[str, bytes]) -> Published:
    """The small files as they would be published in a folder of this machine, where nothing lies yet."""
    return Published(
        SingleFiles(
            (tmp_path / "site").as_uri() + "/",
            folder=FOLDER,
            files={name: hashlib.md5(content).hexdigest() for name, content in gzipped.items()},
            elsewhere="ask a friend",
        ),
        contents={name: hashlib.md5(content).hexdigest() for name, content in plain.items()},
        n_train=N_TRAIN,
        n_test=N_TEST,
    )


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def digest(root: Path, published: Published) -> str:
    parts = read_fashion_mnist(root, report=silent, published=published)
    return assemble(parts, name="fashion_mnist", origin="fashion_mnist").digest


def refusal(root: Path, published: Published) -> str:
    with pytest.raises(DataError) as raised:
        read_fashion_mnist(root, report=silent, published=published)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_idx_files_become_images_of_one_channel_with_their_labels(
    tmp_path: Path, arrays: dict[str, np.ndarray], plain: dict[str, bytes], published: Published
) -> None:
    write(tmp_path / FOLDER, plain)
    parts = read_fashion_mnist(tmp_path, report=silent, published=published)
    assert parts.train.inputs.shape == (N_TRAIN, 1, 28, 28)
    assert parts.train.inputs.dtype == np.uint8
    assert (parts.n_classes, parts.augment) == (10, True)
    for split, images, labels in (
        (parts.train, TRAIN_IMAGES, TRAIN_LABELS),
        (parts.test, TEST_IMAGES, TEST_LABELS),
    ):
        np.testing.assert_array_equal(split.inputs[:, 0], arrays[images])
        np.testing.assert_array_equal(split.labels, arrays[labels])


def test_gzipped_files_whatever_their_headers_hold_the_same_data_as_plain_ones(
    tmp_path: Path, plain: dict[str, bytes], published: Published
) -> None:
    write(tmp_path / "one" / FOLDER, plain)
    packed = {f"{name}.gz": gzip.compress(content, 1, mtime=1504176606) for name, content in plain.items()}
    write(tmp_path / "two" / FOLDER, packed)
    assert digest(tmp_path / "one", published) == digest(tmp_path / "two", published)


def test_plain_and_gzipped_files_serve_together_and_the_plain_one_comes_first(
    tmp_path: Path, plain: dict[str, bytes], gzipped: dict[str, bytes], published: Published
) -> None:
    folder = write(tmp_path / FOLDER, gzipped)
    write(folder, {TEST_LABELS: plain[TEST_LABELS], f"{TEST_LABELS}.gz": b"never looked at"})
    assert len(digest(tmp_path, published)) == 64


def test_missing_files_are_downloaded_once_and_read(
    tmp_path: Path, gzipped: dict[str, bytes], published: Published
) -> None:
    site = write(tmp_path / "site", gzipped)
    root, lines = tmp_path / "not" / "there", list[str]()
    read_fashion_mnist(root, report=lines.append, published=published)
    assert {path.name: path.read_bytes() for path in (root / FOLDER).iterdir()} == gzipped
    assert [path.name for path in root.iterdir()] == [FOLDER]
    assert lines[0].startswith(f"downloading {published.gzipped.url}{TRAIN_IMAGES}.gz (")
    assert lines[-1] == f"{root / FOLDER}: 4 files, md5 as published"
    for path in site.iterdir():
        path.unlink()
    assert len(digest(root, published)) == 64


def test_only_files_that_are_there_neither_plain_nor_gzipped_are_asked_for(
    tmp_path: Path, plain: dict[str, bytes], gzipped: dict[str, bytes], published: Published
) -> None:
    write(tmp_path / "site", {f"{TEST_IMAGES}.gz": gzipped[f"{TEST_IMAGES}.gz"]})
    folder = write(tmp_path / FOLDER, {name: plain[name] for name in (TRAIN_IMAGES, TRAIN_LABELS)})
    write(folder, {f"{TEST_LABELS}.gz": gzipped[f"{TEST_LABELS}.gz"]})
    assert len(digest(tmp_path, published)) == 64
    names = {TRAIN_IMAGES, TRAIN_LABELS, f"{TEST_IMAGES}.gz", f"{TEST_LABELS}.gz"}
    assert {path.name for path in folder.iterdir()} == names


def test_a_download_with_another_md5_is_refused_and_nothing_is_kept(
    tmp_path: Path, gzipped: dict[str, bytes], published: Published
) -> None:
    name = f"{TEST_LABELS}.gz"
    write(tmp_path / "site", {**gzipped, name: gzipped[name] + b"\0"})
    with pytest.raises(DataMissingError, match=f"where {published.gzipped.files[name]} is expected"):
        read_fashion_mnist(tmp_path / "root", report=silent, published=published)
    assert list((tmp_path / "root").iterdir()) == []


def test_without_files_and_network_one_line_says_what_is_expected_where_and_what_to_do(
    tmp_path: Path, plain: dict[str, bytes], published: Published
) -> None:
    folder = write(tmp_path / FOLDER, {TRAIN_IMAGES: plain[TRAIN_IMAGES]})
    with pytest.raises(DataMissingError) as raised:
        read_fashion_mnist(tmp_path, report=silent, published=published)
    message = str(raised.value)
    assert "\n" not in message
    assert f"download them to {folder}, ask a friend, or name another folder as data.root" in message
    expected = ", ".join(f"{name}.gz" for name in (TEST_IMAGES, TEST_LABELS, TRAIN_LABELS))
    assert message.endswith(f"files expected in {folder}: {expected}")


def test_every_published_file_has_an_md5_gzipped_and_unpacked() -> None:
    assert {f"{name}.gz" for name in PUBLISHED.contents} == set(PUBLISHED.gzipped.files)
    assert set(PUBLISHED.contents) == {TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS}
    md5s = [*PUBLISHED.contents.values(), *PUBLISHED.gzipped.files.values()]
    assert len(set(md5s)) == 8
    assert all(len(bytes.fromhex(md5)) == 16 for md5 in md5s)


@pytest.mark.parametrize("name", [TRAIN_IMAGES, TEST_LABELS])
@pytest.mark.parametrize("kept", [0, 3, 7, -1])
def test_a_cut_plain_file_is_named(
    tmp_path: Path, plain: dict[str, bytes], published: Published, name: str, kept: int
) -> None:
    path = write(tmp_path / FOLDER, {**plain, name: plain[name][:kept]}) / name
    message = refusal(tmp_path, published)
    assert message.startswith(f"{path}: ")
    assert message.endswith("delete it to have it downloaded again")


@pytest.mark.parametrize("kept", [0, 5, 100, -1])
def test_a_cut_gzipped_file_is_named(
    tmp_path: Path, gzipped: dict[str, bytes], published: Published, kept: int
) -> None:
    name = f"{TRAIN_IMAGES}.gz"
    path = write(tmp_path / FOLDER, {**gzipped, name: gzipped[name][:kept]}) / name
    assert refusal(tmp_path, published).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"<html>sign in first</html>", "no whole gzip file (Not a gzipped file"),
        (gzip.compress(b"<html>")[:-4], "no whole gzip file (Compressed file ended"),
        (gzip.compress(b"", mtime=0)[:10] + b"\xff" * 20, "no whole gzip file (Error -3"),
        (gzip.compress(b"<html>"), "not an IDX file of bytes in 3 dimensions: 3c68746d"),
    ],
)
def test_a_gzipped_file_that_is_none_or_holds_none_is_told_apart(
    tmp_path: Path, gzipped: dict[str, bytes], published: Published, content: bytes, says: str
) -> None:
    write(tmp_path / FOLDER, {**gzipped, f"{TEST_IMAGES}.gz": content})
    assert f"{TEST_IMAGES}.gz: " in refusal(tmp_path, published)
    assert says in refusal(tmp_path, published)


def test_exchanged_files_are_told_by_their_headers(
    tmp_path: Path, plain: dict[str, bytes], published: Published
) -> None:
    folder = write(tmp_path / FOLDER, {**plain, TRAIN_IMAGES: plain[TEST_IMAGES]})
    assert "its header says (20, 28, 28), where (40, 28, 28) is expected" in refusal(tmp_path, published)
    write(folder, {TRAIN_IMAGES: plain[TRAIN_LABELS]})
    assert "00000801 in place of 00000803" in refusal(tmp_path, published)


def test_files_of_another_data_set_of_that_shape_are_not_taken_for_it(
    tmp_path: Path, arrays: dict[str, np.ndarray], plain: dict[str, bytes], published: Published
) -> None:
    digits = idx(255 - arrays[TRAIN_IMAGES])
    write(tmp_path / FOLDER, {**plain, TRAIN_IMAGES: digits})
    message = refusal(tmp_path, published)
    assert "altered, or of another data set" in message
    assert hashlib.md5(digits).hexdigest() in message
    assert published.contents[TRAIN_IMAGES] in message


def test_a_folder_in_place_of_a_file_is_named(
    tmp_path: Path, gzipped: dict[str, bytes], published: Published
) -> None:
    write(tmp_path / "site", gzipped)
    write(tmp_path / FOLDER, gzipped)
    path = tmp_path / FOLDER / f"{TEST_LABELS}.gz"
    path.unlink()
    path.mkdir()
    assert f"{path}: cannot be read (Is a directory)" in refusal(tmp_path, published)


@pytest.mark.slow
def test_the_real_fashion_mnist_is_read_whole_gzipped_or_plain(
    fashion_mnist_root: Path, tmp_path: Path
) -> None:
    loaded = load("fashion_mnist", root=fashion_mnist_root)
    assert loaded.spec.shape == (1, 28, 28)
    assert np.bincount(loaded.train.labels).tolist() == [5400] * 10
    assert np.bincount(loaded.validation.labels).tolist() == [600] * 10
    assert np.bincount(loaded.test.labels).tolist() == [1000] * 10
    # The test set begins with an ankle boot, a pullover and two pairs of trousers.
    assert loaded.test.labels[:4].tolist() == [9, 2, 1, 1]
    # Mean and deviation as they are commonly given for the 60,000 training images, in units of 255.
    np.testing.assert_allclose(np.divide(loaded.spec.mean, 255), 0.2860, atol=5e-4)
    np.testing.assert_allclose(np.divide(loaded.spec.std, 255), 0.3530, atol=5e-4)
    # Images stand upright: trousers leave the outermost columns darker than pullovers do.
    edges = loaded.test.inputs[:, 0, :, [0, 1, 26, 27]].mean(axis=(0, 2))
    assert edges[loaded.test.labels == 1].mean() < edges[loaded.test.labels == 2].mean()

    parts = read_fashion_mnist(fashion_mnist_root, report=silent)
    folder = tmp_path / FOLDER
    plain = {TRAIN_IMAGES: parts.train.inputs[:, 0], TEST_IMAGES: parts.test.inputs[:, 0]}
    plain |= {TRAIN_LABELS: parts.train.labels, TEST_LABELS: parts.test.labels}
    write(folder, {name: idx(array.astype(np.uint8)) for name, array in plain.items()})
    other = replace(PUBLISHED, gzipped=replace(PUBLISHED.gzipped, url="nothing is to be fetched"))
    assert digest(tmp_path, other) == loaded.digest
    for path in folder.iterdir():
        path.unlink()  # 55 MB that pytest would keep for three runs
