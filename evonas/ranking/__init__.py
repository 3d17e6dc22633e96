"""Proxies against tables of trained networks: how well they rank them, and what a few trained ones add."""

from evonas.ranking.report import Report, choices, correlations, facts_of
from evonas.ranking.request import Request
from evonas.ranking.table import BASELINES, Networks, distinct, load_table, only, recognised

__all__ = [
    "BASELINES",
    "Networks",
    "Report",
    "Request",
    "choices",
    "correlations",
    "distinct",
    "facts_of",
    "load_table",
    "only",
    "recognised",
]
