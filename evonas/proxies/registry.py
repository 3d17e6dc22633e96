"""The registry of proxies."""

from evonas.proxies.candidate import Proxy
from genomes.registry import Registry

PROXIES: Registry[Proxy] = Registry("proxy")
