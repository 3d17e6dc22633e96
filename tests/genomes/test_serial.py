from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genomes.architecture import InputSpec
from genomes.codec import from_plain, to_plain
from genomes.errors import GenomeError, GenomeFormatError, IllegalGeneError, UnknownNameError
from genomes.genome import Genome
from genomes.library import FOLDER, load
from genomes.micro import Neuron
from genomes.serial import build_space, load_genome, save_genome

SPEC = InputSpec((3, 16, 16), 10)
Edit = Callable[[dict[str, Any]], None]


def saved(tmp_path: Path, edit: Edit = lambda content: None) -> Path:
    """A library genome, edited, in a file of its own."""
    content = json.loads((FOLDER / "feedback_loop.json").read_text())
    edit(content)
    path = tmp_path / "genome.json"
    path.write_text(json.dumps(content))
    return path


def test_a_saved_genome_comes_back_with_its_space(tmp_path: Path) -> None:
    space = build_space("evonas", input_spec=SPEC, options={})
    genome = space.sample(rng=np.random.default_rng(0))
    path = tmp_path / "genome.json"
    save_genome(path, genome, space=space, provenance="drawn for a test")
    assert load_genome(path) == (genome, space)
    assert json.loads(path.read_text())["provenance"] == "drawn for a test"


def test_a_genome_for_inputs_too_small_for_the_default_stages_comes_back(tmp_path: Path) -> None:
    space = build_space("evonas", input_spec=InputSpec((1, 6, 6), 3), options={"max_stages": 2})
    genome = space.sample(rng=np.random.default_rng(0))
    path = tmp_path / "genome.json"
    save_genome(path, genome, space=space, provenance="drawn for a test")
    back, its_space = load_genome(path)
    assert back == genome
    assert its_space.architecture_id(back) == space.architecture_id(genome)


def test_plain_values_are_what_json_has_and_come_back_typed() -> None:
    genome: Genome = load("spiking_resnet")[0]
    plain = to_plain(genome)
    assert json.loads(json.dumps(plain)) == plain
    assert from_plain(Genome, plain, where="genome") == genome


def test_a_whole_number_is_read_as_the_float_that_the_field_wants() -> None:
    plain = {"model": "lif", "v_threshold": 1, "tau": 2, "reset": "hard"}
    neuron = from_plain(Neuron, plain, where="neuron")
    assert (type(neuron.v_threshold), type(neuron.tau)) == (float, float)


def test_a_field_added_later_is_written_only_where_it_says_something(tmp_path: Path) -> None:
    assert "attention" not in slot(json.loads((FOLDER / "feedback_loop.json").read_text()))
    genome: Genome = load("spiking_vgg")[0]
    plain = to_plain(genome)
    assert all("attention" not in part for stage in plain["stages"] for part in stage["slots"])
    plain["stages"][1]["slots"][0]["attention"] = "half"
    attentive = from_plain(Genome, plain, where="genome")
    assert [part.attention for part in attentive.slots()] == [None, "half", None]
    assert to_plain(attentive) == plain


