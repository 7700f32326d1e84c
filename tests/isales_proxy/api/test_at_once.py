"""The same request many times at the same moment, at the real server: it is done once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import requests

from isales_proxy.simulator import READ_CALL_DATA, Simulator
from tests.support.outbox import TASK
from tests.support.web import on_postgres, serving, token
from tests.support.workers import Site, embedded

AT_ONCE = 6
WISH = {"unique_id": "21713676089219765504", "service_id": TASK, "fail_code": "00604"}

Places = Callable[[Simulator, Path], AbstractContextManager[Site]]


@pytest.mark.parametrize("place", [embedded, pytest.param(on_postgres, marks=pytest.mark.postgres)])
def test_one_key_sent_at_once_makes_one(place: Places, tmp_path: Path) -> None:
    with Simulator(rows=50) as vendor, place(vendor, tmp_path) as site, serving(site) as base:
        headers = {
            "Authorization": f"Token {token(site, 'maria', 'write')}",
            "Idempotency-Key": "at once",
        }
        results = f"{base}/api/v1/vdns/88/write-backs/"

        def send(question: tuple[str, object]) -> requests.Response:
            return requests.post(question[0], json=question[1], headers=headers, timeout=40)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            written = list(pool.map(send, [(results, WISH)] * AT_ONCE))
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
        assert len(vendor.calls.of(READ_CALL_DATA)) == 1
