"""The pages of write-backs without scripts: the list, one write-back, its actions."""

from __future__ import annotations

import re
from typing import Any

from isales_proxy.models import User, WriteBackState
from isales_proxy.simulator import PUSH_MID_RESULT, Simulator
from tests.support.cases import cases
from tests.support.outbox import TASK, outbox_of, reserve, text_of

LIST = "/vdn/88/write-backs/"
NEW = f"{LIST}new/"
FRAGMENT = {"HX-Request": "true"}


# --- the list -----------------------------------------------------------------------------------


def test_list_has_tabs_with_counts(
    vendor: Simulator, as_role: Any, people: dict[str, User]
) -> None:
    vendor.faults.add("business", operation=PUSH_MID_RESULT, code="1017", desc="No such task.")
    outbox = outbox_of(people)
    outbox.write("first", fail_code="00604", phone_number="15800000001")
    outbox.deliver()
    outbox.write("second")
    client = as_role("auditor")
    text = text_of(client.get(LIST))
    counts = dict(re.findall(r'data-state="([a-z-]+)">[^<]+<span class="tab-count">(\d+)', text))
    assert counts == {
        "all": "2",
        "waiting": "1",
        "delivered": "0",
        "refused": "1",
        "given-up": "0",
        "cancelled": "0",
    }
    assert "Code 1017. It says: “No such task.”" in text
    assert "158••••0001" in text
    assert "15800000001" not in text
    refused = text_of(client.get(LIST, {"state": "refused"}))
    assert 'data-total-count="1"' in refused
    assert "second" not in refused
    assert client.get(LIST, {"q": "nothing"}).status_code == 200
    assert client.get(LIST, {"state": "nowhere"}).status_code == 422
    client.get("/vdn/88/reservations/", {"task": TASK})  # which tell its name
    for task, total in (("preempted task", 2), (TASK, 2), ("no such task", 0)):
        found = text_of(client.get(LIST, {"task": task}))
        assert f'data-total-count="{total}"' in found, task


def test_wrong_address_is_explained(
    vendor: Simulator, as_role: Any, people: dict[str, User]
) -> None:
    body = '{"error_msg": "no such path"}'
    vendor.faults.add("status", operation=PUSH_MID_RESULT, status=404, body=body)
    outbox = outbox_of(people)
    row = outbox.write()
    outbox.deliver()
    client = as_role("supervisor")
    assert "The OBS address in the settings may be wrong" in text_of(client.get(LIST))
    detail = text_of(client.get(f"{LIST}{row.pk}/"))
    assert "The OBS address in the settings may be wrong" in detail
    assert "It says: “no such path”" in detail
    assert "may still have received it" not in detail
    vendor.faults.add("status", operation=PUSH_MID_RESULT, status=400)
    outbox.later(seconds=30)
    outbox.deliver()
    # The vendor documents a bad request, so the address may be right.
    assert "Rejected as a bad request without a code" in text_of(client.get(LIST))


def test_htmx_gets_the_fragment_alone(
    vendor: Simulator, as_role: Any, people: dict[str, User]
) -> None:
    outbox_of(people).write()
    text = text_of(as_role("supervisor").get(LIST, headers=FRAGMENT))
    assert "<html" not in text
    assert 'id="results"' in text


def test_polling_keeps_rows_in_place(
    vendor: Simulator, as_role: Any, people: dict[str, User]
) -> None:
    outbox = outbox_of(people)
    outbox.write("u-1")
    outbox.write("u-2")
    client = as_role("supervisor")
    page = text_of(client.get(LIST, {"state": "waiting"}))
    (poll,) = re.findall(r'data-poll-url="([^"]+)"', page)
    outbox.deliver()
    outbox.write("unique-3")
    text = text_of(client.get(poll, headers=FRAGMENT))
    assert re.findall(r"<tr [^>]*data-state=\"([a-z]+)\"", text) == ["delivered", "delivered"]
    assert "unique-3" not in text
    assert "Show newer ones: 1" in text
    assert "data-poll-url" not in text
    # As a whole page the same address shows the list itself.
    assert "unique-3" in text_of(client.get(poll))


# --- one write-back, its journal and its actions ------------------------------------------------


