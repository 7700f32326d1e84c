"""A vendor whose largest page is smaller than ours, as the mirror has found out."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.test import Client

from isales_proxy.models import MirrorState
from isales_proxy.simulator import ListBehaviour, Simulator
from tests.support.pages import rows_of

LIST = "/vdn/88/reservations/"


@pytest.fixture(params=["max_limit", "page_cap"])
def supervisor(request: Any, vendor: Simulator, as_role: Any) -> Client:
    """A person whose vendor refuses or cuts pages of more than 50 rows."""
    vendor.behaviour = ListBehaviour(**{request.param: 50})
    found: Client = as_role("supervisor")
    MirrorState.objects.create(vdn_id=88, page_cap=50)
    return found


def test_pages_and_files_respect_the_largest_page_of_the_vendor(supervisor: Client) -> None:
    ids = [
        row["id"]
        for page in ("1", "2", "12")
        for row in rows_of(
            supervisor.get(LIST, {"size": "100", "page": page, "source": "live"}).content.decode()
        )
    ]
    assert len(ids) == len(set(ids)) == 150
    answer = supervisor.get("/api/v1/vdns/88/reservations/", {"size": "100", "source": "live"})
    assert (answer.status_code, len(answer.json()["results"])) == (200, 50)
    file = supervisor.get(f"{LIST}export.csv", {"source": "live"})
    text = file.getvalue().decode("utf-8-sig")  # type: ignore[attr-defined]
    assert len(list(csv.DictReader(io.StringIO(text, newline="")))) == 600


def test_number_is_found_without_number_access(supervisor: Client, as_role: Any) -> None:
    number = supervisor.get("/api/v1/vdns/88/reservations/").json()["results"][0]["called_no"]
    found = as_role("auditor").get(LIST, {"called_no": number, "source": "live"})
    assert found.status_code == 200
    assert rows_of(found.content.decode())
