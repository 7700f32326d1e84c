"""`/__sim__/…`: scripting the simulator from another process, JSON, loopback only.

POST   /__sim__/faults   one fault or a list: {"kind": "delay", "operation": "appoint/list",
                         "times": 1 or null, "from_call": 1, "seconds": 2} -> {"ids": [...]}
GET    /__sim__/faults   the rules that are left
DELETE /__sim__/faults   all rules away, held calls released
POST   /__sim__/release  let held calls go on
GET    /__sim__/calls    the calls kept, oldest first
DELETE /__sim__/calls    forget them
POST   /__sim__/codes    add or reword: {"code": "90099", "en": "…", "zh": "…"};
                         take out: {"code": "90099", "remove": true}
POST   /__sim__/rows     {"vdn": 88, "rows": [{…vendor's spelling…}]}, answered as given
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from isales_proxy.simulator.wire import NOT_FOUND, Answer

if TYPE_CHECKING:
    from isales_proxy.simulator.app import Simulator

PREFIX: Final = "/__sim__/"


def is_local(client: str, host: str) -> bool:
    """Whether both ends are loopback; the Host counts, since a browser can be lured here."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    try:
        from_here = ipaddress.ip_address(client).is_loopback
        to_here = name == "localhost" or ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
    return from_here and to_here


def answer(simulator: Simulator, method: str, path: str, body: bytes) -> Answer:
    """Carry out one control request; 400 with a sentence for whatever is wrong with it."""
    try:
        result = _carry_out(simulator, method, path, body)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        return _json(400, {"error": f"{type(error).__name__}: {error}"[:300]})
    return NOT_FOUND if result is None else _json(200, result)


def _json(status: int, value: object) -> Answer:
    return Answer(status, json.dumps(value, ensure_ascii=False).encode())


def _carry_out(
    simulator: Simulator, method: str, path: str, body: bytes
) -> Mapping[str, object] | None:
    match method, path.removeprefix(PREFIX):
        case "POST", "faults":
            parsed = json.loads(body)
            specs = parsed if isinstance(parsed, list) else [parsed]
            return {"ids": [simulator.faults.add(**_object(spec)) for spec in specs]}
        case "GET", "faults":
            return {"faults": simulator.faults.pending()}
        case "DELETE", "faults":
            simulator.faults.clear()
            return {}
        case "POST", "release":
            simulator.faults.release()
            return {}
        case "GET", "calls":
            return {"calls": [call.as_json() for call in simulator.calls]}
        case "DELETE", "calls":
            simulator.calls.clear()
            return {}
        case "POST", "codes":
            given = _object(json.loads(body))
            if given.get("remove"):
                simulator.codes.remove(str(given["code"]))
            else:
                simulator.codes.put(str(given["code"]), str(given["en"]), str(given["zh"]))
            return {}
        case "POST", "rows":
            given = _object(json.loads(body))
            simulator.add_rows(given["vdn"], [_object(row) for row in given["rows"]])
            return {}
    return None


# Any: the keyword arguments of a fault, which `Faults.add` checks itself.
def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("a JSON object is expected")
    return cast("dict[str, Any]", value)
