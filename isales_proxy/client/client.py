"""The client of CC-iSales: one method per vendor interface, typed in and typed out."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self, TypeVar

from .config import TransportConfig
from .errors import BadAnswer
from .observer import Observer
from .operations import LIST_RESERVATIONS, LIST_RESULT_CODES, Operation
from .page import Page
from .queries import ReservationQuery, ResultCodeQuery, check_vdn
from .records import Drift, Reservation, ResultCode, parse_reservation, parse_result_code
from .transport import Answer, Transport

T = TypeVar("T")


class Client:
    """Safe for any number of threads; make one per process and CC-iSales.

    Every method raises `queries.InvalidQuery` before any call when the question is out of bounds,
    and an `errors.ISalesError` when the call fails. ``deadline`` is in seconds for the whole call,
    retries included; without one the configured deadline holds. The clocks are described at
    `transport.Transport`.
    """

    def __init__(
        self,
        config: TransportConfig,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        rng: Callable[[], float] = random.random,
        observer: Observer | None = None,
    ) -> None:
        self._transport = Transport(
            config, clock=clock, monotonic=monotonic, sleep=sleep, rng=rng, observer=observer
        )

    def list_reservations(
        self, *, vdn: int, query: ReservationQuery, deadline: float | None = None
    ) -> Page[Reservation]:
        """One page of the reserved calls of a VDN.

        Vendor page: "Querying the List of Reserved Outbound Call Tasks".
        """
        answer = self._transport.call(
            LIST_RESERVATIONS, vdn=check_vdn(vdn), body=query.to_body(), deadline=deadline
        )
        return self._page(LIST_RESERVATIONS, answer, parse_reservation, query.page, query.size)

    def list_result_codes(
        self, *, vdn: int, query: ResultCodeQuery, deadline: float | None = None
    ) -> Page[ResultCode]:
        """One page of the OBS result codes of a VDN, described in the query's language.

        Vendor page: "Querying OBS Outbound Call Result Codes".
        """
        answer = self._transport.call(
            LIST_RESULT_CODES,
            vdn=check_vdn(vdn),
            query=query.to_query(),
            headers={"locale": query.locale} if query.locale else None,
            deadline=deadline,
        )
        return self._page(LIST_RESULT_CODES, answer, parse_result_code, query.page, query.size)

    def close(self) -> None:
        """Close the idle connections of all threads."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _page(
        self,
        operation: Operation,
        answer: Answer,
        parse: Callable[[object], tuple[T, Drift]],
        page: int,
        size: int,
    ) -> Page[T]:
        rows, total = answer.payload.rows, answer.payload.total
        items: list[T] = []
        # A dict keeps the order of arrival; each difference is told once a page.
        drift: dict[tuple[str, str], None] = {}
        try:
            for row in rows:
                item, found = parse(row)
                items.append(item)
                drift.update(dict.fromkeys(found))
        except BadAnswer as error:
            error.operation, error.request_id = operation.name, answer.request_id
            raise
        if len(rows) > size:
            drift[operation.envelope.rows, "oversize"] = None
        if rows and size * (page - 1) + len(rows) > total:
            drift[operation.envelope.total, "too_small"] = None
        for field, kind in drift:
            self._transport.observer.drift(operation.name, field, kind)
        return Page(items=tuple(items), total=total, page=page, size=size)
