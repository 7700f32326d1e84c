"""The pages of call data and the request form, without scripts."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone, translation

from isales_proxy.models import AuditEvent, BatchState, CallDataBatch, CallDatum
from isales_proxy.outbound import storage
from isales_proxy.simulator import READ_CALL_DATA, Simulator
from tests.support.call_data import NUMBER, ROW, TASK, UNIQUE_ID, count_requests, scope_of, take
from tests.support.cases import cases
from tests.support.pages import form_of

PAGE = f"/vdn/88/tasks/{TASK}/"
TAKE = f"{PAGE}call-data/"
BATCHES = f"{PAGE}batches/"
FRAGMENT = {"HX-Request": "true"}


def filled(client: Any, **changes: str) -> dict[str, str]:
    """The request form of the page, confirmed, with these changes."""
    form = client.get(PAGE).content.decode().partition('<form class="take-form"')[2]
    return form_of(form.partition("</form>")[0]) | {"confirmed": "yes"} | changes


def units(text: str) -> list[str]:
    return re.findall(r'data-datum="(\d+)"', text)


@pytest.fixture
def supervisor(vendor: Simulator, as_role: Any) -> Any:
    return as_role("supervisor")


def test_form_takes_and_redirects_to_the_batch(supervisor: Any, vendor: Simulator) -> None:
    vendor.call_data.put(88, TASK, [ROW])
    answer = supervisor.post(TAKE, filled(supervisor, batch_count="1", reason="Weekly check"))
    assert answer.status_code == 303
    batch = CallDataBatch.objects.get()
    assert answer.headers["Location"] == f"{TAKE}{batch.pk}/"
    text = supervisor.get(answer.headers["Location"]).content.decode()
    assert 'data-batch-state="taken"' in text
    assert "Weekly check" in text
    for part in (f"+{NUMBER}", "0012345", UNIQUE_ID, "710002", str(ROW["callData"]), "RedInd"):
        assert part in text
    assert f"/vdn/88/write-backs/new/?datum={CallDatum.objects.get().pk}" in text
    assert count_requests(vendor) == 1


def test_form_starts_with_ten_rows(supervisor: Any) -> None:
    assert filled(supervisor)["batch_count"] == "10"


def test_reloading_the_batch_takes_nothing(supervisor: Any, vendor: Simulator) -> None:
    where = supervisor.post(TAKE, filled(supervisor)).headers["Location"]
    for _ in range(3):
        assert supervisor.get(where).status_code == 200
    assert count_requests(vendor) == 1


def test_form_sent_twice_takes_once(supervisor: Any, vendor: Simulator) -> None:
    form = filled(supervisor)
    first, again = supervisor.post(TAKE, form), supervisor.post(TAKE, form, follow=True)
    assert again.redirect_chain == [(first.headers["Location"], 303)]
    assert "This form was already sent" in again.content.decode()
    assert count_requests(vendor) == 1


def test_each_page_has_its_own_form_key(supervisor: Any) -> None:
    assert filled(supervisor)["key"] != filled(supervisor)["key"]


@cases(
    "changes",
    [
        {"batch_count": "0"},
        {"batch_count": "501"},
        {"batch_count": ""},
        {"batch_count": "ten"},
        {"confirmed": ""},
        {"key": ""},
        {"key": "x"},
        {"reason": "x" * 301},
    ],
)
def test_invalid_form_takes_nothing(
    supervisor: Any, vendor: Simulator, changes: dict[str, str]
) -> None:
    answer = supervisor.post(TAKE, filled(supervisor, **changes), follow=True)
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "field-error" in text
    assert count_requests(vendor) == 0
    assert not CallDataBatch.objects.exists()


def test_unconfirmed_form_takes_nothing(supervisor: Any, vendor: Simulator) -> None:
    form = filled(supervisor, reason="because", batch_count="7")
    del form["confirmed"]
    answer = supervisor.post(TAKE, form, follow=True)
    again = form_of(answer.content.decode().partition("take-form")[2])
    assert answer.status_code == 422
    assert (again["reason"], again["batch_count"]) == ("because", "7")
    assert "confirmed" not in again
    assert count_requests(vendor) == 0


def test_form_without_csrf_token_takes_nothing(vendor: Simulator, people: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(people["supervisor"])
    assert client.post(TAKE, filled(client, csrfmiddlewaretoken="")).status_code == 403
    assert count_requests(vendor) == 0


@cases(
    ("kind", "state", "words"),
    [
        ("lose", "unknown", ["Up to 7 numbers may have been released", TASK, "Before you try"]),
        ("reset", "unknown", ["CC-iSales cannot be reached"]),
        ("hold", "unknown", ["CC-iSales did not answer in time"]),
        ("business", "refused", ["No numbers were released", "Code 31009.", "no such task"]),
        ("unauthorized", "refused", ["The CC-iSales token had expired"]),
        ("garbage", "unreadable", ["cannot be read", "stored unchanged", "/raw/"]),
        ("half_body", "unreadable", ["incomplete"]),
    ],
)
def test_error_is_shown_on_the_batch(
    supervisor: Any, vendor: Simulator, kind: str, state: str, words: list[str]
) -> None:
    options = {"code": "31009", "desc": "no such task"} if kind == "business" else {}
    form = filled(supervisor, batch_count="7")
    vendor.faults.add(kind, operation=READ_CALL_DATA, times=None, **options)
    answer = supervisor.post(TAKE, form, follow=True)
    vendor.faults.clear()
    text = answer.content.decode()
    assert answer.status_code == 200
    assert f'data-batch-state="{state}"' in text
    for word in words:
        assert word in text
    assert count_requests(vendor) == 1


def test_expired_token_is_not_reported_as_wrong_keys(supervisor: Any, vendor: Simulator) -> None:
    supervisor.get("/vdn/88/tasks/")
    vendor.faults.add("unauthorized", operation=READ_CALL_DATA)
    text = supervisor.post(TAKE, filled(supervisor), follow=True).content.decode()
    assert 'data-batch-state="refused"' in text
    assert "The CC-iSales token had expired" in text
    assert "refuses our keys" not in text
    again = supervisor.post(TAKE, filled(supervisor), follow=True).content.decode()
    assert 'data-batch-state="taken"' in again


def test_advice_has_the_time_in_the_readers_zone(supervisor: Any, vendor: Simulator) -> None:
    vendor.faults.add("lose", operation=READ_CALL_DATA)
    text = supervisor.post(TAKE, filled(supervisor), follow=True).content.decode()
    local = CallDataBatch.objects.get().asked_at.astimezone(ZoneInfo("Asia/Shanghai"))
    assert f"{local:%H:%M:%S} Asia/Shanghai (UTC+08:00)" in text


def test_problem_is_shown_in_the_readers_language(
    supervisor: Any, vendor: Simulator, people: Any
) -> None:
    vendor.faults.add("hold", operation=READ_CALL_DATA)
    with translation.override("zh-hans"):
        batch = take(scope_of(people)).batch
    vendor.faults.clear()
    where = f"{TAKE}{batch.pk}/"
    assert "CC-iSales did not answer in time" in supervisor.get(where).content.decode()
    chinese = supervisor.get(where, headers={"Accept-Language": "zh-hans"}).content.decode()
    assert "CC-iSales did not answer in time" not in chinese
    assert "Before you try again" not in chinese


def test_raw_answer_needs_permission(vendor: Simulator, people: Any, as_role: Any) -> None:
    vendor.faults.add("garbage", operation=READ_CALL_DATA)
    batch = take(scope_of(people)).batch
    where = f"{TAKE}{batch.pk}/raw/"
    answer = as_role("supervisor").get(where)
    assert answer.content == bytes(CallDataBatch.objects.get().raw or b"")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert "no-store" in answer.headers["Cache-Control"]
    event = AuditEvent.objects.first()
    assert event is not None
    assert (event.action, event.detail["kind"]) == ("call_data.exported", "raw answer")
    assert as_role("auditor").get(where).status_code == 403
    readable = take(scope_of(people)).batch
    assert as_role("admin").get(f"{TAKE}{readable.pk}/raw/").status_code == 404


def test_rows_can_be_searched(supervisor: Any, vendor: Simulator, people: Any) -> None:
    vendor.call_data.put(88, TASK, [ROW])
    scope = scope_of(people)
    take(scope, count=1)
    take(scope, count=8)
    every = units(supervisor.get(PAGE).content.decode())
    assert len(every) == 9
    (mine,) = CallDatum.objects.filter(unique_id=UNIQUE_ID).values_list("pk", flat=True)
    for wanted in (NUMBER, "+65 9123-4567", UNIQUE_ID[3:], "unlikely-name", "0012345"):
        text = supervisor.get(PAGE, {"q": wanted}, headers=FRAGMENT).content.decode()
        assert units(text) == [str(mine)], wanted
        assert "<html" not in text
    assert units(supervisor.get(PAGE, {"q": "%_%_%"}).content.decode()) == []
    none = supervisor.get(PAGE, {"q": "<i>nothing"}).content.decode()
    assert 'data-empty="no-match"' in none
    assert "<i>nothing" not in none


def test_rows_can_be_filtered_by_batch(supervisor: Any, vendor: Simulator, people: Any) -> None:
    scope = scope_of(people)
    one, two = take(scope, count=2).batch, take(scope, count=3).batch
    text = supervisor.get(PAGE, {"batch": str(one.pk)}).content.decode()
    assert len(units(text)) == 2
    assert "Show the rows of all batches" in text
    assert len(units(supervisor.get(f"{TAKE}{two.pk}/").content.decode())) == 3
    other = supervisor.get(f"{TAKE}{two.pk}/", {"batch": str(one.pk)}).content.decode()
    assert len(units(other)) == 3, "the address of a batch is stronger than a parameter"


def test_rows_are_paged_newest_batch_first(supervisor: Any, vendor: Simulator, people: Any) -> None:
    scope = scope_of(people)
    for _ in range(3):
        take(scope, count=10)
    text = supervisor.get(PAGE, {"size": "25", "page": "2"}).content.decode()
    assert len(units(text)) == 5
    assert "26–30 of 30" in text
    past = supervisor.get(PAGE, {"page": "9"}).content.decode()
    assert 'data-empty="past-end"' in past


@cases(
    ("query", "batches"),
    [("page=0", 422), ("size=x", 422), ("batch=x", 200), ("q=%01", 200), ("q=" + "x" * 65, 200)],
)
def test_invalid_filter_is_reported(supervisor: Any, query: str, batches: int) -> None:
    """The list of batches has neither a batch nor a text to filter by."""
    answer = supervisor.get(f"{PAGE}?{query}")
    assert answer.status_code == 422
    assert 'data-empty="bad-filter"' in answer.content.decode()
    assert supervisor.get(f"{BATCHES}?{query}").status_code == batches


def test_fields_of_a_row_are_escaped(supervisor: Any, vendor: Simulator, people: Any) -> None:
    evil = '<script>alert("1")</script>'
    row = dict.fromkeys(("uniqueId", "callData", "callerNumber", "ieData", evil), evil) | {
        "phoneNumber": [evil]
    }
    vendor.call_data.put(88, TASK, [row])
    batch = take(scope_of(people), count=1).batch
    for where in (PAGE, f"{TAKE}{batch.pk}/"):
        assert "<script>alert" not in supervisor.get(where).content.decode()


def test_batches_have_a_page(supervisor: Any, vendor: Simulator, people: Any) -> None:
    scope = scope_of(people)
    batches = [take(scope, count=1).batch.pk for _ in range(7)]
    few = re.findall(r'data-batch="(\d+)"', supervisor.get(PAGE).content.decode())
    assert [int(pk) for pk in few] == batches[:-6:-1]
    text = supervisor.get(TAKE, {"size": "10"}, follow=True).content.decode()
    assert [int(pk) for pk in re.findall(r'data-batch="(\d+)"', text)] == batches[::-1]
    second = supervisor.get(BATCHES, {"size": "5", "page": "2"}, headers=FRAGMENT).content.decode()
    assert [int(pk) for pk in re.findall(r'data-batch="(\d+)"', second)] == batches[1::-1]


def test_reading_pages_takes_nothing(supervisor: Any, vendor: Simulator, people: Any) -> None:
    batch = take(scope_of(people), count=1).batch
    vendor.calls.clear()
    files = (f"{TAKE}export.csv", f"{TAKE}export.xlsx", f"{BATCHES}export.csv")
    for where in (PAGE, BATCHES, f"{TAKE}{batch.pk}/", *files):
        for headers in ({}, FRAGMENT, {"Sec-Purpose": "prefetch"}):
            for method in (supervisor.get, supervisor.head):
                answer = method(where, headers=headers)
                answer.close()
                assert answer.status_code == 200
    for method in (supervisor.put, supervisor.patch, supervisor.delete, supervisor.options):
        assert method(TAKE).status_code == 405
    assert list(vendor.calls) == []


@cases(
    ("role", "seen", "taken"),
    [("agent", 403, 403), ("auditor", 200, 403), ("supervisor", 200, 303), ("admin", 200, 303)],
)
def test_role_decides_who_may_read_and_take(
    vendor: Simulator, as_role: Any, role: str, seen: int, taken: int
) -> None:
    form = filled(as_role("both"))
    client = as_role(role)
    answer = client.get(PAGE)
    assert answer.status_code == seen
    assert ("take-form" in answer.content.decode()) is (taken == 303)
    assert client.post(TAKE, form).status_code == taken
    assert count_requests(vendor) == (taken == 303)


def test_auditor_is_not_offered_a_write_back(vendor: Simulator, people: Any, as_role: Any) -> None:
    take(scope_of(people), count=1)
    assert "write-backs/new" not in as_role("auditor").get(PAGE).content.decode()


def test_batch_of_another_vdn_or_task_is_not_found(
    supervisor: Any, vendor: Simulator, people: Any
) -> None:
    task = vendor.call_data.tasks(89)[0]
    foreign = take(scope_of(people, "both", 89), task=task).batch.pk
    for where in (
        f"/vdn/88/tasks/{task}/call-data/{foreign}/",
        f"/vdn/89/tasks/{task}/call-data/{foreign}/",
        f"{TAKE}{foreign}/",
        f"{TAKE}{foreign}/raw/",
        f"{TAKE}{10**30}/",
    ):
        assert supervisor.get(where).status_code == 404
    own = take(scope_of(people)).batch.pk
    assert supervisor.get(f"/vdn/88/tasks/1106025109/call-data/{own}/").status_code == 404
    assert units(supervisor.get(f"/vdn/88/tasks/{task}/").content.decode()) == []


@cases("task", ["x" * 65, "%20", "a%5Cb", "a%0Ab"])
def test_invalid_task_id_is_not_found(supervisor: Any, vendor: Simulator, task: str) -> None:
    where = f"/vdn/88/tasks/{task}/"
    assert supervisor.get(where).status_code in {404, 422}
    form = filled(supervisor)
    assert supervisor.post(f"{where}call-data/", form).status_code in {404, 422}
    assert count_requests(vendor) == 0


def test_unlisted_task_has_a_page_while_the_vendor_is_away(
    supervisor: Any, vendor: Simulator
) -> None:
    vendor.stop()
    assert supervisor.get(PAGE).status_code == 200
    assert supervisor.get("/vdn/88/tasks/任务 1/").status_code == 200


def test_batch_shows_that_its_rows_were_deleted(
    supervisor: Any, vendor: Simulator, people: Any
) -> None:
    batch = take(scope_of(people)).batch
    CallDataBatch.objects.update(asked_at=timezone.now() - timedelta(days=40))
    storage.purge(timezone.now())
    text = supervisor.get(f"{TAKE}{batch.pk}/").content.decode()
    assert "Rows deleted at" in text
    assert units(text) == []
    assert CallDataBatch.objects.get().state == BatchState.TAKEN


def test_pages_need_few_queries(
    supervisor: Any, vendor: Simulator, people: Any, django_assert_max_num_queries: Any
) -> None:
    scope = scope_of(people)
    batch = take(scope, count=10).batch
    for _ in range(3):
        take(scope, count=10)
    supervisor.get(PAGE)
    # Person, access rights, draft, two checks for lost batches, batches and rows with counts.
    with django_assert_max_num_queries(10):
        supervisor.get(PAGE)
    with django_assert_max_num_queries(8):
        supervisor.get(f"{TAKE}{batch.pk}/")
