from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

import evonas.proxies.candidate
from evonas.errors import ConfigError
from evonas.evaluation.evaluator import Task, evaluate, objectives, use_one_thread
from evonas.objectives import OBJECTIVES
from evonas.proxies import Measured
from genomes import library
from genomes.architecture import Architecture, InputSpec
from genomes.errors import UnknownNameError
from genomes.serial import build_space
from genomes.space import Space

SPEC = InputSpec((1, 8, 8), 10)
GENOME = library.load("feedback_loop")[0]
SPACE: Space[Any] = build_space("evonas", input_spec=SPEC, options={})
N_PARAMETERS = SPACE.decode(GENOME).n_parameters


@pytest.fixture
def inputs() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).standard_normal((1, 5, *SPEC.shape), dtype=np.float32))


def task(*names: str, **limits: float) -> Task:
    return Task(SPACE, names or ("rdm", "parameters", "energy_nj"), time_steps=3, seed=0, limits=limits)


@dataclass(frozen=True)
class Broken:
    """A space whose genomes all decode to the same error."""

    error: BaseException
    input: InputSpec = SPEC

    def decode(self, genome: object) -> Architecture:
        raise self.error


def broken(error: BaseException) -> Task:
    space: Any = Broken(error)
    return Task(space, ("rdm",), time_steps=3, seed=0)


def refuse_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("a network was built")

    monkeypatch.setattr(evonas.proxies.candidate, "SpikingNetwork", refuse)


def replace_value(monkeypatch: pytest.MonkeyPatch, name: str, value: float) -> None:
    changed = replace(OBJECTIVES.get(name), value=lambda candidate: Measured(value, {"told": 1.0}))
    monkeypatch.setitem(OBJECTIVES._parts, name, changed)


def test_an_evaluation_has_every_objective_in_its_natural_unit(inputs: torch.Tensor) -> None:
    found = evaluate(task(), GENOME, inputs=inputs)
    assert (found.status, found.reason, found.violation) == ("ok", "", 0.0)
    assert set(found.objectives) == {"rdm", "parameters", "energy_nj"}
    assert found.objectives["parameters"] == N_PARAMETERS
    assert 0 < found.objectives["rdm"] < 1
    assert found.objectives["energy_nj"] > 0
    assert {"firing_rate", "dead_fraction", "saturated_fraction", "effective_rank"} <= set(found.diagnostics)


def test_the_same_genome_twice_gives_the_identical_evaluation(inputs: torch.Tensor) -> None:
    assert evaluate(task(), GENOME, inputs=inputs) == evaluate(task(), GENOME, inputs=inputs)


def test_the_seed_of_the_run_decides_the_weights(inputs: torch.Tensor) -> None:
    other = replace(task(), seed=1)
    assert (
        evaluate(task(), GENOME, inputs=inputs).objectives
        != evaluate(other, GENOME, inputs=inputs).objectives
    )


