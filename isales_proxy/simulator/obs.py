"""The OBS desk: outbound tasks, call data and write-backs, for a bearer token.

Vendor pages: "Interface for Obtaining Outbound Call Tasks", "Interface for Reading Outbound Call
Data" and "Interface for Writing back Intermediate Results". Call data that were read are gone:
the pages do not say so, but a client has to be ready for it.
"""

from __future__ import annotations

from collections.abc import Mapping

from isales_proxy.simulator.call_data import CallData
from isales_proxy.simulator.faults import NOT_CARRIED_OUT, Fault
from isales_proxy.simulator.obs_envelope import (
    NO_SUCH_CALL_CENTRE,
    NO_SUCH_TASK,
    NO_SUCH_VDN,
    TASK_NOT_EXECUTED,
    Envelope,
    Refusal,
)
from isales_proxy.simulator.obs_parameters import (
    CallDataRequest,
    Place,
    check_json,
    read_call_data_request,
    read_tasks_request,
    read_write_back,
)
from isales_proxy.simulator.operations import LIST_OUTBOUND_TASKS, READ_CALL_DATA
from isales_proxy.simulator.parameters import ParameterError
from isales_proxy.simulator.server import Request
from isales_proxy.simulator.tokens import Tokens, bearer_of
from isales_proxy.simulator.wire import METHOD_NOT_ALLOWED, UNAUTHORIZED, Outcome
from isales_proxy.simulator.write_backs import WriteBacks


class ObsDesk:
    """Answers the three business calls; `header` names the header that carries the token."""

    def __init__(
        self,
        *,
        vdns: frozenset[int],
        cc_id: int,
        tokens: Tokens,
        call_data: CallData,
        write_backs: WriteBacks,
        header: str,
        max_batch: int,
        envelope: Envelope,
    ) -> None:
        self._vdns = vdns
        self._cc_id = cc_id
        self._tokens = tokens
        self._call_data = call_data
        self._write_backs = write_backs
        self._header = header.lower()
        self._max_batch = max_batch
        self._envelope = envelope

    def answer(
        self,
        request: Request,
        operation: str,
        query: list[tuple[str, str]],
        fault: Fault | None,
    ) -> Outcome:
        """The answer as the envelope faults leave it; the work is done unless `fault` forbids."""
        if not self._tokens.is_valid(bearer_of(request.headers.get(self._header))):
            return Outcome(UNAUTHORIZED, verified=False)
        if request.method != "POST":
            return Outcome(METHOD_NOT_ALLOWED, verified=True)
        if fault is not None and fault.kind in NOT_CARRIED_OUT:
            return self._envelope.prevented(fault)
        try:
            body = check_json(request, query)
            if operation == LIST_OUTBOUND_TASKS:
                return self._tasks(body, fault)
            if operation == READ_CALL_DATA:
                return self._rows(read_call_data_request(body, max_batch=self._max_batch), fault)
            return self._written_back(body, fault)
        except ParameterError as error:
            return self._envelope.wrong(error, verified=True)
        except Refusal as error:
            return self._envelope.refusal(error.code, error.sentence)

    def _tasks(self, body: Mapping[str, object], fault: Fault | None) -> Outcome:
        place = read_tasks_request(body)
        self._check(place)
        tasks: list[dict[str, object]] = [
            {"serviceId": service_id} for service_id in self._call_data.tasks(place.vdn)
        ]
        return self._envelope.success(self._envelope.listed(tasks), fault)

    def _rows(self, wanted: CallDataRequest, fault: Fault | None) -> Outcome:
        vdn = wanted.place.vdn
        self._check(wanted.place)
        service_id = self._call_data.known(vdn, wanted.service_id)
        if service_id is None:
            raise Refusal(NO_SUCH_TASK, "serviceId: the task does not exist.")
        if service_id not in self._call_data.tasks(vdn):
            raise Refusal(TASK_NOT_EXECUTED, "serviceId: the task is not being executed.")
        rows = self._call_data.take(vdn, service_id, wanted.count)
        return self._envelope.success(self._envelope.listed(rows), fault)

    def _written_back(self, body: Mapping[str, object], fault: Fault | None) -> Outcome:
        wanted = read_write_back(body)
        self._check(wanted.place)
        if self._call_data.known(wanted.place.vdn, wanted.service_id) is None:
            raise Refusal(NO_SUCH_TASK, "serviceId: the task does not exist.")
        self._write_backs.add(wanted.body)
        return self._envelope.success(None, fault)

    def _check(self, place: Place) -> None:
        if place.cc_id != self._cc_id:
            raise Refusal(NO_SUCH_CALL_CENTRE, "subCCNo: the call center does not exist.")
        if place.vdn not in self._vdns:
            raise Refusal(NO_SUCH_VDN, "vdnId: the VDN does not exist.")
