"""No test's result depends on the hour or the date at which it runs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.cases import cases

TESTS = Path(__file__).resolve().parents[1]
NOW = {"now", "utcnow", "today", "localtime", "localdate"}
# What is read off a moment: it is another one at midnight, at the end of a year, in summer.
PARTS = {
    "replace", "date", "time", "year", "month", "day", "hour", "minute", "second", "weekday",
    "isoweekday", "isocalendar", "strftime", "timetuple", "ctime",
}  # fmt: skip

PARTS_OF_A_DATE = {"year", "month", "day"}


def is_now(node: ast.AST) -> bool:
    """Tell whether the expression is the present moment, or one at a distance from it."""
    if isinstance(node, ast.BinOp):
        return is_now(node.left) or is_now(node.right)
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    if isinstance(called, ast.Attribute):
        return called.attr in NOW or (called.attr == "astimezone" and is_now(called.value))
    return isinstance(called, ast.Name) and called.id in {"localdate", "localtime"}


def is_constant(node: ast.AST) -> bool:
    """Tell whether the expression is a constant of a module."""
    return isinstance(node, ast.Name) and node.id.isupper()


def faults(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in PARTS and is_now(node.value):
            yield f"{node.lineno}: .{node.attr} of the present moment"
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        name = node.func.attr
        # On 29 February another year has no such day.
        named = {each.arg for each in node.keywords}
        if name == "replace" and named & PARTS_OF_A_DATE and not is_constant(node.func.value):
            yield f"{node.lineno}: a part replaced of a moment that is no constant"
        if name in {"today", "localdate"} or (name == "now" and not node.args and _naive(node)):
            yield f"{node.lineno}: {name}()"
        if name == "travel" and any(is_now(each) for each in node.args):
            yield f"{node.lineno}: travel() from the present moment"


def _naive(node: ast.Call) -> bool:
    value = node.func.value if isinstance(node.func, ast.Attribute) else None
    return isinstance(value, ast.Name) and value.id == "datetime" and not node.keywords


def test_no_test_depends_on_the_hour_or_the_date() -> None:
    wrong = {
        str(path.relative_to(TESTS)): found
        for path in sorted(TESTS.rglob("*.py"))
        if (found := list(faults(path.read_text("utf-8"))))
    }
    assert wrong == {}, "take the fixture `clock`, or a moment of tests/support/clock.py"


@cases(
    "code",
    [
        "timezone.now().replace(hour=12)",
        "(timezone.now() - timedelta(days=1)).date()",
        "datetime.now(UTC).year - 1",
        "timezone.now().astimezone(ZONE).weekday()",
        "date.today()",
        "timezone.localdate()",
        "datetime.now()",
        "time_machine.travel(timezone.now() + timedelta(days=8), tick=True)",
        "person.date_joined.replace(year=2027)",
    ],
)
def test_code_that_depends_on_the_hour_or_date_is_found(code: str) -> None:
    assert list(faults(code))


@cases(
    "code",
    [
        "timezone.now() - timedelta(days=3)",
        "datetime.now(UTC)",
        "outbox.now()",
        "travel(NOON, tick=True)",
        "NOON.replace(hour=1)",
    ],
)
def test_code_independent_of_the_hour_or_date_is_accepted(code: str) -> None:
    assert not list(faults(code))
