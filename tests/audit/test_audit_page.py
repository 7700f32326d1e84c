"""The page of the audit: filters, pages, and no events of other VDNs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from time_machine import Traveller

from isales_proxy import access
from isales_proxy.audit import services as audit
from isales_proxy.models import Access, AuditAction, AuditEvent, Role, User
from tests.support.audit import write
from tests.support.audit_page import PATH, address, ids, shown
from tests.support.cases import cases
from tests.support.clock import NOON

pytestmark = pytest.mark.django_db

NUMBER = "+8613800001234"


@pytest.fixture
def auditor(as_role: Any) -> Client:
    client: Client = as_role("auditor")
    return client


def record(action: AuditAction = AuditAction.VENDOR_EXAMINED, **more: Any) -> int:
    return audit.record(action, **{"by": None, "vdn_id": 88, **more}).pk


@cases(
    ("role", "status", "part"),
    [
        (*each, part)
        for part in ["", "export.csv", "export.xlsx"]
        for each in [("agent", 403), ("supervisor", 403), ("auditor", 200), ("admin", 200)]
    ],
)
def test_only_auditors_and_admins_may_read_the_audit(
    as_role: Any, role: str, status: int, part: str
) -> None:
    client = as_role(role)
    answer = client.get(PATH + part)
    answer.getvalue()
    assert answer.status_code == status
    assert client.post(PATH + part).status_code == 405
    listed = 'href="/vdn/88/audit/"' in client.get("/vdn/88/result-codes/").content.decode()
    assert listed is (status == 200)


@pytest.mark.parametrize("offset", ["+02:00", "+01:00"])
def test_ambiguous_time_of_a_filter_is_shown_with_its_offset(
    auditor: Client, people: dict[str, User], offset: str
) -> None:
    User.objects.filter(pk=people["auditor"].pk).update(time_zone="Europe/Berlin")
    page = auditor.get(PATH, {"begin": f"2026-10-25T02:30{offset}"}).content.decode()
    assert f'aria-label="Remove From 2026-10-25 02:30 UTC{offset}"' in page


def test_events_of_another_vdn_are_not_shown(auditor: Client, people: dict[str, User]) -> None:
    own = record(subject="own")
    record(vdn_id=89, subject="foreign")
    # Somebody of both VDNs, in the other one.
    record(by=access.enter(user=people["both"], vdn_id=89), vdn_id=None, subject="foreign")
    assert shown(auditor) == [own]
    assert "foreign" not in auditor.get(f"{PATH}export.csv").getvalue().decode()


def test_events_without_a_vdn_are_shown_if_about_people_of_the_vdn(
    auditor: Client, people: dict[str, User]
) -> None:
    stranger = User.objects.create_user("stranger", password="pass-word-1")
    Access.objects.create(user=stranger, vdn_id=89, role=Role.AUDITOR)
    root = User.objects.create_superuser("root", password="pass-word-1")
    agent = people["agent"]
    log_in, failed = AuditAction.LOGGED_IN, AuditAction.LOG_IN_FAILED
    changed = AuditAction.PERSON_CHANGED

    def of_nowhere(action: AuditAction, **more: Any) -> int:
        return record(action, vdn_id=None, **more)

    wanted = [
        of_nowhere(log_in, by=agent),
        of_nowhere(failed, claimed="agent", person=agent),
        of_nowhere(changed, by=root, person=agent),
        of_nowhere(failed, claimed="nobody"),
        of_nowhere(AuditAction.AUDIT_PURGED),
    ]
    of_nowhere(log_in, by=stranger)
    of_nowhere(failed, claimed="stranger", person=stranger)
    of_nowhere(changed, by=root, person=stranger)
    of_nowhere(changed, by=people["admin"], person=stranger)
    of_nowhere(log_in, by=root)
    assert shown(auditor) == wanted[::-1]


def test_list_is_filtered(auditor: Client, people: dict[str, User]) -> None:
    scope = access.enter(user=people["supervisor"], vdn_id=88)
    with audit.use_address(lambda: "192.0.2.77"):
        first = record(AuditAction.NUMBER_VIEWED, by=scope, subject="1747", number=NUMBER)
    second = record(AuditAction.CALL_DATA_ASKED, by=people["admin"], subject="1106025109",
                    reason="Kampagne 外呼", unique_id="u-77")  # fmt: skip
    third = record(AuditAction.PERSON_CHANGED, by=people["admin"], person=people["agent"])
    assert shown(auditor) == [third, second, first]
    assert shown(auditor, kind="number.viewed") == [first]
    assert shown(auditor, kind=["number.viewed", "person.changed"]) == [third, first]
    assert shown(auditor, person="super") == [first]
    assert shown(auditor, person="Agent") == [third]
    assert shown(auditor, q="1747") == [first]
    assert shown(auditor, q="11060") == [second]
    assert shown(auditor, q="外呼") == [second]
    assert shown(auditor, q="u-77") == [second]
    assert shown(auditor, q="u_77") == []
    assert shown(auditor, address="192.0.2.") == [first]
    assert shown(auditor, person="nobody") == []
    assert 'data-empty="no-match"' in auditor.get(PATH, {"person": "nobody"}).content.decode()


def test_time_range_is_read_in_the_readers_zone(auditor: Client) -> None:
    with time_machine.travel(datetime(2026, 11, 20, 16, 30, tzinfo=UTC), tick=False):
        event = record()
    # 00:30 of the next day in Shanghai, the VDN's own zone.
    assert shown(auditor, begin="2026-11-21T00:30", end="2026-11-21T00:30") == [event]
    assert shown(auditor, begin="2026-11-21T00:31") == []
    page = auditor.get(PATH, {"begin": "2026-11-21T00:00"}).content.decode()
    assert "21 Nov 2026 00:30:00" in page
    assert "Asia/Shanghai" in page


@cases(
    ("query", "part"),
    [
        (query, part)
        for part in ["", "export.csv"]
        for query in [
            {"kind": "everything"},
            {"number": "abc"},
            {"number": "1"},
            {"begin": "yesterday"},
            {"begin": "2026-11-21T10:00", "end": "2026-11-21T09:00"},
            {"before": "-1"},
            {"after": "9" * 40},
            {"number_key": "x"},
            {"number_end": "1234567"},
            {"q": "a\nb"},
            {"person": "x" * 5000},
        ]
    ],
)
def test_invalid_filter_is_reported(auditor: Client, query: dict[str, str], part: str) -> None:
    record()
    answer = auditor.get(PATH + part, query)
    assert answer.status_code == 422
    assert ids(answer.content.decode()) == []
    assert "field-error" in answer.content.decode()


def test_pages_are_not_shifted_by_new_events(auditor: Client) -> None:
    events = [event.pk for event in write(120, vdn_id=88)][::-1]
    first = auditor.get(PATH).content.decode()
    assert ids(first) == events[:50]
    assert 'data-total-count="120"' in first
    write(3, vdn_id=88)
    second = auditor.get(address(first, "Older")).content.decode()
    assert ids(second) == events[50:100]
    third = auditor.get(address(second, "Older")).content.decode()
    assert ids(third) == events[100:]
    assert address(third, "Older") == ""
    back = auditor.get(address(third, "Newer")).content.decode()
    assert ids(back) == events[50:100]
    assert ids(auditor.get(address(third, "Newest")).content.decode())[3:] == events[:47]
    past = auditor.get(PATH, {"before": "1"}).content.decode()
    assert 'data-empty="past-end"' in past


def test_large_audit_is_not_counted_completely(auditor: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr("isales_proxy.audit.queries.MOST_COUNTED", 5)
    monkeypatch.setattr("dashboard.audit.list_context.MOST_COUNTED", 5)
    write(9, vdn_id=88)
    assert "more than 5 events" in auditor.get(PATH).content.decode()


def test_search_by_number_shows_and_stores_no_number(
    auditor: Client, people: dict[str, User], caplog: Any
) -> None:
    event = record(AuditAction.NUMBER_REVEALED, number=NUMBER)
    record(AuditAction.NUMBER_REVEALED, number="+8613900005678")
    answer = auditor.get(PATH, {"number": "+86 138-0000-1234"})
    assert answer.status_code == 302
    there = answer.headers["Location"]
    page = auditor.get(there).content.decode()
    # Who sees no numbers is also counted as one who searched.
    assert ids(page)[2:] == [event]
    assert "•••34" in page
    assert "8000" not in there + page + caplog.text
    searched = AuditEvent.objects.get(action=AuditAction.AUDIT_READ)
    assert (searched.actor, searched.vdn_id) == ("auditor", 88)
    assert searched.number_key == audit.fingerprint_number(NUMBER)
    # Turning pages and coming back is the same search.
    auditor.get(there)
    assert AuditEvent.objects.filter(action=AuditAction.AUDIT_READ).count() == 1


def test_pushed_url_of_a_fragment_contains_no_number(auditor: Client) -> None:
    answer = auditor.get(PATH, {"number": NUMBER}, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    pushed = answer.headers["HX-Push-Url"]
    assert pushed.startswith(f"{PATH}?number_key=")
    assert "8000" not in pushed + answer.content.decode()
    assert "<html" not in answer.content.decode()


def test_number_recorded_with_a_former_secret_key_is_found(auditor: Client, settings: Any) -> None:
    event = record(AuditAction.NUMBER_VIEWED, number=NUMBER)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-secret-that-is-long-enough"
    client = Client()
    client.force_login(User.objects.get(username="auditor"))
    found = ids(client.get(PATH, {"number": NUMBER}, follow=True).content.decode())
    assert found[-1] == event


HOSTILE = "<script>alert('x')</script>\"'><img src=x onerror=alert(1)>"


def test_markup_in_events_is_escaped(auditor: Client, people: Any) -> None:
    people["agent"].username = HOSTILE[:60]
    people["agent"].save()
    record(by=people["agent"], subject=HOSTILE, reason=HOSTILE, text=HOSTILE,
           before={HOSTILE: HOSTILE}, after={HOSTILE: "x"})  # fmt: skip
    Client().post("/accounts/login/", {"login": HOSTILE, "password": "x"})
    page = auditor.get(PATH, {"q": HOSTILE}).content.decode()
    page += auditor.get(PATH).content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert" in page


def test_change_is_shown_with_labels_of_fields_and_values(
    auditor: Client, people: dict[str, User]
) -> None:
    record(AuditAction.ACCESS_CHANGED, by=people["admin"], before={"role": "agent", "x_y": None},
           after={"role": "admin", "x_y": ["a", True]}, count=3)  # fmt: skip
    page = auditor.get(PATH).content.decode()
    assert '<th scope="row">Role</th><td>Agent</td><td>Admin</td>' in page
    assert '<th scope="row">x y</th><td>—</td><td>a, yes</td>' in page
    assert "<dt>Count</dt><dd>3</dd>" in page


def test_details_are_shown_with_labels(auditor: Client) -> None:
    record(
        AuditAction.CODES_REFRESHED,
        kind="person",
        entry=4,
        figures={"kept": 118},
    )
    record(AuditAction.SECOND_FACTOR_CHANGED, kinds=["totp", "recovery_codes"])
    record(AuditAction.TOKEN_CREATED, scope="write")
    text = auditor.get(PATH).content.decode()
    assert "<dt>Kind</dt><dd>Manual</dd>" in text
    assert "<dt>History entry</dt><dd>4</dd>" in text
    assert "Kept: 118" in text
    assert "authenticator app, recovery codes" in text
    assert "<dt>Scope</dt><dd>Read and write</dd>" in text


def test_unknown_event_type_is_shown_unchanged(auditor: Client) -> None:
    record("newer.kind", old=[{"a": 1}])  # type: ignore[arg-type]
    page = auditor.get(PATH).content.decode()
    assert "newer.kind" in page


def test_filter_offers_every_event_type(auditor: Client) -> None:
    page = auditor.get(PATH).content.decode()
    assert page.count('name="kind" value="') == len(AuditAction.values) > 0
    for kind in AuditAction.values:
        assert f'name="kind" value="{kind}"' in page, kind


def test_page_needs_few_queries(auditor: Client, django_assert_max_num_queries: Any) -> None:
    write(60, vdn_id=88)
    auditor.get(PATH)
    with django_assert_max_num_queries(9):
        auditor.get(PATH)


def test_only_changed_fields_are_shown_as_changes(auditor: Client) -> None:
    before = {"username": "wei", "email": "", "is_active": True, "role": "agent", "groups": []}
    record(AuditAction.ACCESS_CHANGED, before=before, after=before | {"role": "admin"})
    page = auditor.get(PATH).content.decode()
    assert "1 field changed" in page
    assert "User name" not in page


def test_event_of_last_year_shows_the_year(clock: Traveller, as_role: Any) -> None:
    record()
    clock.move_to(NOON + timedelta(days=365))
    assert str(NOON.year) in as_role("auditor").get(PATH).content.decode()


def test_events_can_be_sorted_and_paged_oldest_first(auditor: Client) -> None:
    write(120, vdn_id=88)
    numbers = list(AuditEvent.objects.order_by("pk").values_list("pk", flat=True))
    text = auditor.get(PATH, {"sort": "at"}).content.decode()
    assert 'aria-sort="ascending"' in text
    first = ids(text)
    assert first == numbers[:50]
    second = ids(auditor.get(PATH, {"sort": "at", "after": first[-1]}).content.decode())
    assert second == numbers[50:100]
    back = auditor.get(PATH, {"sort": "at", "before": second[0]}).content.decode()
    assert ids(back) == first
    assert auditor.get(PATH, {"sort": "kind"}).status_code == 422
