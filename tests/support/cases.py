"""One test of one claim over many cases, in the place of one test for each case."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import wraps
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction

from isales_proxy.simulator import Simulator

Test = Callable[..., None]

# Fixtures of the client's tests with a method `forget`.
_FORGETFUL = ("stub", "notes", "time")


def cases(names: str | tuple[str, ...], values: Iterable[Any]) -> Callable[[Test], Test]:
    """Run the decorated test with each of `values`, as `pytest.mark.parametrize` does, as one test.

    Every case is reported as a subtest with its number and its arguments, and a case that fails
    keeps no other from running. What a case does to the database or to the vendor's timeouts is
    undone before the next one; the simulator forgets its calls and faults, and the fixtures of
    `_FORGETFUL` all that they know. Other fixtures are shared. So a test that changes those
    (settings, monkeypatch, the vendor's data) is to be parametrized.
    """
    keys = tuple(map(str.strip, names.split(","))) if isinstance(names, str) else names
    listed = [value if len(keys) > 1 else (value,) for value in values]
    assert listed, "no case"

    def decorate(test: Test) -> Test:
        parameters = inspect.signature(test).parameters
        kept = [each for name, each in parameters.items() if name not in keys]
        added = [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
            for name in ("request", "subtests")
            if name not in parameters
        ]

        @wraps(test)
        def merged(**fixtures: Any) -> None:
            request: pytest.FixtureRequest = fixtures["request"]
            subtests: pytest.Subtests = fixtures["subtests"]
            given = {name: value for name, value in fixtures.items() if name in parameters}
            for number, value in enumerate(listed):
                case = dict(zip(keys, value, strict=True))
                shown = {name: repr(each)[:80] for name, each in case.items()}
                with subtests.test(str(number), **shown), _undone(request):
                    test(**given, **case)

        merged.__signature__ = inspect.Signature([*kept, *added])  # type: ignore[attr-defined]
        return merged

    return decorate


def _undone(request: pytest.FixtureRequest) -> ExitStack:
    """Return a context after which the database, the simulator and the caches are as before."""
    stack = ExitStack()
    names = request.fixturenames
    if "db" in names or request.node.get_closest_marker("django_db"):
        around = transaction.atomic()
        # Durable blocks are allowed in it, as in the transaction around a whole test.
        around._from_testcase = True  # type: ignore[attr-defined]
        stack.enter_context(around)
        stack.callback(transaction.set_rollback, True)
    if "caplog" in names:
        stack.callback(request.getfixturevalue("caplog").clear)
    if "vendor" in names:
        vendor = request.getfixturevalue("vendor")
        if isinstance(vendor, Simulator):
            stack.callback(vendor.calls.clear)
            stack.callback(vendor.faults.clear)
            # A slow fault makes its timeouts short.
            stack.callback(setattr, settings, "ISALES", settings.ISALES)
    for name in _FORGETFUL:
        if name in names:
            stack.callback(request.getfixturevalue(name).forget)
    stack.callback(request.getfixturevalue("forget"))
    return stack
