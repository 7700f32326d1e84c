"""The same request many times at once, to a real server, is carried out once."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import requests

from isales_proxy.simulator import READ_CALL_DATA, Simulator
from tests.support.outbox import TASK
from tests.support.pages import form_of
from tests.support.web import collect_static_files, on_postgres, serving, token
from tests.support.workers import Site, embedded

pytestmark = pytest.mark.processes

AT_ONCE = 6
FIELDS = {"unique_id": "21713676089219765504", "service_id": TASK, "fail_code": "00604"}

Places = Callable[[Simulator, Path], AbstractContextManager[Site]]


@pytest.mark.parametrize("place", [embedded, pytest.param(on_postgres, marks=pytest.mark.postgres)])
def test_simultaneous_requests_with_one_key_are_executed_once(
    place: Places, tmp_path: Path
) -> None:
    with Simulator(rows=50) as vendor, place(vendor, tmp_path) as site, serving(site) as base:
        headers = {
            "Authorization": f"Token {token(site, 'maria', 'write')}",
            "Idempotency-Key": "at once",
        }
        results = f"{base}/api/v1/vdns/88/write-backs/"

        def send(question: tuple[str, object]) -> requests.Response:
            return requests.post(question[0], json=question[1], headers=headers, timeout=40)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            written = list(pool.map(send, [(results, FIELDS)] * AT_ONCE))
            take = f"{base}/api/v1/vdns/88/tasks/{TASK}/call-data/"
            taken = list(pool.map(send, [(take, {"batch_count": 2, "confirm": True})] * AT_ONCE))

        assert {answer.status_code for answer in written} == {201}
        assert len({answer.json()["id"] for answer in written}) == 1
        replayed = [answer for answer in written if "Idempotency-Replayed" in answer.headers]
        assert len(replayed) == AT_ONCE - 1
        assert requests.get(results, headers=headers, timeout=40).json()["count"] == 1

        # While the first is under way the others are told to wait for it.
        assert sorted({answer.status_code for answer in taken} - {200, 409}) == [201]
        assert [answer.status_code for answer in taken].count(201) == 1
        assert len(vendor.calls.filter(READ_CALL_DATA)) == 1


PASSWORD = "pass-word-1"
KNOWN = """
from isales_proxy.models import User
user = User.objects.get(username="maria")
user.set_password("pass-word-1")
user.save()
"""


@pytest.mark.parametrize("place", [embedded, pytest.param(on_postgres, marks=pytest.mark.postgres)])
def test_one_form_sent_several_times_at_once_is_processed_once(
    place: Places, tmp_path: Path
) -> None:
    """A token form and a confirmed write-back, sent eight times by one browser."""
    with Simulator(rows=50) as vendor, place(vendor, tmp_path) as site, serving(site) as base:
        collect_static_files(tmp_path, site.env)
        site.manage("shell", "-v0", "-c", KNOWN)
        browser = requests.Session()

        def form(page: str, **fields: str) -> dict[str, str]:
            text = html.unescape(browser.get(base + page, timeout=40).text)
            return form_of(text) | fields

        login = "/accounts/login/"
        browser.post(base + login, form(login, login="maria", password=PASSWORD), timeout=40)
        tokens = "/accounts/tokens/new/"
        sure = f"/accounts/reauthenticate/?next={tokens}"
        browser.post(base + sure, form(sure, password=PASSWORD), timeout=40)
        new = "/vdn/88/write-backs/new/"
        review = browser.post(base + new, form(new, **FIELDS), timeout=40)
        for page, fields in (
            (tokens, form(tokens, name="Wallboard", scope="read", days="7")),
            (new, form_of(html.unescape(review.text)) | {"confirm": "1"}),
        ):

            def send(question: tuple[str, dict[str, str]]) -> requests.Response:
                return requests.post(
                    *question, cookies=browser.cookies.get_dict(), timeout=40, allow_redirects=False
                )

            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(send, [(base + page, fields)] * 8))
            assert {answer.status_code for answer in answers} == {303}
            assert len({answer.headers["Location"] for answer in answers}) == 1
        listed = browser.get(f"{base}/accounts/tokens/", timeout=40).text
        assert len(re.findall(r">\s*Wallboard\s*<", listed)) == 1
        outbox = browser.get(f"{base}/api/v1/vdns/88/write-backs/", timeout=40).json()
        assert outbox["count"] == 1
