"""The interface `appoint/list` of a simulator: datasets, behaviour, listeners to its calls."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from isales_proxy.simulator.dataset import Dataset
from isales_proxy.simulator.demo_data import generate_reservations
from isales_proxy.simulator.list_behaviour import ListBehaviour
from isales_proxy.simulator.reservations import RawRow, to_ms
from isales_proxy.simulator.state import Recording


@dataclass(frozen=True, slots=True)
class ListCall:
    """One question to the list: its number from 1, its VDN, and the checked fields of its body."""

    number: int
    vdn: int
    wanted: Mapping[str, Any]


Listener = Callable[[ListCall], object]


class ReservationList:
    """Answers questions to the list. `calls` records those that were well formed."""

    def __init__(
        self,
        vdns: Collection[int],
        *,
        rows: int,
        seed: int,
        now: Callable[[], datetime],
        behaviour: ListBehaviour,
    ) -> None:
        self._vdns, self._rows, self._seed, self._now = vdns, rows, seed, now
        self._anchor_ms = to_ms(now())
        self._lock = threading.Lock()
        self._datasets: dict[int, Dataset] = {}
        self._listeners: tuple[Listener, ...] = ()
        self._asked = 0
        self.behaviour = behaviour
        self.calls: Recording[ListCall] = Recording(lambda call: call.vdn)

    def now(self) -> datetime:
        """Return the time by the vendor's clock."""
        return self._now() + timedelta(milliseconds=self.behaviour.clock_offset_ms)

    def now_on_the_wire(self) -> float:
        """Return the seconds since 1970 of the header `Date`: a frozen `now` does not stop it."""
        return time.time() + self.behaviour.clock_offset_ms / 1000

    def dataset(self, vdn: int) -> Dataset:
        """Return the reservations of one VDN, made at its first use. Raises KeyError."""
        if vdn not in self._vdns:
            raise KeyError(vdn)
        with self._lock:
            if vdn not in self._datasets:
                rows = generate_reservations(vdn, self._rows, self._seed, self._anchor_ms)
                self._datasets[vdn] = Dataset(rows, anchor_ms=self._anchor_ms)
            return self._datasets[vdn]

    def on_list(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` before each answer, in the thread that answers; return what ends this.

        It may change rows and behaviour: the answer comes after it.
        """
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def remove() -> None:
            with self._lock:
                self._listeners = tuple(one for one in self._listeners if one is not listener)

        return remove

    def answer(self, vdn: int, wanted: Mapping[str, Any]) -> dict[str, object]:
        """Return total and rows for a checked question. Raises ParameterError for a refusal."""
        with self._lock:
            self._asked += 1
            call = ListCall(self._asked, vdn, wanted)
        self.calls.add(call)
        for listener in self._listeners:
            listener(call)
        behaviour = self.behaviour
        behaviour.check(wanted)
        page, found = self.dataset(vdn).select_page(wanted, behaviour)
        now_ms = to_ms(self.now())
        rows: list[RawRow] = [row.shown_at(now_ms) for row in page]
        return {"totalCount": behaviour.total_of(found, len(page)), "data": rows}