def test_journal_describes_attempts(
    vendor: Simulator, as_role: Any, people: dict[str, User]
) -> None:
    vendor.faults.add("lose", operation=PUSH_MID_RESULT)
    outbox = outbox_of(people)
    row = outbox.write()
    outbox.deliver("worker-one")
    client = as_role("auditor")
    text = text_of(client.get(f"{LIST}{row.pk}/"))
    assert "The connection ended without an answer" in text
    assert "CC-iSales may still have received it." in text
    vendor.faults.add("unauthorized", operation=PUSH_MID_RESULT)
    outbox.later(seconds=9)
    outbox.deliver("worker-two")
    assert "may still have reached CC-iSales" in text_of(
        as_role("supervisor").get(f"{LIST}{row.pk}/")
    ), "the first may have, whatever is said of the second"
    outbox.later(seconds=30)
    outbox.deliver("worker-two")
    text = text_of(client.get(f"{LIST}{row.pk}/", headers=FRAGMENT))
    assert text.count("CC-iSales may still have received it; it was sent again.") == 1
    assert "CC-iSales refused our keys" in text
    assert "Acknowledged" in text
    assert "worker-two" in text
    assert "<html" not in text


def test_server_error_is_not_described_as_lost_connection(
    vendor: Simulator, as_role: Any, people: dict[str, User]
) -> None:
    vendor.faults.add("status", operation=PUSH_MID_RESULT, status=503)
    outbox = outbox_of(people)
    row = outbox.write()
    outbox.deliver()
    for path in (LIST, f"{LIST}{row.pk}/"):
        assert "CC-iSales answered with an error" in text_of(as_role("auditor").get(path))


def test_lost_worker_is_described(vendor: Simulator, as_role: Any, people: dict[str, User]) -> None:
    outbox = outbox_of(people)
    row = outbox.write()
    outbox.take("dead")
    for _ in range(5):
        outbox.deliver()
        outbox.later(seconds=5)
    outbox.deliver()
    text = text_of(as_role("auditor").get(f"{LIST}{row.pk}/"))
    assert "The worker stopped before an answer arrived" in text
    assert "it was sent again" in text


def test_write_back_is_cancelled_and_retried(
    vendor: Simulator, as_role: Any, people: dict[str, User]
) -> None:
    row = outbox_of(people).write()
    client = as_role("supervisor")
    page = f"{LIST}{row.pk}/"
    assert "Yes, cancel it" in text_of(client.get(page))
    answer = client.post(f"{page}cancel/", follow=True)
    assert answer.redirect_chain == [(page, 303)]
    assert "Yes, try again" in text_of(answer)
    row.refresh_from_db()
    assert row.state == WriteBackState.CANCELLED
    assert "Only a waiting write-back can be cancelled." in text_of(
        client.post(f"{page}cancel/", follow=True)
    )
    client.post(f"{page}retry/")
    row.refresh_from_db()
    assert row.state == WriteBackState.WAITING


@cases("action", ["cancel", "retry"])
def test_get_does_not_change_a_write_back(
    vendor: Simulator, as_role: Any, people: dict[str, User], action: str
) -> None:
    row = outbox_of(people).write()
    assert as_role("supervisor").get(f"{LIST}{row.pk}/{action}/").status_code == 405


def test_agent_cannot_see_write_backs(
    vendor: Simulator, as_role: Any, people: dict[str, User]
) -> None:
    row = outbox_of(people).write()
    client = as_role("agent")
    for path in (LIST, NEW, f"{LIST}{row.pk}/"):
        assert client.get(path).status_code == 403
    for action in ("cancel", "retry"):
        assert client.post(f"{LIST}{row.pk}/{action}/").status_code == 403
    assert client.post(NEW, {"unique_id": "u", "service_id": TASK}).status_code == 403


def test_auditor_can_only_read(vendor: Simulator, as_role: Any, people: dict[str, User]) -> None:
    row = outbox_of(people).write()
    reserve(vendor)
    client = as_role("auditor")
    for path in (LIST, f"{LIST}{row.pk}/"):
        text = text_of(client.get(path))
        assert "Write a result back" not in text
        assert "Yes, cancel it" not in text
    assert client.get(NEW).status_code == 403
    panel = client.get("/vdn/88/reservations/911/?called_no=990022", headers=FRAGMENT)
    assert "Write a result back" not in text_of(panel)


def test_write_back_of_another_vdn_is_not_found(
    vendor: Simulator, as_role: Any, people: dict[str, User]
) -> None:
    row = outbox_of(people).write()
    client = as_role("both")
    assert client.get(f"/vdn/89/write-backs/{row.pk}/").status_code == 404
    assert client.post(f"/vdn/89/write-backs/{row.pk}/cancel/").status_code == 404


def test_markup_is_escaped(vendor: Simulator, as_role: Any, people: dict[str, User]) -> None:
    row = outbox_of(people).write("<b>u</b>", status="<i>5</i>")
    client = as_role("supervisor")
    for path in (LIST, f"{LIST}{row.pk}/"):
        text = client.get(path).content.decode()
        assert "<b>u</b>" not in text
        assert "<i>5</i>" not in text
