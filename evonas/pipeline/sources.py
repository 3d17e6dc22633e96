"""Which code computes a value: a fingerprint that changes with it, and with nothing else."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from functools import lru_cache
from pathlib import Path

PACKAGES = ("evonas", "genomes")


def source_digest(module: str, *, alone: str | None = None) -> str:
    """The first 64 bits of the SHA-256 of the code of `module` and of all it imports of these packages, in turn.

    Of the module `alone` its own code counts, not what it imports. Comments, docstrings and layout are left out; of a
    module of another package only the name counts.
    """
    found, waiting = dict[str, str](), [module]
    if alone is not None:
        found[alone] = _read(alone)[0]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name], imported = _read(name)
            waiting.extend(imported)
    return hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()[:16]


@lru_cache
def _read(module: str) -> tuple[str, tuple[str, ...]]:
    """The digest of one module, and the modules it imports."""
    path = _file(module)
    if path is None:
        return module, ()
    tree = ast.parse(path.read_bytes())
    imported: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.append(node.module)
            imported += [f"{node.module}.{alias.name}" for alias in node.names]
        for name, value in ast.iter_fields(node):
            if name == "body" and isinstance(value, list):
                # A text alone on a line does nothing: it is a docstring.
                node.body = [line for line in value if not _is_text(line)]  # type: ignore[attr-defined]
    digest = hashlib.sha256(ast.dump(tree).encode()).hexdigest()
    return digest, tuple(name for name in dict.fromkeys(imported) if _file(name))


def _is_text(line: object) -> bool:
    return (
        isinstance(line, ast.Expr)
        and isinstance(line.value, ast.Constant)
        and isinstance(line.value.value, str)
    )


def _file(module: str) -> Path | None:
    """The file of a module of these packages, None for anything else, such as a name in a module."""
    package, *parts = module.split(".")
    spec = importlib.util.find_spec(package) if package in PACKAGES else None
    for root in (spec and spec.submodule_search_locations) or ():
        base = Path(root, *parts)
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return path
    return None
