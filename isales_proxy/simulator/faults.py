"""Scripted faults: which call goes wrong, and how.

A rule matches an operation (or any), waits for its n-th call, and is used up after a
number of times (or never). Of the rules that match a call, the oldest one is played.

What a call asks for (handing out call data, recording a write-back, issuing a token) is done
before the fault shows, except for the kinds marked * : those leave everything as it was.

kind            options (default)                          what the client meets
delay           seconds (1)                                the right answer, late
hold            -                                          the right answer after `release`
reset *         -                                          the connection is reset (RST)
close *         -                                          the connection ends unanswered
lose            -                                          the same, and yet the work is done
status *        status (500), body, content_type           that HTTP status
throttle *      retry_after (1), status (429)              429 with Retry-After (null: without)
unauthorized *  status (401)                               401 with a body that is no JSON
redirect *      location (/), status (302)                 a redirect
garbage         -                                          200, JSON promised, noise delivered
html            -                                          200 with an HTML page
null            -                                          200 with the JSON text null
gzip            -                                          200, gzip promised, noise delivered
half_body       -                                          half the promised length, then the end
drip            chunk (1), interval (0.05), limit (null)   the answer in crumbs, then the rest
huge            size (16 MiB), declared (true)             size bytes; undeclared: chunked
wrong_total     total or delta (+1)                        totalCount is wrong
no_data         -                                          data / obsCodes / resultData is missing
no_codes        drop (both)                                both, resultCode or returnCode missing;
                                                           of the OBS interfaces, result
business *      code (0200006), desc (database error)      a business error in the envelope
patch           fields                                     envelope fields overwritten
shift           by (1), grow (0)                           rows move by k after the first page,
                                                           totalCount grows there
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, cast

from isales_proxy.simulator.operations import OPERATIONS

NOT_CARRIED_OUT: Final = frozenset(
    {"reset", "close", "status", "throttle", "unauthorized", "redirect", "business"}
)
UNANSWERED: Final = frozenset({"reset", "close", "lose"})

_NUMBER: Final = (int, float)
_NOTHING: Final[dict[str, tuple[tuple[type, ...], object]]] = {}
_KINDS: Final[dict[str, dict[str, tuple[tuple[type, ...], object]]]] = {
    "delay": {"seconds": (_NUMBER, 1.0)},
    "hold": _NOTHING,
    "reset": _NOTHING,
    "close": _NOTHING,
    "lose": _NOTHING,
    "status": {
        "status": ((int,), 500),
        "body": ((str,), "Internal Server Error"),
        "content_type": ((str,), "text/plain"),
    },
    "throttle": {
        "retry_after": ((int, float, str, type(None)), 1),
        "status": ((int,), 429),
    },
    "unauthorized": {"status": ((int,), 401)},
    "redirect": {"location": ((str,), "/"), "status": ((int,), 302)},
    "garbage": _NOTHING,
    "html": _NOTHING,
    "null": _NOTHING,
    "gzip": _NOTHING,
    "half_body": _NOTHING,
    "drip": {
        "chunk": ((int,), 1),
        "interval": (_NUMBER, 0.05),
        "limit": ((int, type(None)), None),
    },
    "huge": {"size": ((int,), 16 * 1024 * 1024), "declared": ((bool,), True)},
    "wrong_total": {
        "total": ((int, str, type(None)), None),
        "delta": ((int,), 1),
    },
    "no_data": _NOTHING,
    "no_codes": {"drop": ((str,), "both")},
    "business": {"code": ((str,), "0200006"), "desc": ((str,), "Database error.")},
    "patch": {"fields": ((dict,), MappingProxyType({}))},
    "shift": {"by": ((int,), 1), "grow": ((int,), 0)},
}
KINDS: Final = frozenset(_KINDS)


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one call; `make_fault` saw to it that every option is there."""

    kind: str
    options: Mapping[str, object] = field(default_factory=dict)
    released: threading.Event = field(default_factory=threading.Event, compare=False, repr=False)

    def integer(self, name: str) -> int:
        """An option that is a whole number."""
        return cast("int", self.options[name])

    def seconds(self, name: str) -> float:
        """An option that is a number of seconds."""
        return float(cast("float", self.options[name]))

    def text(self, name: str) -> str:
        """An option as text."""
        return str(self.options[name])

    def fields(self) -> Mapping[str, object]:
        """The fields that a `patch` overwrites."""
        return cast("Mapping[str, object]", self.options["fields"])


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
        self._holding: list[threading.Event] = []
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
        matching calls from now on, the next one being 1. ValueError for anything unknown.
        """
        fault = make_fault(kind, options)
        if operation is not None and operation not in OPERATIONS:
            raise ValueError(f"unknown operation, known are {', '.join(sorted(OPERATIONS))}")
        if times is not None and (not _is_int(times) or times < 1):
            raise ValueError("times: a whole number from 1, or null for ever")
        if not _is_int(from_call) or from_call < 1:
            raise ValueError("from_call: a whole number from 1")
        with self._lock:
            self._added += 1
            if kind == "hold":
                self._holding.append(fault.released)
            self._rules.append(_Rule(self._added, fault, operation, times, from_call))
            return self._added

    def remove(self, number: int) -> None:
        """Take a rule away; one that is gone already is no error."""
        with self._lock:
            self._rules = [rule for rule in self._rules if rule.number != number]

    def clear(self) -> None:
        """Take all rules away and release what is held."""
        with self._lock:
            self._rules.clear()
        self.release()

    def release(self) -> None:
        """Let every held call go on; calls that a `hold` rule still meets are not held."""
        with self._lock:
            holding, self._holding = self._holding, []
        for released in holding:
            released.set()

    def take(self, operation: str) -> Fault | None:
        """Count one call of `operation` and return the fault to play, if any."""
        taken: _Rule | None = None
        with self._lock:
            for rule in self._rules:
                if rule.operation not in (None, operation):
                    continue
                rule.seen += 1
                if taken is None and rule.seen >= rule.from_call:
                    taken = rule
            if taken is None:
                return None
            if taken.left is not None:
                taken.left -= 1
                if not taken.left:
                    self._rules.remove(taken)
            return taken.fault

    def pending(self) -> list[dict[str, object]]:
        """The rules that are left, as plain data."""
        with self._lock:
            return [
                {
                    "id": rule.number,
                    "kind": rule.fault.kind,
                    "operation": rule.operation,
                    "times": rule.left,
                    "from_call": rule.from_call,
                    "seen": rule.seen,
                }
                for rule in self._rules
            ]


def make_fault(kind: str, options: Mapping[str, object]) -> Fault:
    """A fault with every option checked and defaulted; ValueError names what is wrong."""
    known = _KINDS.get(kind)
    if known is None:
        raise ValueError(f"unknown kind of fault, known are {', '.join(sorted(KINDS))}")
    for name, value in options.items():
        if name not in known:
            raise ValueError(f"{kind} has no option {name}")
        types = known[name][0]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise ValueError(f"{kind}: {name} has the wrong type")
    complete = {name: options.get(name, default) for name, (_, default) in known.items()}
    if kind == "no_codes" and complete["drop"] not in ("both", "resultCode", "returnCode"):
        raise ValueError("no_codes: drop is both, resultCode or returnCode")
    for name in ("seconds", "interval", "chunk", "size"):
        value = complete.get(name, 1)
        if isinstance(value, int | float) and not 0 <= value <= 2**31:
            raise ValueError(f"{kind}: {name} is out of range")
    if kind == "drip" and not complete["chunk"]:
        raise ValueError("drip: chunk is a whole number from 1")
    return Fault(kind, complete)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
