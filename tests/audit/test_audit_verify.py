"""The page that verifies the audit and shows the result of the command."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from isales_proxy.audit import services as audit
from isales_proxy.models import AuditAction, AuditEvent, AuditHead
from tests.support.audit import write
from tests.support.audit_page import PATH
from tests.support.cases import cases

pytestmark = pytest.mark.django_db

VERIFY = f"{PATH}verify/"


@pytest.fixture
def auditor(as_role: Any) -> Client:
    client: Client = as_role("auditor")
    return client


def verified(client: Client, anchor: str = "") -> str:
    """Verify; return the page of the result."""
    answer = client.post(VERIFY, {"anchor": anchor})
    assert (answer.status_code, answer.headers["Location"]) == (303, VERIFY)
    return client.get(VERIFY).content.decode()


def test_auditor_verifies_the_audit_and_gets_an_anchor(auditor: Client) -> None:
    write(3, vdn_id=88)
    last = AuditEvent.objects.order_by("pk").last()
    assert last is not None
    page = verified(auditor)
    assert 'data-verdict="unbroken"' in page
    assert f'data-copy="{last.pk}:{last.hash}"' in page
    assert re.search(r'data-fact="events"><dt>Events</dt><dd>3</dd>', page)
    assert 'data-audit="whole"' in auditor.get(PATH).content.decode()
    assert "not verified yet" not in auditor.get(PATH).content.decode()


def test_anchor_is_compared_with_its_event(auditor: Client) -> None:
    write(3, vdn_id=88)
    event = AuditEvent.objects.order_by("pk").first()
    assert event is not None
    assert "The anchor matches." in verified(auditor, f"{event.pk}:{event.hash}")
    wrong = verified(auditor, f"{event.pk}:{'0' * 64}")
    assert 'data-verdict="broken"' in wrong
    assert "is not the one of this anchor" in wrong
    # Somebody may have mistyped it: nobody else is told that the audit was tampered with.
    assert AuditHead.objects.get().problem == ""


@cases("anchor", ["1", "1:abc", "x:" + "0" * 64, "1:" + "g" * 64, "1" * 200])
def test_invalid_anchor_is_refused_at_its_field(auditor: Client, anchor: str) -> None:
    sent = auditor.post(VERIFY, {"anchor": anchor})
    assert sent.status_code == 303
    answer = auditor.get(sent.headers["Location"])
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.content.decode()
    assert not AuditHead.objects.exclude(checked_at=None).exists()


def test_verification_by_the_command_is_shown_on_the_page(auditor: Client) -> None:
    write(2, vdn_id=88)
    assert "not verified yet" in auditor.get(PATH).content.decode()
    call_command("verify_audit", verbosity=0)
    page = auditor.get(PATH).content.decode()
    assert "not verified yet" not in page
    assert 'data-audit="whole"' in page
    with pytest.raises(CommandError):
        call_command("verify_audit", "--anchor", f"1:{'0' * 64}", verbosity=0)


@cases(
    ("action", "subject", "address"),
    [
        (AuditAction.NUMBER_REVEALED, "17953168", "/vdn/88/reservations/17953168/"),
        (AuditAction.NUMBER_REVEALED, "write-back 7", "/vdn/88/write-backs/7/"),
        (AuditAction.CALL_DATA_ASKED, "1106025109", "/vdn/88/tasks/1106025109/"),
        (AuditAction.CODE_NOTE_CHANGED, "00604", "/vdn/88/result-codes/00604/"),
    ],
)
def test_subject_with_a_page_is_a_link(
    auditor: Client, action: AuditAction, subject: str, address: str
) -> None:
    audit.record(action, by=None, vdn_id=88, subject=subject)
    assert f'<a class="about" href="{address}">' in auditor.get(PATH).content.decode()


def test_subject_without_a_page_is_no_link(auditor: Client) -> None:
    audit.record(AuditAction.PERSON_CHANGED, by=None, subject="wei")
    audit.record(AuditAction.NUMBER_REVEALED, by=None, vdn_id=88, subject="../../admin/")
    page = auditor.get(PATH).content.decode()
    assert '<a class="about"' not in page
    assert '<span class="about">wei' in page
