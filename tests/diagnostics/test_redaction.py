"""Reports of the API doctor contain no personal data and no secrets."""

from __future__ import annotations

import html
import logging
import random
import re
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from isales_proxy.diagnostics.report import describe_failure, render_text
from isales_proxy.simulator import (
    DEMO_ACCESS_KEY,
    DEMO_APP_KEY,
    DEMO_APP_SECRET,
    DEMO_SECRET_KEY,
    LIST_OUTBOUND_TASKS,
    LIST_RESERVATIONS,
    Simulator,
)
from tests.support.cases import cases
from tests.support.doctor import run_check

PAGE = "/vdn/88/doctor/"
# Request IDs, form tokens, fractions and microseconds hold any digits.
RANDOM = re.compile(
    r"\b[0-9a-f]{32}\b|name=\"csrfmiddlewaretoken\" value=\"\w+\"|\d+\.\d+|, \d{1,6}, tzinfo"
)


def secrets_of(vendor: Simulator) -> Iterator[str]:
    """Return what must stay unseen. Agents' bare numbers are too short to tell them from a
    duration."""
    yield from (DEMO_ACCESS_KEY, DEMO_SECRET_KEY, DEMO_APP_KEY, DEMO_APP_SECRET)
    yield vendor.base_url.removeprefix("http://")
    for row in vendor.dataset(88).select({}):
        names = (
            "calledNo",
            "callerNo",
            "appointId",
            "taskId",
            "taskName",
            "userName",
            "userAccount",
        )
        yield from map(row.text, names)
    for call in vendor.calls.filter(LIST_OUTBOUND_TASKS):
        yield call.headers["authorization"].removeprefix("Bearer ")


def assert_silent(text: str, vendor: Simulator) -> None:
    told = RANDOM.sub("", html.unescape(text))
    known = {secret for secret in secrets_of(vendor) if len(secret) > 4}
    assert len(known) > 20
    assert [secret for secret in known if secret in told] == []


def printed(*arguments: str) -> str:
    out = StringIO()
    try:
        call_command("check_vendor", *arguments, stdout=out)
    except CommandError as error:
        return f"{out.getvalue()}\n{error}"
    return out.getvalue()


@pytest.mark.thorough
@cases(
    "kind", [None, "reset", "garbage", "unauthorized", "throttle", "no_data", "wrong_total", "huge"]
)
@cases("operation", [LIST_RESERVATIONS, LIST_OUTBOUND_TASKS, None])
def test_no_number_name_account_key_or_token_is_shown(
    vendor: Simulator,
    as_role: Any,
    caplog: pytest.LogCaptureFixture,
    kind: str | None,
    operation: str | None,
) -> None:
    if kind is not None:
        vendor.faults.add(kind, operation=operation, times=None)
    admin = as_role("admin")
    with caplog.at_level(logging.DEBUG):
        shown = [
            admin.post(PAGE, headers={"HX-Request": "true"}).content.decode(),
            admin.get(PAGE).content.decode(),
            printed("--vdn", "88", "--probe"),
            repr(run_check(with_probes=True)),
        ]
    shown += [str(record.msg) for record in caplog.records]
    for text in shown:
        assert_silent(text, vendor)


@cases("seed", range(12))
def test_malformed_rows_leak_no_personal_data(
    simulated: Callable[..., Simulator], as_role: Any, seed: int
) -> None:
    """Rows of every wrong shape, with personal data everywhere."""
    rng = random.Random(seed)
    vendor = simulated(rows=0)
    names = ["calledNo", "userName", "userAccount", "taskName", "endTime", "remark", "91234567890"]
    for number in range(rng.randint(1, 30)):
        called = str(rng.randrange(10**9, 10**11))
        values = [called, f"Quirin {called}", int(called), {"x": called}, [called], None, ""]
        row = {name: rng.choice(values) for name in rng.sample(names, rng.randint(1, len(names)))}
        vendor.add_rows(
            88,
            [
                {"appointId": f"9{called}", "calledNo": called, "userName": "Quirin Unlikely"}
                | {"userAccount": f"quirin.{number}", "callerNo": called, "taskName": "Quirin's"}
                | {"taskId": f"quirin-{called}", called: called}
                | row
            ],
        )
    vendor.faults.add(
        "business", operation=LIST_RESERVATIONS, from_call=rng.randint(2, 9), desc=f"no {called}"
    )
    text = as_role("admin").post(PAGE, headers={"HX-Request": "true"}).content.decode()
    for shown in (text, printed("--vdn", "88", "--probe")):
        assert "quirin" not in shown.lower()
        assert not re.search(r"\d{9,}", RANDOM.sub("", shown))


def test_vendors_own_sentences_are_not_in_the_text_for_support(
    vendor: Simulator, as_role: Any
) -> None:
    words = "Ann Unlikely-Name is not reachable at 6591234567"
    vendor.faults.add("business", operation=LIST_RESERVATIONS, times=None, desc=words)
    report = run_check()
    for text in (render_text(report), printed(), describe_failure(report.failed[0])):
        assert "0200006" in text
        assert "Unlikely" not in text
        assert "6591234567" not in text
    page = as_role("admin").post(PAGE, headers={"HX-Request": "true"}).content.decode()
    assert "6591234567" not in page
    (for_support,) = re.findall(r"<textarea[^>]*>(.*?)</textarea>", page, re.DOTALL)
    assert "Unlikely" not in for_support
