"""Scripted faults of single calls.

A fault matches an operation, or any, from its n-th call on, a number of times or always. Of the
faults that match a call the oldest is applied. The call takes effect (call data handed out, a
write-back recorded, a token issued) before the fault, unless its kind prevents that.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from isales_proxy.simulator.messages import UNAUTHORIZED, Answer, json_answer
from isales_proxy.simulator.operations import OPERATIONS


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: default options, and a fixed answer if it has one.

    `prevents`: the call has no effect. `unanswered`: nothing is sent.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    answer: Answer | None = None
    prevents: bool = False
    unanswered: bool = False


_NOISE: Final = b'\x00\xff{"resultCode":"0200000",\x80"data":[{]]}\xfe'
_PAGE: Final = b"<!DOCTYPE html><html><body><h1>Please sign in</h1></body></html>"
_ERROR: Final = {"status": 500, "body": "Internal Server Error", "content_type": "text/plain"}

KINDS: Final = {
    # The correct answer, late, or after `release`.
    "delay": Kind({"seconds": 1.0}),
    "hold": Kind(),
    # The connection is reset (RST) or closed; with `lose` after the effect.
    "reset": Kind(prevents=True, unanswered=True),
    "close": Kind(prevents=True, unanswered=True),
    "lose": Kind(unanswered=True),
    # Another HTTP status.
    "status": Kind(_ERROR, prevents=True),
    "throttle": Kind({"retry_after": 1}, prevents=True),
    "unauthorized": Kind({"status": 401}, prevents=True),
    "redirect": Kind(answer=Answer(302, b"", "text/html", (("Location", "/"),)), prevents=True),
    # Another body; `gzip` declares it as compressed.
    "garbage": Kind(answer=Answer(200, _NOISE)),
    "html": Kind(answer=Answer(200, _PAGE, "text/html")),
    "null": Kind(answer=Answer(200, b"null")),
    "gzip": Kind(answer=Answer(200, _NOISE, headers=(("Content-Encoding", "gzip"),))),
    # Half of the declared length; or `size` bytes, with or without declaring it.
    "half_body": Kind(),
    "huge": Kind({"size": 16 * 1024 * 1024, "declared": True}),
    # The envelope: a total too large by one; no records or token; no codes, or other fields left
    # out; a business error; with some fields replaced.
    "wrong_total": Kind(),
    "no_data": Kind({"drop": ("data", "obsCodes", "resultData", "AccessToken")}),
    "no_codes": Kind({"drop": ("resultCode", "returnCode", "result")}),
    "business": Kind({"code": "0200006", "desc": "Database error."}, prevents=True),
    "patch": Kind({"fields": {}}),
}


@dataclass(slots=True, eq=False)
class Fault:
    """One fault with all its options: `left` times from the matching call `from_call` on."""

    name: str
    kind: Kind
    options: Mapping[str, Any]
    operation: str | None
    left: float
    from_call: int
    seen: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    def replace(self, answer: Answer) -> Answer:
        """Return the answer with the fault; the correct one if the fault does not change it."""
        options = self.options
        match self.name:
            case "status":
                return Answer(options["status"], options["body"].encode(), options["content_type"])
            case "throttle":
                headers = (("Retry-After", str(options["retry_after"])),)
                return Answer(429, b"Too many requests", "text/plain", headers)
            case "unauthorized":
                return replace(UNAUTHORIZED, status=options["status"])
            case "huge":
                # Leading blanks are valid JSON: only the size is wrong.
                body = answer.body.rjust(options["size"])
                return replace(answer, body=body, declared=options["declared"])
            case "wrong_total" | "no_data" | "no_codes" | "patch" if answer.status == 200:
                payload = json.loads(answer.body) | options.get("fields", {})
                if self.name == "wrong_total" and "totalCount" in payload:
                    payload["totalCount"] += 1
                dropped = options.get("drop", ())
                kept = {name: value for name, value in payload.items() if name not in dropped}
                return json_answer(kept)
        return self.kind.answer or answer


class Faults:
    """The faults of one simulator; thread-safe."""

    def __init__(self) -> None:
        self._counting = threading.Lock()
        # Including used ones, whose calls may still be held.
        self._faults: list[Fault] = []

    def add(
        self,
        kind: str,
        *,
        operation: str | None = None,
        times: int | None = 1,
        from_call: int = 1,
        **options: object,
    ) -> Fault:
        """Add a fault and return it.

        `operation` None matches any; `times` None means always; `from_call` counts the matching
        calls from now on, the next one being 1. Raises ValueError for an unknown kind, option or
        operation.
        """
        found = KINDS.get(kind)
        if found is None or not found.options.keys() >= options.keys():
            raise ValueError(f"unknown fault or option: {kind} {sorted(options)}")
        if operation not in (None, *(known.name for known in OPERATIONS.values())):
            raise ValueError(f"unknown operation: {operation}")
        left = math.inf if times is None else times
        fault = Fault(kind, found, {**found.options, **options}, operation, left, from_call)
        self._faults.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """End a fault; calls that it holds stay held."""
        fault.left = 0

    def clear(self) -> None:
        self.release()
        self._faults.clear()

    def release(self) -> None:
        """Release all held calls; present `hold` faults no longer hold calls."""
        for fault in self._faults:
            fault.released.set()

    def take(self, operation: str) -> Fault | None:
        """Count one call of `operation` and return the fault to apply, if any."""
        with self._counting:
            matching = [one for one in self._faults if one.operation in (None, operation)]
            for fault in matching:
                fault.seen += 1
            due = [one for one in matching if one.left and one.seen >= one.from_call]
            if not due:
                return None
            due[0].left -= 1
            return due[0]
