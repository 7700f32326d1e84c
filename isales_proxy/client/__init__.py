"""A typed client of CC-iSales that needs no framework.

::

    with Client(TransportConfig(base_url=…, credentials=Credentials(ak, sk))) as isales:
        page = isales.list_reservations(vdn=88, query=ReservationQuery(size=50))
"""

from __future__ import annotations

from .auth import Credentials
from .client import Client
from .config import TransportConfig
from .errors import (
    BadAnswer,
    CircuitOpen,
    CredentialsRefused,
    IncompleteSweep,
    ISalesError,
    Refused,
    Throttled,
    TimedOut,
    Unreachable,
)
from .observer import Observer
from .page import Page, iter_pages
from .queries import InvalidQuery, Locale, ReservationQuery, ResultCodeQuery
from .records import Reservation, ResultCode

__all__ = [
    "BadAnswer",
    "CircuitOpen",
    "Client",
    "Credentials",
    "CredentialsRefused",
    "ISalesError",
    "IncompleteSweep",
    "InvalidQuery",
    "Locale",
    "Observer",
    "Page",
    "Refused",
    "Reservation",
    "ReservationQuery",
    "ResultCode",
    "ResultCodeQuery",
    "Throttled",
    "TimedOut",
    "TransportConfig",
    "Unreachable",
    "iter_pages",
]
