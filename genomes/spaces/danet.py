"""Deep stacks of convolution units under one connection rule, from VGG to ResNet-152; see `genomes.units`.

Which connection suits a given depth and width is the question of DANet (Li et al. 2023, arXiv 2311.05171). What the
space calls `dense_add` is our reading of that paper's title and abstract; its body was not available.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from genomes.architecture import Architecture, InputSpec
from genomes.errors import IllegalGeneError
from genomes.gene_space import GeneSpace, among
from genomes.micro import NEURON_MODELS, RESETS, Neuron
from genomes.neuron_choice import check_neuron, neuron_genes, others, sample_neuron
from genomes.space import SPACES, Gene
from genomes.units import CONNECTIONS, STEMS, UNITS, draw_stack
from genomes.variation import pick


@dataclass(frozen=True)
class UnitStage:
    """Units of one resolution; `width` is the channels of their convolutions, of a bottleneck's narrow ones."""

    width: int
    units: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.units < 1:
            raise IllegalGeneError(
                f"stage: width and units must be 1 or more, got {self.width} and {self.units}"
            )


@dataclass(frozen=True)
class UnitGenome:
    """Names of `genomes.units` for stem, kind of unit and connection; the stages; the one neuron of all layers."""

    stem: str
    stages: tuple[UnitStage, ...]
    unit: str
    connection: str
    neuron: Neuron

    def __post_init__(self) -> None:
        STEMS.get(self.stem)
        UNITS.get(self.unit)
        CONNECTIONS.get(self.connection)
        if not self.stages:
            raise IllegalGeneError("genome: at least one stage is needed, got none")

    @property
    def n_units(self) -> int:
        """Number of units in all stages."""
        return sum(stage.units for stage in self.stages)


