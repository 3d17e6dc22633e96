"""What a training reports: one line per epoch, and the outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class EpochReport:
    """One finished epoch, counted from 1: mean training loss, share of validation examples that are right, and
    wall time with validation."""

    epoch: int
    epochs: int
    loss: float
    validation_accuracy: float
    learning_rate: float
    images_per_second: float
    seconds: float


@dataclass(frozen=True)
class TrainingResult:
    """The outcome of a finished training; accuracies are shares from 0 to 1, of the weights after the last
    epoch.

    `seconds` is wall time over all sessions, `images_per_second` the speed of training alone.
    """

    test_accuracy: float
    validation_accuracy: float
    epochs: int
    seconds: float
    images_per_second: float

    def to_dict(self) -> dict[str, object]:
        """As JSON can hold it; see `from_dict`."""
        return asdict(self)


def result_from_dict(content: Mapping[str, object]) -> TrainingResult:
    """The result that `to_dict` gave.

    Raises:
        KeyError, TypeError, ValueError: `content` is something else.
    """
    return TrainingResult(
        test_accuracy=_number(content["test_accuracy"]),
        validation_accuracy=_number(content["validation_accuracy"]),
        epochs=int(_number(content["epochs"])),
        seconds=_number(content["seconds"]),
        images_per_second=_number(content["images_per_second"]),
    )


def _number(value: object) -> float:
    if not isinstance(value, int | float):
        raise TypeError(f"a number expected, {type(value).__name__} given")
    return float(value)
