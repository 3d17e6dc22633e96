from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evonas.data import DATASETS, load
from evonas.data.cifar10 import BINARY_FOLDER, MEAN, PUBLISHED, STD, Published, read_cifar10
from evonas.data.loading import assemble, channel_statistics
from evonas.errors import DataError, DataMissingError


def silent(line: str) -> None:
    pass


def digest(root: Path, published: Published) -> str:
    parts = read_cifar10(root, report=silent, published=published)
    return assemble(parts, name="cifar10", origin="cifar10").digest


def test_python_batches_become_images_by_colour_plane(
    tmp_path: Path, small_cifar10: Any, published_offline: Published
) -> None:
    small_cifar10.write_python(tmp_path)
    parts = read_cifar10(tmp_path, report=silent, published=published_offline)
    assert parts.train.inputs.shape == (150, 3, 32, 32)
    assert parts.train.inputs.dtype == np.uint8
    row = small_cifar10.rows["data_batch_2"][4]
    np.testing.assert_array_equal(parts.train.inputs[34, 1, 2], row[1024 + 2 * 32 : 1024 + 3 * 32])
    assert parts.train.labels[34] == small_cifar10.labels["data_batch_2"][4]
    np.testing.assert_array_equal(parts.test.inputs.reshape(30, -1), small_cifar10.rows["test_batch"])


def test_the_binary_version_holds_the_same_data(
    tmp_path: Path, small_cifar10: Any, published_offline: Published
) -> None:
    small_cifar10.write_python(tmp_path / "one")
    small_cifar10.write_binary(tmp_path / "two")
    assert digest(tmp_path / "one", published_offline) == digest(tmp_path / "two", published_offline)


def test_a_whole_binary_folder_serves_where_the_python_batches_are_incomplete(
    tmp_path: Path, small_cifar10: Any, published_offline: Published
) -> None:
    (small_cifar10.write_python(tmp_path) / "data_batch_3").unlink()
    small_cifar10.write_binary(tmp_path)
    assert len(digest(tmp_path, published_offline)) == 64


def test_cifar10_is_augmented_and_comes_with_the_published_statistics(
    tmp_path: Path, small_cifar10: Any, published_offline: Published
) -> None:
    small_cifar10.write_python(tmp_path)
    parts = read_cifar10(tmp_path, report=silent, published=published_offline)
    assert parts.augment
    assert parts.n_classes == 10
    np.testing.assert_allclose(parts.mean, [255 * value for value in MEAN])
    np.testing.assert_allclose(parts.std, [255 * value for value in STD])


def test_without_files_and_network_one_line_names_folder_and_files(
    tmp_path: Path, published_offline: Published
) -> None:
    with pytest.raises(DataMissingError) as raised:
        read_cifar10(tmp_path, report=silent, published=published_offline)
    message = str(raised.value)
    assert "\n" not in message
    assert str(tmp_path / "cifar-10-batches-py") in message
    for name in published_offline.archive.files:
        assert name in message
    assert published_offline.archive.url in message
    assert "Connection refused" in message
    assert list(tmp_path.iterdir()) == []


def test_a_lost_file_counts_as_missing_and_the_others_stay(
    tmp_path: Path, small_cifar10: Any, published_offline: Published
) -> None:
    folder = small_cifar10.write_python(tmp_path)
    (folder / "data_batch_3").unlink()
    with pytest.raises(DataMissingError, match="data_batch_3"):
        read_cifar10(tmp_path, report=silent, published=published_offline)
    assert len(list(folder.iterdir())) == 5


@pytest.mark.parametrize("name", ["data_batch_4", "test_batch"])
@pytest.mark.parametrize("kept", [0, 1, 5000, -1])
def test_a_truncated_python_batch_is_named(
    tmp_path: Path, small_cifar10: Any, published_offline: Published, name: str, kept: int
) -> None:
    path = small_cifar10.write_python(tmp_path) / name
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"truncated or altered: .* is published; delete it") as raised:
        read_cifar10(tmp_path, report=silent, published=published_offline)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


def test_a_single_altered_pixel_in_a_python_batch_is_found(
    tmp_path: Path, small_cifar10: Any, published_offline: Published
) -> None:
    path = small_cifar10.write_python(tmp_path) / "data_batch_1"
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="data_batch_1: truncated or altered"):
        read_cifar10(tmp_path, report=silent, published=published_offline)