def test_without_a_measured_objective_no_network_is_built(
    inputs: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_networks(monkeypatch)
    assert evaluate(task("parameters"), GENOME, inputs=inputs).objectives == {"parameters": N_PARAMETERS}
    assert evaluate(task("rdm"), GENOME, inputs=inputs).reason == "AssertionError: a network was built"


def test_too_many_parameters_are_infeasible_before_any_network_is_built(
    inputs: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_networks(monkeypatch)
    limit = N_PARAMETERS // 2
    found = evaluate(task(parameters=limit), GENOME, inputs=inputs)
    assert found.status == "infeasible"
    assert found.objectives == {"parameters": N_PARAMETERS}
    assert found.violation == pytest.approx(N_PARAMETERS / limit - 1)
    assert found.reason == f"parameters {N_PARAMETERS} is above {limit}"


def test_a_limit_is_itself_legal(inputs: torch.Tensor) -> None:
    assert evaluate(task("parameters", parameters=N_PARAMETERS), GENOME, inputs=inputs).status == "ok"
    tight = evaluate(task("parameters", parameters=N_PARAMETERS - 1), GENOME, inputs=inputs)
    assert tight.status == "infeasible"
    assert tight.violation > 0


def test_an_energy_limit_holds_though_energy_is_no_objective(inputs: torch.Tensor) -> None:
    energy = evaluate(task(), GENOME, inputs=inputs).objectives["energy_nj"]
    found = evaluate(task("rdm", energy_nj=energy / 3), GENOME, inputs=inputs)
    assert found.status == "infeasible"
    assert found.violation == pytest.approx(2.0)
    assert "energy_nj" not in found.objectives
    assert found.diagnostics["energy_nj"] == energy
    assert "energy_nj" in found.reason
    roomy = evaluate(task("rdm", energy_nj=energy * 1.01), GENOME, inputs=inputs)
    assert (roomy.status, list(roomy.objectives)) == ("ok", ["rdm"])
    assert roomy.diagnostics["energy_nj"] == energy


def test_a_parameter_limit_holds_though_parameters_are_no_objective(inputs: torch.Tensor) -> None:
    found = evaluate(task("rdm", parameters=10), GENOME, inputs=inputs)
    assert (found.status, found.objectives) == ("infeasible", {})
    assert found.diagnostics["parameters"] == N_PARAMETERS


def test_a_memory_limit_holds_before_any_network_is_built(
    inputs: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_networks(monkeypatch)
    megabytes = SPACE.decode(GENOME).memory_bytes / 1e6
    found = evaluate(task("rdm", memory_mb=megabytes / 2), GENOME, inputs=inputs)
    assert (found.status, found.objectives) == ("infeasible", {})
    assert found.violation == pytest.approx(1.0)
    assert found.diagnostics == {"memory_mb": megabytes}


@pytest.mark.parametrize("name", OBJECTIVES.names())
def test_any_objective_can_be_limited(name: str, inputs: torch.Tensor) -> None:
    given = {"inputs": inputs, "labels": torch.arange(len(inputs[0])) // 2}
    value = evaluate(task(name), GENOME, **given).objectives[name]
    roomy = evaluate(task("parameters", **{name: abs(value) * 1.01}), GENOME, **given)
    assert roomy.status == "ok"
    if value > 0:
        tight = evaluate(task("parameters", **{name: value * 0.99}), GENOME, **given)
        assert tight.status == "infeasible"
        assert name in tight.reason


def test_the_violations_of_several_limits_add_up(inputs: torch.Tensor) -> None:
    limit = N_PARAMETERS / 2
    megabytes = SPACE.decode(GENOME).memory_bytes / 1e6
    found = evaluate(task("rdm", parameters=limit, memory_mb=megabytes / 3), GENOME, inputs=inputs)
    assert found.violation == pytest.approx(1.0 + 2.0)
    assert found.reason.count("is above") == 2


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_number_without_logarithm_is_a_failure_where_the_scale_needs_one(
    value: float, inputs: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_value(monkeypatch, "energy_nj", value)
    found = evaluate(task(), GENOME, inputs=inputs)
    assert found.status == "failed"
    assert found.reason == f"energy_nj is {value:g}; its log10 scale needs a positive number"
    replace_value(monkeypatch, "energy_nj", 1.0)
    replace_value(monkeypatch, "rdm", value)
    assert evaluate(task(), GENOME, inputs=inputs).status == "ok"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("one\ntwo"), "ValueError: one"),
        (RuntimeError("\n  first\n second"), "RuntimeError: first"),
        (KeyError(), "KeyError: no message"),
        (MemoryError("17 GiB"), "MemoryError: 17 GiB"),
        (RecursionError("too deep"), "RecursionError: too deep"),
    ],
)
def test_whatever_goes_wrong_is_a_failure_with_a_reason_of_one_line(
    error: Exception, reason: str, inputs: torch.Tensor
) -> None:
    found = evaluate(broken(error), GENOME, inputs=inputs)
    assert (found.status, found.reason) == ("failed", reason)
    assert found.objectives == {}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)])
