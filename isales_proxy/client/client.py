"""The client of CC-iSales: one method per vendor interface, typed in and typed out."""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from .envelopes import TOTAL, ObsPayload, Payload
from .errors import BadAnswer
from .operations import (
    LIST_OUTBOUND_TASKS,
    LIST_RESERVATIONS,
    LIST_RESULT_CODES,
    PUSH_MID_RESULT,
    READ_CALL_DATA,
)
from .page import Page
from .queries import (
    CallDataQuery,
    IntermediateResult,
    ReservationQuery,
    ResultCodeQuery,
    check_cc_id,
    check_vdn,
)
from .records import CallDatum, OutboundTask, Record, Reservation, ResultCode
from .transport import Answer, Received, Transport

R = TypeVar("R", bound=Record)

# An answer may have this many rows more than requested. A vendor that ignores the page size may
# send thousands, which would take seconds to parse.
MAX_EXCESS_ROWS: Final = 100


class Client(Transport):
    """Safe for any number of threads; create one per process and CC-iSales.

    Every method raises `queries.InvalidQuery` before any call when an argument is out of bounds,
    and an `errors.ISalesError` when the call fails. ``deadline`` is in seconds for the whole call,
    retries and a new token included; the default is the configured deadline.
    """

    def list_reservations(
        self, *, vdn: int, query: ReservationQuery, deadline: float | None = None
    ) -> Page[Reservation]:
        """Fetch one page of the reserved calls of a VDN."""
        answer = self.call(
            LIST_RESERVATIONS, vdn=check_vdn(vdn), body=query.to_body(), deadline=deadline
        )
        return self._page_of(answer, Reservation, query)

    def list_result_codes(
        self, *, vdn: int, query: ResultCodeQuery, deadline: float | None = None
    ) -> Page[ResultCode]:
        """Fetch one page of the OBS result codes of a VDN, in the language of the query."""
        answer = self.call(
            LIST_RESULT_CODES,
            vdn=check_vdn(vdn),
            query=query.to_query(),
            headers={"locale": query.locale} if query.locale else None,
            deadline=deadline,
        )
        return self._page_of(answer, ResultCode, query)

    def list_outbound_tasks(
        self, *, vdn: int, cc_id: int, deadline: float | None = None
    ) -> tuple[OutboundTask, ...]:
        """Fetch the outbound tasks of a VDN that are being executed."""
        answer = self.call(
            LIST_OUTBOUND_TASKS,
            # Strings on this vendor page, integers on the two others.
            body={"subCCNo": str(check_cc_id(cc_id)), "vdnId": str(check_vdn(vdn))},
            deadline=deadline,
        )
        return self._items(answer, OutboundTask)

    def read_call_data(
        self,
        *,
        vdn: int,
        query: CallDataQuery,
        on_received: Callable[[Received], None],
        deadline: float | None = None,
    ) -> tuple[CallDatum, ...]:
        """Fetch a batch of call data, which the vendor may hand out only once.

        ``on_received`` is called with whatever arrived of the answer before it is decoded; its
        exceptions pass through. It is not called if nothing arrived. The request is never
        repeated; ``maybe_sent`` of an error tells whether it may have reached the vendor.
        """
        answer = self.call(
            READ_CALL_DATA, body=query.to_body(vdn=vdn), deadline=deadline, on_received=on_received
        )
        if len(answer.payload.rows) > query.batch_count:
            self.observer.drift(READ_CALL_DATA.name, "taskData", "oversize")
        return self._items(answer, CallDatum)

    def push_mid_result(
        self, *, result: IntermediateResult, deadline: float | None = None
    ) -> Answer[ObsPayload]:
        """Write back an intermediate result. The request is never repeated by itself."""
        return self.call(PUSH_MID_RESULT, body=result.to_body(), deadline=deadline)

    def _page_of(
        self, answer: Answer[Payload], record: type[R], query: ReservationQuery | ResultCodeQuery
    ) -> Page[R]:
        rows, total, size = answer.payload.rows, answer.payload.total, query.size
        name = answer.operation.name
        if len(rows) > size + MAX_EXCESS_ROWS:
            raise BadAnswer(
                "The answer holds far more rows than were asked for.",
                operation=name,
                request_id=answer.request_id,
                http_status=answer.http_status,
            )
        items = self._items(answer, record)
        if len(rows) > size:
            self.observer.drift(name, answer.payload.name, "oversize")
        if rows and size * (query.page - 1) + len(rows) > total:
            self.observer.drift(name, TOTAL, "too_small")
        # Version 2 of the format is the last in which equal values have equal bytes.
        digest = hashlib.blake2b(marshal.dumps(cast("Any", rows), 2), digest_size=16).hexdigest()
        return Page(items=items, total=total, page=query.page, size=size, digest=digest)

    def _items(self, answer: Answer[Any], record: type[R]) -> tuple[R, ...]:
        name = answer.operation.name
        items: list[R] = []
        # A dict keeps the order of arrival; each difference is reported once per answer.
        drift: dict[tuple[str, str], None] = {}
        try:
            for row in answer.payload.rows:
                item, found = record.parse(row)
                items.append(item)
                if found:
                    drift.update(dict.fromkeys(found))
        except BadAnswer as error:
            error.operation, error.request_id = name, answer.request_id
            raise
        for field, kind in drift:
            self.observer.drift(name, field, kind)
        return tuple(items)
