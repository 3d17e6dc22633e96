"""The saved genomes that a run begins with."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from evonas.errors import ConfigError, EvonasError
from evonas.runs.config import Config
from genomes import library
from genomes.codec import to_plain
from genomes.errors import GenomeError
from genomes.serial import load_genome
from genomes.space import Space


def initial_genomes(config: Config, space: Space[Any]) -> dict[str, Any]:
    """The genomes that `evolution.initial` names, in JSON form, by their short name and in order.

    A text that ends in ``.json`` is the file of a saved genome, anything else a name in the library.

    Raises:
        ConfigError: a genome that cannot be read, was saved for another input or space, or is not in `space`; two of
            one short name.
    """
    genomes: dict[str, Any] = {}
    for text in config.evolution.initial:
        name = Path(text).stem if text.endswith(".json") else text
        if name in genomes:
            raise ConfigError(f"evolution.initial: two genomes are called '{name}'; rename one of the files")
        try:
            genomes[name] = _genome(text, space)
        except (EvonasError, GenomeError) as error:
            raise ConfigError(f"evolution.initial: '{text}': {error}") from error
        except OSError as error:
            raise ConfigError(f"evolution.initial: '{text}' cannot be read: {error.strerror}") from error
    return genomes


def _genome(text: str, space: Space[Any]) -> Any:
    genome, saved_in = load_genome(Path(text).expanduser()) if text.endswith(".json") else library.load(text)
    if saved_in.name != space.name:
        raise ConfigError(f"it is of the space {saved_in.name}, this run searches {space.name}")
    if saved_in.input != space.input:
        raise ConfigError(
            f"it was saved for an input of {saved_in.input.shape} and {saved_in.input.n_classes} classes, "
            f"this run has {space.input.shape} and {space.input.n_classes}"
        )
    try:
        space.check(genome)
    except GenomeError as error:
        raise ConfigError(f"{error}; it was saved with {_differing(saved_in, space)}") from error
    # As it comes back from config.json, so that a run that goes on begins with the same.
    return json.loads(json.dumps(space.to_dict(genome)))


def _differing(saved_in: Space[Any], space: Space[Any]) -> str:
    """The options of `saved_in` that `space` has otherwise, as they are set."""
    names = [field.name for field in dataclasses.fields(space)]  # type: ignore[arg-type]
    return ", ".join(
        f"space.{name} = {json.dumps(to_plain(getattr(saved_in, name)))}"
        for name in names
        if getattr(saved_in, name) != getattr(space, name)
    )