@dataclass(frozen=True)
class DanetSpace(GeneSpace[UnitGenome]):
    """All stacks of `min_stages` to `max_stages` stages, each at half the resolution of the one before.

    Stage s (0-based) is one of `widths` x 2^s channels wide and has one of `units` units. Stem "small" keeps the
    resolution of the input, "imagenet" quarters it.
    """

    input: InputSpec
    widths: tuple[int, ...] = (16, 24, 32)
    units: tuple[int, ...] = (1, 2, 3)
    min_stages: int = 2
    max_stages: int = 3
    stems: tuple[str, ...] = ("small",)
    kinds: tuple[str, ...] = ("bottleneck", "depthwise", "residual", "vgg")
    connections: tuple[str, ...] = ("concatenate", "dense_add", "ms", "none", "plain", "sew")
    models: tuple[str, ...] = ("if", "lif", "plif", "alif")
    thresholds: tuple[float, ...] = (0.25, 0.5, 0.75)
    taus: tuple[float, ...] = (1.5, 2.0, 3.0)
    resets: tuple[str, ...] = RESETS

    name: ClassVar[str] = "danet"
    genome_type: ClassVar[type] = UnitGenome

    def __post_init__(self) -> None:
        for option, low in (("min_stages", 1), ("max_stages", self.min_stages)):
            if getattr(self, option) < low:
                raise IllegalGeneError(
                    f"space.{option}: expected at least {low}, got {getattr(self, option)}"
                )
        for option, legal, expected in (
            ("widths", lambda x: x > 0, "channels above 0"),
            ("units", lambda x: x > 0, "numbers above 0"),
            ("stems", STEMS.get, "names of stems"),
            ("kinds", UNITS.get, "names of units"),
            ("connections", CONNECTIONS.get, "names of connections"),
            ("models", NEURON_MODELS.get, "names of neuron models"),
            ("thresholds", lambda x: 0 < x < math.inf, "numbers above 0"),
            ("taus", lambda x: 1 < x < math.inf, "time steps above 1"),
            ("resets", lambda x: x in RESETS, f"some of {', '.join(RESETS)}"),
        ):
            values = getattr(self, option)
            if not values:
                raise IllegalGeneError(f"space.{option}: expected at least one value, got none")
            if not all(map(legal, values)):
                raise IllegalGeneError(
                    f"space.{option}: expected {expected}, got {', '.join(map(str, values))}"
                )
        side = min(self.input.shape[1:])
        smallest = min(
            ((side - 1) // stem.stride + 1) // stem.pool // 2 ** (self.max_stages - 1)
            for stem in map(STEMS.get, self.stems)
        )
        if smallest < 1:
            raise IllegalGeneError(
                f"space.max_stages: {self.max_stages} stages behind stems {', '.join(self.stems)} leave nothing of"
                f' {side} x {side} inputs; lower space.max_stages or use space.stems = ["small"]'
            )

    def stage_widths(self, stage: int) -> tuple[int, ...]:
        """The channel counts that stage `stage` can have."""
        return tuple(width * 2**stage for width in self.widths)

    def sample_stage(self, stage: int, rng: np.random.Generator) -> UnitStage:
        """A random stage in place `stage`."""
        return UnitStage(pick(self.stage_widths(stage), rng), pick(self.units, rng))

    def sample(self, *, rng: np.random.Generator) -> UnitGenome:
        """A random genome, each gene uniform."""
        n_stages = int(rng.integers(self.min_stages, self.max_stages + 1))
        return UnitGenome(
            stem=pick(self.stems, rng),
            stages=tuple(self.sample_stage(s, rng) for s in range(n_stages)),
            unit=pick(self.kinds, rng),
            connection=pick(self.connections, rng),
            neuron=sample_neuron(self, rng),
        )

    def genes(self, genome: UnitGenome) -> list[Gene[UnitGenome]]:
        """Every gene of `genome` that has an alternative; connections that come to the same are no alternatives."""
        n_stages = len(genome.stages)

        def change_stages(n: int, rng: np.random.Generator) -> UnitGenome:
            stages = genome.stages[:n] if n < n_stages else (*genome.stages, self.sample_stage(n - 1, rng))
            return replace(genome, stages=stages)

        lengths = [n for n in (n_stages - 1, n_stages + 1) if self.min_stages <= n <= self.max_stages]
        found = [
            Gene("macro", "stages", n_stages, tuple(lengths), change_stages),
            _field(genome, "macro", "stem", others(self.stems, genome.stem)),
            _field(genome, "meso", "unit", others(self.kinds, genome.unit)),
            _field(genome, "meso", "connection", self._other_connections(genome)),
        ]
        for s, stage in enumerate(genome.stages):

            def put(stage: UnitStage, s: int = s) -> UnitGenome:
                return replace(genome, stages=(*genome.stages[:s], stage, *genome.stages[s + 1 :]))

            def change_width(width: int, rng: np.random.Generator, put: Any = put, stage: Any = stage) -> Any:
                return put(replace(stage, width=width))

            def change_units(units: int, rng: np.random.Generator, put: Any = put, stage: Any = stage) -> Any:
                return put(replace(stage, units=units))

            widths = others(self.stage_widths(s), stage.width)
            found.append(Gene("macro", f"stage {s} width", stage.width, widths, change_width))
            units = others(self.units, stage.units)
            found.append(Gene("macro", f"stage {s} units", stage.units, units, change_units))
        found += neuron_genes(self, "neuron", genome.neuron, lambda neuron: replace(genome, neuron=neuron))
        return [gene for gene in found if gene.alternatives]

    def _other_connections(self, genome: UnitGenome) -> tuple[str, ...]:
        unit = UNITS.get(genome.unit)
        means = {c: CONNECTIONS.get(c).within(unit, n_units=genome.n_units) for c in self.connections}
        return tuple(c for c in self.connections if means[c] != means[genome.connection])

    def crossover(self, first: UnitGenome, second: UnitGenome, *, rng: np.random.Generator) -> UnitGenome:
        """A child with as many stages as `first`; everything else comes from either parent with equal chance."""
        stages = []
        for s, stage in enumerate(first.stages):
            other = second.stages[s] if s < len(second.stages) else stage
            width, units = pick((stage.width, other.width), rng), pick((stage.units, other.units), rng)
            stages.append(UnitStage(width, units))
        return UnitGenome(
            stem=pick((first.stem, second.stem), rng),
            stages=tuple(stages),
            unit=pick((first.unit, second.unit), rng),
            connection=pick((first.connection, second.connection), rng),
            neuron=pick((first.neuron, second.neuron), rng),
        )

    def draw(self, genome: UnitGenome) -> Architecture:
        """The architecture of `genome`."""
        return draw_stack(
            self.input,
            stem=STEMS.get(genome.stem),
            stages=[(stage.width, stage.units) for stage in genome.stages],
            unit=UNITS.get(genome.unit),
            connection=CONNECTIONS.get(genome.connection),
            neuron=genome.neuron,
        )

    def check(self, genome: UnitGenome) -> None:
        """Refuse a genome outside this space.

        Raises:
            IllegalGeneError: the first gene with a value that the space does not offer.
        """
        among("stages", len(genome.stages), tuple(range(self.min_stages, self.max_stages + 1)))
        among("stem", genome.stem, self.stems)
        among("unit", genome.unit, self.kinds)
        among("connection", genome.connection, self.connections)
        for s, stage in enumerate(genome.stages):
            among(f"stage {s} width", stage.width, self.stage_widths(s))
            among(f"stage {s} units", stage.units, self.units)
        check_neuron(self, "neuron", genome.neuron)

    def summary(self, genome: UnitGenome) -> list[str]:
        """The genome in words: stem, stages, neuron."""
        return [
            f"stem: {genome.stem}",
            *(
                f"stage {s}: {stage.units} {genome.unit} units, {stage.width} channels, connection {genome.connection}"
                for s, stage in enumerate(genome.stages)
            ),
            f"neurons: {genome.neuron}",
        ]


def _field(genome: UnitGenome, scale: str, name: str, alternatives: tuple[str, ...]) -> Gene[UnitGenome]:
    """The gene that is one field of the genome."""
    return Gene(
        scale,
        name,
        getattr(genome, name),
        alternatives,
        lambda value, rng: replace(genome, **{name: value}),
    )


SPACES.register("danet", DanetSpace)
