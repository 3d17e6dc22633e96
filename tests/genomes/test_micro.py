import pytest

from genomes.errors import IllegalGeneError, UnknownNameError
from genomes.micro import Kernel, Neuron


def test_a_neuron_without_leak_has_no_time_constant() -> None:
    with pytest.raises(IllegalGeneError, match="'if' has no leak"):
        Neuron("if", v_threshold=1.0, tau=2.0, reset="hard")


@pytest.mark.parametrize("model", ["lif", "plif", "alif"])
@pytest.mark.parametrize("tau", [None, 0.5, 1.0, float("nan")])
def test_a_leaky_neuron_needs_a_time_constant_above_one_step(model: str, tau: float | None) -> None:
    with pytest.raises(IllegalGeneError, match="needs tau above 1"):
        Neuron(model, v_threshold=1.0, tau=tau, reset="hard")


@pytest.mark.parametrize("threshold", [0.0, -1.0, float("nan")])
def test_a_threshold_must_be_above_zero(threshold: float) -> None:
    with pytest.raises(IllegalGeneError, match="v_threshold"):
        Neuron("if", v_threshold=threshold, tau=None, reset="hard")


def test_an_unknown_model_or_reset_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'plif'"):
        Neuron("pliff", v_threshold=1.0, tau=2.0, reset="hard")
    with pytest.raises(IllegalGeneError, match="reset must be one of hard, soft"):
        Neuron("if", v_threshold=1.0, tau=None, reset="gentle")


@pytest.mark.parametrize("size", [0, 2, -3])
def test_a_kernel_is_odd(size: int) -> None:
    with pytest.raises(IllegalGeneError, match="odd"):
        Kernel(size)


def test_a_kernel_of_one_cannot_be_separable() -> None:
    with pytest.raises(IllegalGeneError, match="size 1 cannot be separable"):
        Kernel(1, separable=True)
