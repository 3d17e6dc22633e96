"""Every proxy is an objective to maximise."""

from __future__ import annotations

from evonas.objectives.objective import OBJECTIVES, Objective
from evonas.proxies import PROXIES

for _name in PROXIES.names():
    _proxy = PROXIES.get(_name)
    OBJECTIVES.register(
        _name,
        Objective(_name, "max", "", _proxy.scale, _proxy.statistics, _proxy.value, _proxy.bounds),
    )
