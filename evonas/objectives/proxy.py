"""Every proxy is an objective to maximise."""

from __future__ import annotations

from collections.abc import Sequence

from evonas.objectives.objective import OBJECTIVES, Objective
from evonas.proxies import PROXIES, Proxy
from genomes.architecture import Architecture


def _objective(proxy: Proxy) -> Objective:
    def bounds(sample: Sequence[Architecture], time_steps: int, static: bool) -> tuple[float, float]:
        return proxy.bounds

    return Objective(proxy.name, "max", "", "linear", proxy.statistics, proxy.value, bounds)


for _name in PROXIES.names():
    OBJECTIVES.register(_name, _objective(PROXIES.get(_name)))
