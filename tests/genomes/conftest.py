import pytest

from genomes.architecture import InputSpec
from genomes.serial import build_space
from genomes.spaces.evonas import EvonasSpace


@pytest.fixture
def space() -> EvonasSpace:
    """The default space for small colour images."""
    built = build_space("evonas", input_spec=InputSpec((3, 16, 16), 10), options={})
    assert isinstance(built, EvonasSpace)
    return built
