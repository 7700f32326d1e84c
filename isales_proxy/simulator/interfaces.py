"""The two campaign interfaces: a verified request becomes an answer in the vendor's envelope.

Vendor pages: "Querying the List of Reserved Outbound Call Tasks" (`appoint/list`) and
"Querying OBS Outbound Call Result Codes" (`queryOBSResultCode`). Failures that the vendor
reports by code are HTTP 200, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from isales_proxy.simulator.codes import CodeBook
from isales_proxy.simulator.data import Dataset
from isales_proxy.simulator.faults import Fault
from isales_proxy.simulator.parameters import CodesRequest, ListRequest, ParameterError

Payload = dict[str, object]

SUCCESS: Final = "0200000"


def reservations(
    dataset: Dataset, request: ListRequest, *, now_ms: int, fault: Fault | None
) -> Payload:
    """A page of `appoint/list` as it stands at `now_ms`."""
    found = dataset.select(request.wanted)
    start, total = request.offset, len(found)
    if request.offset and fault is not None and fault.kind == "shift":
        start = max(0, start + fault.integer("by"))
        total = max(0, total + fault.integer("grow"))
    page = found[start : start + request.limit]
    rows = [row.shown_at(now_ms) for row in page]
    return _envelope(SUCCESS, "success") | {"totalCount": total, "data": rows}


def result_codes(codes: CodeBook, request: CodesRequest, *, fault: Fault | None) -> Payload:
    """A page of `queryOBSResultCode` in the language asked for."""
    known = codes.all()
    start, total = request.size * (request.page - 1), len(known)
    if start and fault is not None and fault.kind == "shift":
        start = max(0, start + fault.integer("by"))
        total = max(0, total + fault.integer("grow"))
    rows = [
        {"obsCodeDesc": code.described_in(request.locale), "obsCode": code.code}
        for code in known[start : start + request.size]
    ]
    return _envelope(SUCCESS, "query queryOBSResultCode Success!") | {
        "totalCount": total,
        "obsCodes": rows,
    }


def refusal(error: ParameterError) -> Payload:
    """The answer to parameters that were refused."""
    return _envelope(error.code, error.sentence)


def spoil(payload: Payload, fault: Fault) -> Payload:
    """The payload as the faults on the level of the envelope leave it."""
    spoilt = dict(payload)
    match fault.kind:
        case "wrong_total" if isinstance(payload.get("totalCount"), int):
            total = fault.options["total"]
            right = cast("int", payload["totalCount"])
            spoilt["totalCount"] = right + fault.integer("delta") if total is None else total
        case "no_data":
            _drop(spoilt, ("data", "obsCodes"))
        case "no_codes":
            drop = fault.text("drop")
            _drop(spoilt, ("resultCode", "returnCode") if drop == "both" else (drop,))
        case "business":
            spoilt = _envelope(fault.text("code"), fault.text("desc"))
        case "patch":
            spoilt.update(fault.fields())
    return spoilt


def _drop(payload: Payload, names: Sequence[str]) -> None:
    for name in names:
        payload.pop(name, None)


def _envelope(code: str, sentence: str) -> Payload:
    return {
        "resultCode": code,
        "resultDesc": sentence,
        "returnCode": code,
        "returnDesc": sentence,
    }
