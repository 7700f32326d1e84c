"""A stand-in CC-iSales over real HTTP: for demos, training and tests.

It verifies signatures and parameters strictly, answers seeded data full of the oddities
that real systems send, and goes wrong on demand (`faults`).
"""

from __future__ import annotations

from isales_proxy.simulator.app import DEMO_ACCESS_KEY, DEMO_SECRET_KEY, Simulator
from isales_proxy.simulator.faults import LIST_RESERVATIONS, LIST_RESULT_CODES

__all__ = [
    "DEMO_ACCESS_KEY",
    "DEMO_SECRET_KEY",
    "LIST_RESERVATIONS",
    "LIST_RESULT_CODES",
    "Simulator",
]