def test_an_interruption_is_no_failure_of_the_genome(error: BaseException, inputs: torch.Tensor) -> None:
    with pytest.raises(type(error)):
        evaluate(broken(error), GENOME, inputs=inputs)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["rdm", "parameters"])
def test_a_number_that_is_not_finite_is_a_failure(
    name: str, value: float, inputs: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_value(monkeypatch, name, value)
    found = evaluate(task(), GENOME, inputs=inputs)
    assert (found.status, found.reason) == ("failed", f"{name} is {value}")
    assert found.objectives == {}


@pytest.mark.parametrize("name", ["rdm", "energy_nj"])
def test_a_constraint_that_is_not_a_number_is_a_failure_too(
    name: str, inputs: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_value(monkeypatch, "energy_nj", float("nan"))
    assert evaluate(task(name, energy_nj=1.0), GENOME, inputs=inputs).status == "failed"


def test_objectives_measured_apart_keep_their_values_when_another_fails(
    inputs: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = evaluate(task(), GENOME, inputs=inputs)
    replace_value(monkeypatch, "energy_nj", float("nan"))
    found = evaluate(replace(task(), apart=True), GENOME, inputs=inputs)
    assert found.status == "ok"
    assert found.objectives == {name: whole.objectives[name] for name in ("rdm", "parameters")}
    assert found.reason == "energy_nj: energy_nj is nan"


def test_a_statistic_that_breaks_the_pass_takes_nothing_from_those_that_do_without(
    inputs: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(spikes: torch.Tensor) -> None:
        raise ValueError("no\nand more")

    broken_statistic = replace(OBJECTIVES.get("rdm").statistics[0], read=refuse)
    changed = replace(OBJECTIVES.get("rdm"), statistics=(broken_statistic,))
    monkeypatch.setitem(OBJECTIVES._parts, "rdm", changed)
    assert evaluate(task(), GENOME, inputs=inputs).status == "failed"
    found = evaluate(replace(task(), apart=True), GENOME, inputs=inputs)
    assert (found.status, found.reason) == ("ok", "rdm: ValueError: no")
    assert set(found.objectives) == {"parameters", "energy_nj"}


def test_apart_an_evaluation_without_any_value_has_failed_and_one_without_failures_is_as_together(
    inputs: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert evaluate(replace(task(), apart=True), GENOME, inputs=inputs) == evaluate(
        task(), GENOME, inputs=inputs
    )
    found = evaluate(replace(broken(ValueError("no")), apart=True), GENOME, inputs=inputs)
    assert (found.status, found.reason) == ("failed", "ValueError: no")
    for name in ("rdm", "parameters"):
        replace_value(monkeypatch, name, float("inf"))
    found = evaluate(replace(task("rdm", "parameters"), apart=True), GENOME, inputs=inputs)
    assert (found.status, dict(found.objectives)) == ("failed", {})
    assert found.reason == "rdm: rdm is inf; parameters: parameters is inf"


def test_inputs_that_are_not_numbers_give_no_objective_that_is_not_one(inputs: torch.Tensor) -> None:
    found = evaluate(task(), GENOME, inputs=torch.full_like(inputs, float("nan")))
    assert all(np.isfinite(value) for value in found.objectives.values())


def test_objectives_are_found_by_name_and_refused_if_unknown_twice_or_none() -> None:
    assert [o.name for o in objectives(("energy_nj", "rdm"))] == ["energy_nj", "rdm"]
    with pytest.raises(UnknownNameError, match="did you mean 'parameters'"):
        objectives(("parameter",))
    with pytest.raises(ConfigError, match="got rdm, rdm"):
        objectives(("rdm", "rdm"))
    with pytest.raises(ConfigError, match="got none"):
        objectives(())


def test_evaluation_uses_one_thread() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        use_one_thread()
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
