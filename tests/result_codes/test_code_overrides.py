"""Overrides: an admin's texts in place of the built-in explanation."""

from __future__ import annotations

from typing import Any

import pytest

from isales_proxy.models import AuditEvent, CodeNote
from isales_proxy.result_codes import book
from isales_proxy.simulator import Simulator
from tests.support.cases import cases
from tests.support.codes import PAGE

CODE = f"{PAGE}00604/"
NOTE = f"{CODE}note/"
SHIPPED = book.get_shipped("00604")


@pytest.fixture
def admin(vendor: Simulator, as_role: Any) -> Any:
    client = as_role("admin")
    client.get(PAGE)
    return client


def get_explanation(client: Any, path: str = CODE) -> str:
    return str(client.get(path).content.decode())


def test_override_replaces_the_built_in_text_field_by_field(admin: Any, as_role: Any) -> None:
    answer = admin.post(NOTE, {"meaning_en": "Said no.", "category": "network"})
    assert (answer.status_code, answer.headers["Location"]) == (303, CODE)
    text = get_explanation(as_role("agent"))
    assert "Said no." in text
    assert "Network" in text
    # What the admin left empty is ours.
    assert SHIPPED.step_en in text
    assert "Edited by admin" in text


def test_form_shows_current_and_built_in_text(admin: Any) -> None:
    assert SHIPPED.meaning_en in get_explanation(admin, NOTE)
    admin.post(NOTE, {"meaning_en": "Said no."})
    text = get_explanation(admin, NOTE)
    assert ">Said no.</textarea>" in text
    assert SHIPPED.meaning_en in text
    assert f">{SHIPPED.step_zh}</textarea>" in text


def test_saving_the_built_in_text_stores_no_override(admin: Any) -> None:
    admin.post(NOTE, book.get_texts(SHIPPED))
    assert not CodeNote.objects.exists()
    assert not AuditEvent.objects.filter(action="codes.note").exists()


def test_removed_override_restores_the_built_in_text(admin: Any) -> None:
    admin.post(NOTE, {"meaning_en": "Said no."})
    answer = admin.post(NOTE, {"remove": "1", "meaning_en": "Something else"}, follow=True)
    assert SHIPPED.meaning_en in answer.content.decode()
    assert "Edited by" not in answer.content.decode()
    assert not CodeNote.objects.exists()


def test_every_change_is_recorded_with_before_and_after(admin: Any) -> None:
    empty = dict.fromkeys(book.TEXTS, "")
    first, second = empty | {"meaning_en": "Said no."}, empty | {"step_zh": "别再打。"}
    admin.post(NOTE, {"meaning_en": "Said no."})
    admin.post(NOTE, {"step_zh": "别再打。"})
    admin.post(NOTE, {"step_zh": "别再打。"})
    admin.post(NOTE, {"remove": "1"})
    events = AuditEvent.objects.filter(action="codes.note").order_by("id")
    assert [(each.detail["before"], each.detail["after"]) for each in events] == [
        (None, first),
        (first, second),
        (second, None),
    ]
    assert {(each.actor, each.vdn_id, each.subject) for each in events} == {("admin", 88, "00604")}


@cases(
    "data",
    [
        {"meaning_en": "x" * 501},
        {"step_zh": "字" * 501},
        {"category": "weather"},
        {"meaning_en": "a\x00b"},
        {"meaning_en": "a\x07b"},
    ],
)
def test_text_out_of_bounds_is_refused_at_its_field(admin: Any, data: dict[str, str]) -> None:
    answer = admin.post(NOTE, data, follow=True)
    assert answer.status_code == 422
    assert "field-error" in answer.content.decode()
    assert not CodeNote.objects.exists()


def test_longest_text_is_stored_and_line_breaks_become_blanks(admin: Any) -> None:
    admin.post(NOTE, {"meaning_en": "x" * 500, "step_en": " one\r\n\ttwo "})
    note = CodeNote.objects.get()
    assert (len(note.meaning_en), note.step_en) == (500, "one two")


def test_markup_in_an_override_is_escaped(admin: Any) -> None:
    admin.post(NOTE, {"meaning_en": "<script>x()</script>", "step_en": "</textarea><b>"})
    for path in (CODE, NOTE, PAGE):
        text = get_explanation(admin, path)
        assert "<script>x()" not in text
        assert "</textarea><b>" not in text
    assert "&lt;script&gt;x()" in get_explanation(admin)


@cases("role", ["agent", "supervisor", "auditor", "both"])
def test_other_roles_than_admin_cannot_edit(
    vendor: Simulator, admin: Any, as_role: Any, role: str
) -> None:
    client = as_role(role)
    assert client.get(NOTE).status_code == 403
    assert client.post(NOTE, {"meaning_en": "Mine"}).status_code == 403
    assert "note/" not in get_explanation(client)
    assert not CodeNote.objects.exists()


def test_override_applies_to_one_vdn_only(vendor: Simulator, admin: Any, as_role: Any) -> None:
    admin.post(NOTE, {"meaning_en": "Said no."})
    assert "Said no." not in get_explanation(as_role("both"), "/vdn/89/result-codes/00604/")


def test_code_never_listed_or_seen_has_no_override(admin: Any) -> None:
    assert admin.get(f"{PAGE}99999/note/").status_code == 404
    assert admin.post(f"{PAGE}99999/note/", {"meaning_en": "x"}).status_code == 404
    assert not CodeNote.objects.exists()


def test_code_that_was_only_seen_can_be_explained(
    vendor: Simulator, admin: Any, as_role: Any
) -> None:
    vendor.add_rows(88, [{"appointId": "7", "calledNo": "700007", "failCode": "98765"}])
    supervisor = as_role("supervisor")
    panel = "/vdn/88/reservations/7/"
    supervisor.get("/vdn/88/reservations/", {"called_no": "700007"})
    assert admin.post(f"{PAGE}98765/note/", {"step_en": "Ask Maria."}).status_code == 303
    assert "Ask Maria." in get_explanation(supervisor, f"{panel}?called_no=700007")
    assert "Ask Maria." in get_explanation(supervisor, f"{PAGE}?q=maria")
