"""Scripted faults: which call goes wrong, and how.

A rule matches an operation (or any), waits for its n-th call, and is used up after a number of
times (or never). Of the rules that match a call, the oldest one is played. The effect of a call
(call data handed out, a write-back recorded, a token issued) takes place before the fault shows,
except for the kinds marked * : those leave everything as it was.

kind            options (default)                  what the client meets
delay           seconds (1)                        the right answer, late
hold            -                                  the right answer after `release`
reset *         -                                  the connection is reset (RST)
close *         -                                  the connection ends unanswered
lose            -                                  the same, after the effect
status *        status (500), body, content_type   that HTTP status
throttle *      retry_after (1)                    429 with Retry-After
unauthorized *  status (401)                       that status, a body that is no JSON
redirect *      -                                  302 to /
garbage         -                                  200, JSON promised, noise delivered
html            -                                  200 with an HTML page
null            -                                  200 with the JSON text null
gzip            -                                  200, gzip promised, noise delivered
half_body       -                                  half the promised length, then the end
huge            size (16 MiB), declared (true)     size bytes; undeclared: chunked
wrong_total     -                                  totalCount is one too many
no_data         -                                  data, obsCodes, resultData or AccessToken missing
no_codes        drop (both)                        both, resultCode or returnCode missing; or result
business *      code (0200006), desc               a business error in the envelope
patch           fields                             envelope fields overwritten
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

from isales_proxy.simulator.operations import OPERATIONS

PREVENTING: Final = frozenset(
    {"reset", "close", "status", "throttle", "unauthorized", "redirect", "business"}
)
"""Kinds that keep the effect of a call from taking place."""
UNANSWERED: Final = frozenset({"reset", "close", "lose"})
_OPTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "delay": {"seconds": 1.0},
    "status": {"status": 500, "body": "Internal Server Error", "content_type": "text/plain"},
    "throttle": {"retry_after": 1},
    "unauthorized": {"status": 401},
    "huge": {"size": 16 * 1024 * 1024, "declared": True},
    "no_codes": {"drop": "both"},
    "business": {"code": "0200006", "desc": "Database error."},
    "patch": {"fields": {}},
}
"""Kind → its options and their defaults; the other kinds have none."""
KINDS: Final = _OPTIONS.keys() | {
    *("hold", "reset", "close", "lose", "redirect", "half_body"),
    *("garbage", "html", "null", "gzip", "wrong_total", "no_data"),
}

_NOISE: Final = b'\x00\xff{"resultCode":"0200000",\x80"data":[{]]}\xfe'
_PAGE: Final = b"<!DOCTYPE html><html><body><h1>Please sign in</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    content_type: str = "application/json;charset=UTF-8"
    headers: tuple[tuple[str, str], ...] = ()


UNAUTHORIZED: Final = Answer(401, b"Unauthorized", "text/plain; charset=UTF-8")


@dataclass(frozen=True, slots=True)
class Fault:
    """One misbehaviour with all its options; `released` ends a `hold`."""

    kind: str
    # Any: each kind has options of its own types, see `_OPTIONS`.
    options: Mapping[str, Any]
    released: threading.Event = field(default_factory=threading.Event, compare=False, repr=False)


@dataclass(slots=True)
class _Rule:
    number: int
    fault: Fault
    operation: str | None
    left: int | None
    from_call: int
    seen: int = 0


class Faults:
    """The rules of one simulator; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []
        self._unreleased: list[Fault] = []
        self._added = 0

    def add(
        self,
        kind: str,
        *,
        operation: str | None = None,
        times: int | None = 1,
        from_call: int = 1,
        **options: object,
    ) -> int:
        """Add a rule and return its number.

        `operation` None matches any; `times` None is for ever; `from_call` counts the
        matching calls from now on, the next one being 1. Raises ValueError for an unknown kind,
        option or operation.
        """
        defaults = _OPTIONS.get(kind, {})
        if kind not in KINDS or not defaults.keys() >= options.keys():
            raise ValueError(f"unknown fault or option: {kind} {sorted(options)}")
        if operation is not None and operation not in OPERATIONS:
            raise ValueError(f"unknown operation: {operation}")
        fault = Fault(kind, {**defaults, **options})
        with self._lock:
            self._added += 1
            self._unreleased.append(fault)
            self._rules.append(_Rule(self._added, fault, operation, times, from_call))
            return self._added

    def remove(self, number: int) -> None:
        with self._lock:
            self._rules = [rule for rule in self._rules if rule.number != number]

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()
        self.release()

    def release(self) -> None:
        """Let every held call go on; calls that a `hold` rule still meets are not held."""
        with self._lock:
            faults, self._unreleased = self._unreleased, []
        for fault in faults:
            fault.released.set()

    def take(self, operation: str) -> Fault | None:
        """Count one call of `operation` and return the fault to play, if any."""
        with self._lock:
            matching = [rule for rule in self._rules if rule.operation in (None, operation)]
            for rule in matching:
                rule.seen += 1
            due = [rule for rule in matching if rule.seen >= rule.from_call]
            if not due:
                return None
            rule = due[0]
            if rule.left is not None:
                rule.left -= 1
                if not rule.left:
                    self._rules.remove(rule)
            return rule.fault

    def pending(self) -> list[str]:
        """Return the kinds of the rules that are left."""
        with self._lock:
            return [rule.fault.kind for rule in self._rules]


def spoil(payload: Mapping[str, object], fault: Fault) -> dict[str, object]:
    """Return the payload as the faults on the level of the envelope leave it."""
    spoilt, dropped = dict(payload), set[str]()
    match fault.kind:
        case "wrong_total" if "totalCount" in spoilt:
            spoilt["totalCount"] = cast("int", spoilt["totalCount"]) + 1
        case "no_data":
            dropped = {"data", "obsCodes", "resultData", "AccessToken"}
        case "no_codes" if fault.options["drop"] == "both":
            dropped = {"resultCode", "returnCode", "result"}
        case "no_codes":
            dropped = {fault.options["drop"]}
        case "patch":
            spoilt |= fault.options["fields"]
    return {name: value for name, value in spoilt.items() if name not in dropped}


def replace_answer(answer: Answer, fault: Fault) -> Answer:
    """Return the answer that a fault puts in the place of the right one, or the right one."""
    match fault.kind:
        case "status":
            body = fault.options["body"].encode()
            return Answer(fault.options["status"], body, fault.options["content_type"])
        case "throttle":
            headers = (("Retry-After", str(fault.options["retry_after"])),)
            return Answer(429, b"Too many requests", "text/plain", headers)
        case "unauthorized":
            return replace(UNAUTHORIZED, status=fault.options["status"])
        case "redirect":
            return Answer(302, b"", "text/html", (("Location", "/"),))
        case "garbage":
            return Answer(200, _NOISE)
        case "html":
            return Answer(200, _PAGE, "text/html")
        case "null":
            return Answer(200, b"null")
        case "gzip":
            return Answer(200, _NOISE, headers=(("Content-Encoding", "gzip"),))
    return answer
