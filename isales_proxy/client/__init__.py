"""A typed client of CC-iSales that needs no framework.

::

    with Client(TransportConfig(base_url=…, credentials=Credentials(ak, sk))) as isales:
        page = isales.list_reservations(vdn=88, query=ReservationQuery(size=50))
"""

from __future__ import annotations

from .auth import Credentials
from .client import Acknowledgement, Client
from .config import ObsAuth, ObsConfig, TransportConfig
from .errors import (
    BadAnswer,
    CircuitOpen,
    CredentialsRefused,
    IncompleteSweep,
    ISalesError,
    KeysUnreadable,
    Misdirected,
    Refused,
    Throttled,
    TimedOut,
    TokenEnded,
    Unreachable,
)
from .ie_data import IeData, IeElement, parse_ie_data
from .observer import Observer
from .page import Page, iter_pages
from .queries import (
    CallDataQuery,
    InvalidQuery,
    Locale,
    MidResult,
    ReservationQuery,
    ResultCodeQuery,
)
from .records import CallDatum, OutboundTask, Reservation, ResultCode
from .tokens import MemoryTokenStore, Token, TokenState, TokenStore
from .transport import Received

__all__ = [
    "Acknowledgement",
    "BadAnswer",
    "CallDataQuery",
    "CallDatum",
    "CircuitOpen",
    "Client",
    "Credentials",
    "CredentialsRefused",
    "ISalesError",
    "IeData",
    "IeElement",
    "IncompleteSweep",
    "InvalidQuery",
    "KeysUnreadable",
    "Locale",
    "MemoryTokenStore",
    "MidResult",
    "Misdirected",
    "ObsAuth",
    "ObsConfig",
    "Observer",
    "OutboundTask",
    "Page",
    "Received",
    "Refused",
    "Reservation",
    "ReservationQuery",
    "ResultCode",
    "ResultCodeQuery",
    "Throttled",
    "TimedOut",
    "Token",
    "TokenEnded",
    "TokenState",
    "TokenStore",
    "TransportConfig",
    "Unreachable",
    "iter_pages",
    "parse_ie_data",
]