def slot(content: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = content["genome"]["stages"][0]["slots"][0]
    return found


def put(where: Callable[[dict[str, Any]], dict[str, Any]], key: str, value: Any) -> Edit:
    return lambda content: where(content).__setitem__(key, value)


def stem(content: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = content["genome"]["stem"]
    return found


def top(content: dict[str, Any]) -> dict[str, Any]:
    return content


@pytest.mark.parametrize(
    ("edit", "kind", "message"),
    [
        (
            put(slot, "motif", "feedforward_exitation"),
            UnknownNameError,
            "did you mean 'feedforward_excitation'",
        ),
        (
            put(stem, "kernal", 3),
            GenomeFormatError,
            r"genome\.stem: unknown key 'kernal'; did you mean 'kernel'",
        ),
        (
            put(slot, "predecessor", [0]),
            GenomeFormatError,
            r"stages\[0\]\.slots\[0\]: unknown key 'predecessor'",
        ),
        (lambda c: stem(c).pop("stride"), GenomeFormatError, r"genome\.stem: missing key 'stride'"),
        (put(stem, "stride", "2"), GenomeFormatError, r"genome\.stem\.stride: expected int, got '2'"),
        (put(stem, "stride", 2.0), GenomeFormatError, r"stem\.stride: expected int, got 2\.0"),
        (put(stem, "stride", True), GenomeFormatError, r"stem\.stride: expected int, got True"),
        (put(stem, "neuron", None), GenomeFormatError, r"stem\.neuron: expected an object, got None"),
        (put(slot, "kernels", {}), GenomeFormatError, r"slots\[0\]\.kernels: expected a list"),
        (
            put(lambda c: c["genome"], "feedback", [[2, 1, 0]]),
            GenomeFormatError,
            r"feedback\[0\]: expected a list",
        ),
        (put(lambda c: c["genome"], "feedback", [[1, 2]]), IllegalGeneError, "later slot to an earlier"),
        (put(slot, "attention", "asaa"), UnknownNameError, "unknown attention 'asaa'; did you mean 'asa'"),
        (put(slot, "attention", 1), GenomeFormatError, r"slots\[0\]\.attention: expected str, got 1"),
        (
            put(slot, "attention", "asa"),
            IllegalGeneError,
            "slot 1 attention: got asa, this space offers None",
        ),
        (lambda c: slot(c).pop("merge"), GenomeFormatError, r"slots\[0\]: missing key 'merge'"),
        (put(stem, "stride", 3), IllegalGeneError, "stride must be 1 or 2, got 3"),
        (put(lambda c: stem(c)["kernel"], "size", 4), IllegalGeneError, "size must be odd"),
        (put(lambda c: stem(c)["neuron"], "model", "liff"), UnknownNameError, "did you mean 'lif'"),
        (put(lambda c: stem(c)["neuron"], "tau", None), IllegalGeneError, "needs tau"),
        (put(lambda c: stem(c)["neuron"], "v_threshold", float("nan")), IllegalGeneError, "v_threshold"),
        (put(lambda c: stem(c)["neuron"], "v_threshold", float("inf")), GenomeError, "v_threshold"),
        (put(slot, "predecessors", []), IllegalGeneError, "not empty"),
        (put(lambda c: c["genome"], "stages", []), IllegalGeneError, "at least one slot"),
        (put(top, "schema", 2), GenomeFormatError, "expected a saved genome of schema 1, got 2"),
        (lambda c: c.pop("schema"), GenomeFormatError, "schema 1, got None"),
        (lambda c: c.pop("genome"), GenomeFormatError, "missing key 'genome'"),
        (put(top, "space", "evonass"), UnknownNameError, "unknown space 'evonass'; did you mean 'evonas'"),
        (put(top, "space", 7), GenomeError, "space"),
        (put(top, "space", ["evonas"]), GenomeError, "space"),
        (put(top, "input", [3, 32, 32]), GenomeFormatError, "input: expected an object"),
        (put(lambda c: c["input"], "shape", [32, 32]), GenomeFormatError, r"input\.shape: expected a list"),
        (put(lambda c: c["input"], "n_classes", 0), GenomeError, "n_classes"),
        (put(lambda c: c["input"], "shape", [3, 2, 2]), IllegalGeneError, "leave nothing"),
        (put(top, "genom", {}), GenomeFormatError, "unknown key 'genom'; did you mean 'genome'"),
        (put(top, "genome", "feedback_loop"), GenomeFormatError, "genome: expected an object"),
    ],
)
def test_a_bad_file_is_refused_in_one_line_that_says_where(
    edit: Edit, kind: type[GenomeError], message: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=message) as caught:
        load_genome(saved(tmp_path, edit))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe\x00", b"spiking_vgg", b"[1, 2]", b"null", b'"text"']
)
def test_a_file_that_is_no_saved_genome_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    path.write_bytes(content)
    with pytest.raises(GenomeFormatError, match=r"notes\.json.*saved genome"):
        load_genome(path)


def test_the_unedited_file_is_accepted(tmp_path: Path) -> None:
    assert load_genome(saved(tmp_path)) == load("feedback_loop")


def test_options_of_a_space_are_its_fields() -> None:
    space: Any = build_space(
        "evonas",
        input_spec=SPEC,
        options={"base_width": 8, "thresholds": [1], "motifs": ("feedback_inhibition",)},
    )
    assert (space.base_width, space.thresholds, space.motifs) == (8, (1.0,), ("feedback_inhibition",))
    for seed in range(5):
        genome = space.sample(rng=np.random.default_rng(seed))
        assert {slot.motif for slot in genome.slots()} == {"feedback_inhibition"}


@pytest.mark.parametrize(
    ("name", "options", "kind", "message"),
    [
        ("evona", {}, UnknownNameError, "unknown space 'evona'; did you mean 'evonas'"),
        ("evonas", {"max_slot": 2}, UnknownNameError, r"'space\.max_slot'.*did you mean 'max_slots'"),
        ("evonas", {"input": {}}, UnknownNameError, r"'space\.input'"),
        ("evonas", {"max_slots": "2"}, GenomeFormatError, r"space\.max_slots: expected int, got '2'"),
        ("evonas", {"max_slots": True}, GenomeFormatError, r"space\.max_slots: expected int"),
        ("evonas", {"max_slots": 2.5}, GenomeFormatError, r"space\.max_slots: expected int"),
        ("evonas", {"separable": 1}, GenomeFormatError, r"space\.separable: expected bool"),
        ("evonas", {"taus": 2.0}, GenomeFormatError, r"space\.taus: expected a list"),
        ("evonas", {"taus": [2.0, "3"]}, GenomeFormatError, r"space\.taus\[1\]: expected float"),
        ("evonas", {"base_width": 3}, IllegalGeneError, r"space\.base_width: expected at least 4, got 3"),
        ("evonas", {"max_slots": 0}, IllegalGeneError, r"space\.max_slots: expected at least 1, got 0"),
        ("evonas", {"max_feedback": -1}, IllegalGeneError, r"space\.max_feedback"),
        ("evonas", {"max_reach": -1}, IllegalGeneError, r"space\.max_reach: expected at least 0, got -1"),
        (
            "evonas",
            {"min_stages": 3, "max_stages": 2},
            IllegalGeneError,
            r"space\.max_stages: expected at least 3",
        ),
        ("evonas", {"max_stages": 5}, IllegalGeneError, "lower space.max_stages or space.stem_strides"),
        ("evonas", {"thresholds": []}, IllegalGeneError, r"space\.thresholds: expected at least one value"),
        (
            "evonas",
            {"motifs": ["feedback_inhibitor"]},
            UnknownNameError,
            "did you mean 'feedback_inhibition'",
        ),
        ("evonas", {"models": ["izhikevich"]}, UnknownNameError, "unknown neuron model 'izhikevich'"),
        ("evonas", {"thresholds": [0.5, -1.0]}, IllegalGeneError, "thresholds"),
        ("evonas", {"taus": [0.5]}, IllegalGeneError, "taus"),
        ("evonas", {"kernel_sizes": [2]}, IllegalGeneError, "kernel_sizes"),
        ("evonas", {"stem_strides": [0]}, IllegalGeneError, "stem_strides"),
        ("evonas", {"stem_strides": [3]}, IllegalGeneError, "stem_strides"),
        ("evonas", {"merges": []}, IllegalGeneError, r"space\.merges: expected at least one value"),
        (
            "evonas",
            {"merges": ["sum"]},
            IllegalGeneError,
            r"space\.merges: expected some of add, concatenate",
        ),
        ("evonas", {"attention": ["assa"]}, UnknownNameError, "unknown attention 'assa'; did you mean 'asa'"),
        ("evonas", {"attention": "asa"}, GenomeFormatError, r"space\.attention: expected a list"),
        ("evonas", {"width_factors": [0.1]}, IllegalGeneError, "width_factors"),
        ("evonas", {"width_factors": [float("inf")]}, IllegalGeneError, "width_factors"),
    ],
)
def test_a_bad_space_or_option_is_refused_where_it_enters(
    name: str, options: dict[str, Any], kind: type[GenomeError], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        build_space(name, input_spec=SPEC, options=options)
    assert "\n" not in str(caught.value)


def test_an_option_with_a_value_twice_is_refused() -> None:
    with pytest.raises(IllegalGeneError, match=r"space\.kernel_sizes: expected each value once, got 3, 3"):
        build_space("evonas", input_spec=InputSpec((3, 16, 16), 10), options={"kernel_sizes": [3, 3]})
