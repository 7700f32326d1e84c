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
GET    /__sim__/call-data    how many rows of each task are left
POST   /__sim__/call-data    {"vdn": 88, "service_id": "1106025109", "rows": [{…}]}: handed out
                             next, as given; a task that was unknown is executed from now on
GET    /__sim__/write-backs  the bodies of all that was written back, oldest first
DELETE /__sim__/write-backs  forget them
DELETE /__sim__/tokens       end every token
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
        case "GET", "call-data":
            return {
                "call_data": [
                    {"vdn": vdn, "service_id": service_id, "remaining": left}
                    for (vdn, service_id), left in simulator.call_data.counts().items()
                ]
            }
        case "POST", "call-data":
            given = _object(json.loads(body))
            rows = [_object(row) for row in given["rows"]]
            simulator.call_data.put(given["vdn"], str(given["service_id"]), rows)
            return {}
        case "GET", "write-backs":
            return {"write_backs": list(simulator.write_backs)}
        case "DELETE", "write-backs":
            simulator.write_backs.clear()
            return {}
        case "DELETE", "tokens":
            simulator.tokens.revoke_all()
            return {}
    return None


# Any: the keyword arguments of a fault, which `Faults.add` checks itself.
def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("a JSON object is expected")
    return cast("dict[str, Any]", value)