@pytest.mark.parametrize("n_bytes", [0, 3073, 30 * 3073 - 1, 30 * 3073 + 1, 31 * 3073])
def test_a_binary_batch_of_the_wrong_length_is_named(
    tmp_path: Path, small_cifar10: Any, published_offline: Published, n_bytes: int
) -> None:
    path = small_cifar10.write_binary(tmp_path) / "test_batch.bin"
    path.write_bytes((path.read_bytes() * 2)[:n_bytes])
    with pytest.raises(DataError, match=f"truncated or altered: {n_bytes} bytes, where 30 records") as raised:
        read_cifar10(tmp_path, report=silent, published=published_offline)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


def test_a_binary_batch_with_an_impossible_label_is_named(
    tmp_path: Path, small_cifar10: Any, published_offline: Published
) -> None:
    path = small_cifar10.write_binary(tmp_path) / "data_batch_2.bin"
    content = bytearray(path.read_bytes())
    content[3073 * 7] = 10
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"data_batch_2\.bin: altered: it holds the label 10, where 0 to 9"):
        read_cifar10(tmp_path, report=silent, published=published_offline)


def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path, small_cifar10: Any, web_server: Any) -> None:
    published = small_cifar10.published(url=web_server.serve(small_cifar10.packed))
    path = small_cifar10.write_python(tmp_path) / "data_batch_2"
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match=r"data_batch_2: cannot be read \(Is a directory\)"):
        read_cifar10(tmp_path, report=silent, published=published)


def test_a_batch_with_too_few_images_is_named(
    tmp_path: Path, small_cifar10: Any, published_offline: Published
) -> None:
    small_cifar10.write_python(tmp_path)
    with pytest.raises(DataError, match=r"data_batch_1: pixels of shape \(30, 3072\), where \(31, 3072\)"):
        read_cifar10(tmp_path, report=silent, published=replace(published_offline, images_per_file=31))


def test_the_address_and_md5_are_those_of_the_publisher() -> None:
    assert DATASETS.get("cifar10") is read_cifar10
    assert PUBLISHED.archive.url == "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    assert PUBLISHED.archive.md5 == "c58f30108f718f92721af3b95e74349a"


def test_the_real_cifar10_is_read_whole(cifar10_root: Path) -> None:
    loaded = load("cifar10", root=cifar10_root)
    assert loaded.spec.shape == (3, 32, 32)
    assert np.bincount(loaded.train.labels).tolist() == [4500] * 10
    assert np.bincount(loaded.validation.labels).tolist() == [500] * 10
    assert np.bincount(loaded.test.labels).tolist() == [1000] * 10
    # The first test image is a cat, the second a ship, as on the publisher's page.
    assert loaded.test.labels[:4].tolist() == [3, 8, 8, 0]


def test_the_published_statistics_are_those_of_the_real_training_images(cifar10_root: Path) -> None:
    parts = read_cifar10(cifar10_root, report=silent)
    mean, std = channel_statistics(parts.train.inputs)
    np.testing.assert_allclose(np.divide(mean, 255), MEAN, atol=6e-5)
    np.testing.assert_allclose(np.divide(std, 255), STD, atol=6e-5)


def test_the_real_cifar10_in_the_binary_version_has_the_same_digest(
    cifar10_root: Path, tmp_path: Path
) -> None:
    parts = read_cifar10(cifar10_root, report=silent)
    folder = tmp_path / BINARY_FOLDER
    folder.mkdir()
    names = list(PUBLISHED.archive.files)
    images = np.concatenate([parts.train.inputs, parts.test.inputs]).reshape(6, 10_000, -1)
    labels = np.concatenate([parts.train.labels, parts.test.labels]).reshape(6, 10_000, 1)
    for name, pixels, numbers in zip(names, images, labels, strict=True):
        (folder / f"{name}.bin").write_bytes(np.hstack([numbers.astype(np.uint8), pixels]).tobytes())
    assert load("cifar10", root=tmp_path).digest == load("cifar10", root=cifar10_root).digest
    for path in folder.iterdir():
        path.unlink()  # 180 MB that pytest would keep for three runs
