"""The envelope of the OBS interfaces: `result`, and `resultData` where there is something to say.

`result` is declared a string and is the number 0 in the examples; the tables put the fields into
`resultData` itself, the examples into `resultData.taskData[]`. Both are settings here. Which codes
stand for which refusal is ours, as is `resultDesc`: the vendor publishes neither.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from isales_proxy.simulator.faults import Fault
from isales_proxy.simulator.parameters import ParameterError
from isales_proxy.simulator.wire import Answer, Outcome

NO_SUCH_CALL_CENTRE: Final = "1101"
NO_SUCH_VDN: Final = "1102"
NO_SUCH_TASK: Final = "1103"
TASK_NOT_EXECUTED: Final = "1104"


class Refusal(Exception):
    """A well-formed request that is refused as business: `code` and a sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


class Envelope:
    """Writes answers; `as_text` makes `result` and durations text, `flat` leaves out `taskData`."""

    def __init__(self, *, as_text: bool, flat: bool) -> None:
        self._as_text = as_text
        self._flat = flat

    def number(self, value: int) -> int | str:
        """A number that is declared a string."""
        return str(value) if self._as_text else value

    def code(self, code: str) -> int | str:
        """A value of `result`: a number unless it would lose something, or is to be text."""
        plain = code.isascii() and code.isdigit() and str(int(code)) == code
        return int(code) if plain and not self._as_text else code

    def listed(self, records: Sequence[dict[str, object]]) -> object:
        """The `resultData` of some records; flat, one stands alone, and none leaves it empty."""
        if not self._flat:
            return {"taskData": list(records)}
        if len(records) == 1:
            return records[0]
        return list(records) or {}

    def success(self, data: object = None, fault: Fault | None = None) -> Outcome:
        """An answer with `result` 0, as the envelope faults leave it; None: no `resultData`."""
        payload: dict[str, object] = {"result": self.code("0")}
        if data is not None:
            payload["resultData"] = data
        if fault is not None:
            match fault.kind:
                case "no_data":
                    payload.pop("resultData", None)
                case "no_codes":
                    del payload["result"]
                case "patch":
                    payload.update(fault.fields())
        return _outcome(200, payload, verified=True)

    def refusal(self, code: str, sentence: str) -> Outcome:
        """A refusal as business: HTTP 200 with another `result` than 0."""
        return _outcome(200, {"result": self.code(code), "resultDesc": sentence}, verified=True)

    def wrong(self, error: ParameterError, *, verified: bool) -> Outcome:
        """HTTP 400 for parameters that no page allows."""
        payload: dict[str, object] = {"result": self.code(error.code), "resultDesc": error.sentence}
        return _outcome(400, payload, verified=verified)

    def prevented(self, fault: Fault) -> Outcome:
        """The answer when a fault keeps the work from being done; `business` shows it."""
        if fault.kind == "business":
            return self.refusal(fault.text("code"), fault.text("desc"))
        return Outcome(Answer(200, b""), verified=True)


def _outcome(status: int, payload: dict[str, object], *, verified: bool) -> Outcome:
    code = payload.get("result")
    return Outcome(
        Answer(status, json.dumps(payload, ensure_ascii=False).encode()),
        verified=verified,
        code=None if code is None else str(code),
    )
