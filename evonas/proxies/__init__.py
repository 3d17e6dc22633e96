"""Estimates of trained accuracy, one file each, training-free but for the baseline `one_epoch`; a file registers its
proxies in `PROXIES`."""

from evonas.proxies.candidate import MARGIN, Bounds, Candidate, Measured, Proxy, Stimulation
from evonas.proxies.registry import PROXIES
from genomes.registry import load_modules

load_modules(__name__)

__all__ = ["MARGIN", "PROXIES", "Bounds", "Candidate", "Measured", "Proxy", "Stimulation"]
