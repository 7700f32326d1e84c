"""A stand-in CC-iSales over real HTTP: for demos, training and tests.

It verifies signatures, tokens and parameters strictly, answers seeded data with all that real
systems send, changes its rows on demand (`Dataset`), behaves as differently as vendors do
(`ListBehaviour`), and goes wrong on demand (`faults`).
"""

from __future__ import annotations

from isales_proxy.simulator.operations import (
    FETCH_TOKEN,
    LIST_OUTBOUND_TASKS,
    LIST_RESERVATIONS,
    LIST_RESULT_CODES,
    LOG_IN,
    PUSH_MID_RESULT,
    READ_CALL_DATA,
    REFRESH_TOKEN,
)
from isales_proxy.simulator.reservations import ListBehaviour
from isales_proxy.simulator.server import Simulator
from isales_proxy.simulator.state import (
    DEMO_ACCESS_KEY,
    DEMO_APP_KEY,
    DEMO_APP_SECRET,
    DEMO_SECRET_KEY,
)

__all__ = [
    "DEMO_ACCESS_KEY",
    "DEMO_APP_KEY",
    "DEMO_APP_SECRET",
    "DEMO_SECRET_KEY",
    "FETCH_TOKEN",
    "LIST_OUTBOUND_TASKS",
    "LIST_RESERVATIONS",
    "LIST_RESULT_CODES",
    "LOG_IN",
    "PUSH_MID_RESULT",
    "READ_CALL_DATA",
    "REFRESH_TOKEN",
    "ListBehaviour",
    "Simulator",
]
