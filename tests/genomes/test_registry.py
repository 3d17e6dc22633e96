import pytest

from genomes.errors import UnknownNameError
from genomes.registry import Registry


def test_a_part_is_found_by_its_name_and_listed_in_order() -> None:
    registry: Registry[int] = Registry("colour")
    registry.register("red", 1)
    registry.register("blue", 2)
    assert registry.get("red") == 1
    assert registry.names() == ["blue", "red"]


def test_a_name_can_be_registered_only_once() -> None:
    registry: Registry[int] = Registry("colour")
    registry.register("red", 1)
    with pytest.raises(ValueError, match="colour 'red' is registered twice"):
        registry.register("red", 2)


def test_an_unknown_name_is_answered_with_the_nearest_one() -> None:
    registry: Registry[int] = Registry("colour")
    registry.register("purple", 1)
    with pytest.raises(UnknownNameError, match="unknown colour 'purpel'; did you mean 'purple'"):
        registry.get("purpel")
