"""Every address, with every role: no number reaches who may not see it, in no byte at all."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from django.test import Client

from isales_proxy.core.settings import PrivacySettings
from isales_proxy.models import AuditEvent, BatchState, CallDataBatch, CallDatum
from isales_proxy.privacy.phone_numbers import get_digits
from isales_proxy.simulator import READ_CALL_DATA, Simulator
from tests.conftest import AGENT_ACCOUNT
from tests.rules.test_addresses import PUBLIC, VDN_ROUTES
from tests.support.addresses import EXAMPLES, routes
from tests.support.call_data import TASK, scope_of, take
from tests.support.cases import cases
from tests.support.numbers import found_in, texts_of
from tests.support.outbox import outbox_of

pytestmark = pytest.mark.thorough

# One for each place where a number can stand; none occurs in the simulator's own rows.
CALLED, CALLER, IN_TASK, IN_NAME = "13800138001", "4008123456", "13800138002", "13800138003"
IN_RESULT, IN_NOTE, IN_IE, IN_REASON = "13800138004", "13800138005", "13800138006", "13800138007"
UNKNOWN, WRITTEN, RAW, SHORT = "13800138008", "13800138009", "13800138010", "95588"
OURS = {CALLED, CALLER, IN_TASK, IN_NAME, IN_RESULT, IN_NOTE, IN_IE, IN_REASON}
OURS |= {UNKNOWN, WRITTEN, RAW, SHORT}
BLIND = [("agent", False), ("auditor", False), ("supervisor", True), ("admin", True)]
# What minds a question: a list, a file of one, and a reservation that it is opened from.
LIST = re.compile('id="results"|"results":')
MINDS = re.compile("reservations|export")
QUERIES = ("", "?size=100&task=4711", f"?called_no={CALLED}&page=2", "?q=138001")


@dataclass
class World:
    """Data of the walk: IDs for the addresses, and every number that must not be."""

    examples: dict[str, str]
    numbers: set[str]

    def path(self, route: str, **more: str) -> str:
        known = EXAMPLES | self.examples | more
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda match: known.get(match[1], "1"), route)
        return "/" + re.sub(r"\(\?P.*?\)+|[\^$?\\]", "", path)


@pytest.fixture
def world(vendor: Simulator, as_role: Any, people: Any) -> World:
    """Numbers in every field of rows that who sees them has had on the screen."""
    row = {
        "appointId": "41",
        "calledNo": CALLED,
        "callerNo": CALLER,
        "taskId": "4711",
        "taskName": f"Renewal {IN_TASK}",
        "userAccount": AGENT_ACCOUNT,
        "userName": f"Ann 138 0013-{IN_NAME[-4:]}",
        "failCode": "00604",
        "result": IN_RESULT,
        "busiResult": f"see {IN_RESULT[:3]}-{IN_RESULT[3:7]}-{IN_RESULT[7:]}",
        "remark": UNKNOWN,
    }
    short = {"appointId": "42", "calledNo": SHORT, "busiResult": f"at {SHORT}", "taskId": "4711"}
    vendor.add_rows(88, [row, short | {"userAccount": AGENT_ACCOUNT}])
    vendor.call_data.put(
        88,
        TASK,
        [
            {
                "seviceId": TASK,
                "uniqueId": "u-41",
                "phoneNumber": [CALLED, int(IN_NOTE)],
                "callerNumber": CALLER,
                "callData": f'a note {{"mobile": "{IN_NOTE}", "n": {IN_NOTE}}}',
                "ieData": f"RedInfo:RedInd=1;callerno:callernumber={IN_IE}",
                "extra": {"deep": [f"x{UNKNOWN}", int(UNKNOWN)], UNKNOWN: None},
            }
        ],
    )
    scope = scope_of(people)
    batch = take(scope, count=1).batch
    CallDataBatch.objects.filter(pk=batch.pk).update(reason=f"for {IN_REASON}")
    vendor.faults.add("garbage", operation=READ_CALL_DATA)
    broken = take(scope, count=1).batch
    assert broken.state == BatchState.UNREADABLE
    CallDataBatch.objects.filter(pk=broken.pk).update(raw=f"[{RAW}".encode())
    written = outbox_of(people).write(phone_number=WRITTEN, asr_result=f"busy {IN_NOTE}")
    sees = as_role("supervisor")
    numbers = set(OURS)
    for page in range(1, 8):
        answer = sees.get("/api/v1/vdns/88/reservations/", {"size": 100, "page": page}).json()
        for each in answer["results"]:
            numbers |= {get_digits(each[name] or "") for name in ("called_no", "caller_no")}
    sees.get("/vdn/88/reservations/", {"task": "4711"})
    return World(
        {
            "appoint_id": "41",
            "service_id": TASK,
            "batch_id": str(batch.pk),
            "datum_id": str(CallDatum.objects.get().pk),
            "pk": str(written.pk),
        },
        # What is too short to be a number's fingerprint would be found in any page.
        {number for number in numbers if len(number) >= 5},
    )


def blind(people: Any, role: str, everybody: bool, settings: Any) -> Client:
    visible = frozenset() if everybody else PrivacySettings().numbers_visible_to
    settings.PRIVACY = replace(settings.PRIVACY, numbers_visible_to=visible)
    if role == "admin":
        people["admin"].is_staff = people["admin"].is_superuser = True
        people["admin"].save()
    client = Client()
    client.force_login(people[role])
    return client


def walk(world: World) -> Iterator[str]:
    for route in sorted({route for route in routes() if route not in PUBLIC}):
        yield world.path(route)
    for route in VDN_ROUTES:
        if "batch_id" in route:
            broken = CallDataBatch.objects.get(state=BatchState.UNREADABLE)
            yield world.path(route, batch_id=str(broken.pk))
        if "appoint_id" in route:
            yield world.path(route, appoint_id="42")


@cases(("role", "everybody"), BLIND)
def test_no_address_shows_a_number_to_people_without_number_access(
    world: World, people: Any, settings: Any, role: str, everybody: bool
) -> None:
    client = blind(people, role, everybody, settings)
    told: dict[str, set[str]] = {}
    reached = 0
    for path in walk(world):
        ours = path.startswith(("/vdn/", "/api/v1/"))
        for query in QUERIES if ours else ("",):
            # The fragment holds what the page holds; of two questions it is asked for, too.
            parts = path.startswith("/vdn/") and query in QUERIES[:2]
            for headers in ({}, {"HX-Request": "true"}) if parts else ({},):
                answer = client.get(path + query, headers=headers)
                reached += answer.status_code == 200
                typed = set(re.findall(r"\d{11}", query))
                texts = texts_of(answer)
                if found := found_in(texts, world.numbers - typed):
                    told[path + query] = found
            # Who is not let in is not let in by another question; what is no list is the same.
            if answer.status_code in {403, 404, 405} or not (
                MINDS.search(path) or any(map(LIST.search, texts))
            ):
                break
        if "logout" not in path:
            for headers in ({}, {"HX-Request": "true"}) if "/vdn/" in path else ({},):
                answer = client.generic("POST", path, headers=headers)
                if found := found_in(texts_of(answer), world.numbers):
                    told[f"POST {path}"] = found
    assert told == {}
    assert reached > 50


def test_every_number_is_found_on_the_same_addresses_with_number_access(
    world: World, as_role: Any
) -> None:
    """A person who sees numbers finds those of every place on the same addresses."""
    client = as_role("supervisor")
    found: set[str] = set()
    for path in walk(world):
        for query in ("", "?task=4711"):
            found |= found_in(texts_of(client.get(path + query)), OURS)
    # The vendor's unknown fields of a reservation are shown to nobody.
    assert found == OURS


def test_audit_contains_no_number(world: World, people: Any, as_role: Any, settings: Any) -> None:
    for role in ("agent", "auditor", "supervisor", "admin"):
        client = as_role(role)
        client.get("/vdn/88/reservations/", {"called_no": CALLED})
        client.get("/vdn/88/reservations/41/")
        client.post("/vdn/88/reservations/41/reveal/", {"reason": f"for {CALLED}"})
        client.get(f"/vdn/88/tasks/{TASK}/call-data/export.csv", {"q": CALLED})
        form = {"batch_count": "1", "confirmed": "yes", "key": uuid.uuid4().hex}
        client.post(f"/vdn/88/tasks/{TASK}/call-data/", form | {"reason": f"for {CALLED}"})
    kept = [
        f"{event.subject} {event.reason} {event.detail} {event.actor}"
        for event in AuditEvent.objects.all()
    ]
    assert len(kept) > 10
    assert found_in(kept, world.numbers) == set()
