"""Read-only lists in Django's admin."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from knox.models import get_token_model
from time_machine import Traveller

from isales_proxy.audit import services as audit
from isales_proxy.models import (
    ApiToken,
    AuditAction,
    BatchState,
    CallDataBatch,
    CodeRefresh,
    User,
    WriteBack,
)
from tests.support.cases import cases
from tests.support.clock import NOON

ADMIN = "/admin/isales_proxy/"
NUMBER = "13800001234"


@pytest.fixture
def records(people: dict[str, User]) -> dict[str, dict[int, str]]:
    """One of each kind for VDN 88 and for VDN 89: model → VDN → key."""
    now = timezone.now()
    found: dict[str, dict[int, str]] = {
        name: {} for name in ("auditevent", "calldatabatch", "writeback", "coderefresh", "apitoken")
    }
    owners = {88: people["agent"], 89: people["both"]}
    for vdn in (88, 89):
        event = audit.record(AuditAction.VENDOR_EXAMINED, by=None, vdn_id=vdn, subject=f"of-{vdn}")
        batch = CallDataBatch.objects.create(
            vdn_id=vdn, service_id=f"of-{vdn}", batch_count=1, key=f"k{vdn}", asked_at=now,
            asked_by_name="wei", state=BatchState.TAKEN, raw=NUMBER.encode(),
        )  # fmt: skip
        written = WriteBack.objects.create(
            vdn_id=vdn, unique_id=f"of-{vdn}", service_id="1", phone_number=NUMBER,
            body={"phoneNumber": NUMBER}, key=f"k{vdn}", created_at=now, queued_at=now, next_at=now,
            created_by_name="wei",
        )  # fmt: skip
        refresh = CodeRefresh.objects.create(vdn_id=vdn, at=now, by=f"of-{vdn}", kind="schedule")
        token, _key = get_token_model().objects.create(
            user=owners[vdn], expiry=timedelta(days=1), name=f"of-{vdn}"
        )
        for name, row in zip(found, (event, batch, written, refresh, token), strict=True):
            found[name][vdn] = str(row.pk)
    return found


@pytest.fixture
def admin(as_role: Any) -> Client:
    client: Client = as_role("admin")
    return client


KINDS = ("auditevent", "calldatabatch", "writeback", "coderefresh", "apitoken")


@pytest.mark.parametrize("kind", KINDS)
def test_admin_sees_records_of_own_vdns_without_numbers(
    admin: Client, records: Any, kind: str
) -> None:
    page = admin.get(f"{ADMIN}{kind}/").content.decode()
    assert "of-88" in page
    assert "of-89" not in page
    one = admin.get(f"{ADMIN}{kind}/{records[kind][88]}/change/")
    assert one.status_code == 200
    assert NUMBER not in page + one.content.decode()
    assert admin.get(f"{ADMIN}{kind}/{records[kind][89]}/change/").status_code == 302


@pytest.mark.parametrize(
    "asked",
    [
        "writeback/?phone_number__startswith=138",
        "writeback/?body__icontains=138",
        "calldatabatch/?raw__contains=138",
        "auditevent/?number_key__startswith=a",
        "apitoken/?digest__startswith=a",
        "vdn/?secret_key__startswith=a",
    ],
)
def test_hidden_fields_cannot_be_used_as_filters(admin: Client, records: Any, asked: str) -> None:
    assert admin.get(f"{ADMIN}{asked}").status_code == 400


def test_records_can_be_filtered_and_searched(
    clock: Traveller, admin: Client, records: Any
) -> None:
    for asked in ("?vdn__id__exact=88&state__exact=waiting", "?q=of-88"):
        assert "1 write-back" in admin.get(f"{ADMIN}writeback/{asked}").content.decode()
    page = admin.get(f"{ADMIN}auditevent/?at__year={NOON.year}&action__exact=vendor.examined")
    assert "of-88" in page.content.decode()


# A token may be deleted there, which is to revoke it.
@cases(("who", "kind"), [(who, kind) for kind in KINDS[:-1] for who in ["admin", "root"]])
def test_record_cannot_be_added_changed_or_deleted(
    as_role: Any, people: dict[str, User], records: Any, kind: str, who: str
) -> None:
    if who == "root":
        people["root"] = User.objects.create_superuser("root", password="pass-word-1")
    client = as_role(who)
    pk = records[kind][88]
    for method in ("get", "post"):
        assert getattr(client, method)(f"{ADMIN}{kind}/add/").status_code == 403
        assert getattr(client, method)(f"{ADMIN}{kind}/{pk}/delete/").status_code == 403
    assert client.post(f"{ADMIN}{kind}/{pk}/change/", {"name": "x"}).status_code == 403
    marked = {"action": "delete_selected", "_selected_action": pk, "post": "yes"}
    client.post(f"{ADMIN}{kind}/", marked)
    assert client.get(f"{ADMIN}{kind}/{pk}/change/").status_code == 200


def test_token_is_listed_without_its_digest(admin: Client, records: Any) -> None:
    token = ApiToken.objects.get(pk=records["apitoken"][88])
    page = admin.get(f"{ADMIN}apitoken/").content.decode()
    shown = admin.get(f"{ADMIN}apitoken/{token.pk}/change/").content.decode()
    # The digest is the row's key and so a part of its address; it opens nothing.
    assert token.digest not in shown.replace(f"/{token.digest}/", "")
    assert token.name in page
