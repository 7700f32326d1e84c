"""An old mirror replaces the live list while the vendor does not answer, without a long wait."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from isales_proxy.reservations import services
from isales_proxy.simulator import LIST_RESERVATIONS, Simulator
from tests.support.mirror import mirror_rows
from tests.support.mirror_lists import make_rows
from tests.support.pages import results_of

LIST = "/vdn/88/reservations/"


def fetch(client: Client, **parameters: str) -> str:
    answer = client.get(LIST, parameters)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def test_list_waits_briefly_for_the_vendor_when_an_old_mirror_can_replace_it(
    clock: Any, vendor: Simulator, as_role: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hanging vendor is called once in some seconds, and at each request for the live list."""
    monkeypatch.setattr(services, "_FALLBACK_WAIT_S", 0.2)
    rows = make_rows(25, 40)
    mirror_rows(88, rows, at=timezone.now() - timedelta(hours=2))
    client = as_role("supervisor")
    vendor.faults.add("hold", operation=LIST_RESERVATIONS, times=None)
    for page in ("1", "2"):
        shown = results_of(fetch(client, page=page, size="10"))
        assert 'data-source="mirror" data-complete="false"' in shown
    assert len(vendor.calls.filter(LIST_RESERVATIONS)) == 1
    panel = client.get(f"{LIST}{rows[0]['appointId']}/", headers={"HX-Request": "true"})
    assert (panel.status_code, rows[0]["appointId"] in panel.content.decode()) == (504, True)
    vendor.faults.clear()
    assert 'data-source="live"' in results_of(fetch(client, source="live"))
    clock.shift(11)
    assert 'data-source="live"' in results_of(fetch(client))
