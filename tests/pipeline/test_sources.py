from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from evonas.objectives import OBJECTIVES
from evonas.pipeline import sources
from evonas.pipeline.sources import source_digest


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package `coded`: `first` imports `second` of it, `third` stands alone."""
    folder = tmp_path / "coded"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "first.py").write_text(
        "import math\nfrom coded.second import two\n\ndef one():\n    return two\n"
    )
    (folder / "second.py").write_text("two = 2\n")
    (folder / "third.py").write_text("three = 3\n")
    monkeypatch.setattr(sources, "PACKAGES", ("coded",))
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "coded"]:
        del sys.modules[name]


def digest(module: str = "coded.first") -> str:
    sources._read.cache_clear()
    return source_digest(module)


def test_the_digest_follows_the_code_and_what_it_imports(package: Path) -> None:
    first = digest()
    (package / "second.py").write_text("two = 3\n")
    assert digest() != first
    (package / "second.py").write_text("two = 2\n")
    assert digest() == first


def test_what_is_not_imported_and_what_is_only_said_change_nothing(package: Path) -> None:
    first = digest()
    (package / "third.py").write_text("three = 4\n")
    (package / "second.py").write_text('"""Words."""\n\n\n# And more of them.\ntwo = (2)\n')
    (package / "first.py").write_text(
        'import math\nfrom coded.second import two\n\ndef one():\n    """One."""\n    return two\n'
    )
    assert digest() == first


def test_modules_that_import_each_other_are_one_piece_of_code(package: Path) -> None:
    assert digest() != digest("coded.second")
    (package / "second.py").write_text("import coded.first\ntwo = 2\n")
    assert digest() == digest("coded.second")


def test_every_objective_has_a_digest_of_its_own_file() -> None:
    modules = {OBJECTIVES.get(name).value.__module__ for name in OBJECTIVES.names()}
    assert len({source_digest(module) for module in modules}) == len(modules) > 5


def test_of_a_module_alone_only_its_own_code_counts(package: Path) -> None:
    def both() -> str:
        sources._read.cache_clear()
        return source_digest("coded.third", alone="coded.first")

    before = both()
    (package / "second.py").write_text("two = 3\n")
    assert both() == before
    (package / "first.py").write_text("def one():\n    return 1\n")
    assert both() != before
