"""Bad input: a clear message, 422, and no call to the vendor."""

from __future__ import annotations

from typing import Any

from isales_proxy.simulator import Simulator
from tests.support.cases import cases

LIST = "/vdn/88/reservations/"

BAD = {
    "page 0": ("page=0", "Must be a whole number from 1"),
    "page in letters": ("page=abc", "Must be a whole number from 1"),
    "page beyond reason": ("page=1000000000", "Must be a whole number from 1"),
    "negative page": ("page=-1", "Must be a whole number from 1"),
    "size beyond reason": ("size=1000000000", "Must be a whole number from 1"),
    "size 0": ("size=0", "Must be a whole number from 1"),
    "the end before the beginning": (
        "begin=2025-05-16T00:00&end=2025-05-15T00:00",
        "“To” is earlier than “From”.",
    ),
    "no such day": ("begin=2025-02-30T10:00", "There is no such date or time."),
    "no such hour": ("end=2025-02-20T25:00", "There is no such date or time."),
    "no date at all": ("begin=tomorrow", "Enter date and time as"),
    "a year of the far future": ("begin=9999-12-31T23:59", "The year must be from"),
    "no such range": ("range=tomorrow", "Must be next-hour, today"),
    "letters for a number": ("called_no=Bob", "only digits"),
    "markup for a number": ("called_no=%3Cscript%3Ealert(1)%3C/script%3E", "digits"),
    "SQL for a number": ("called_no=1%27%20OR%20%271%27=%271", "only digits"),
    "a number of 200 characters": ("called_no=" + "1" * 200, "at most 32 digits"),
    "500 agents": ("&".join(f"agent={number}" for number in range(500)), "At most 100 agents"),
    "a task with a line break": ("task=a%0Ab", "one line"),
    "a task of 200 characters": ("task=" + "1" * 200, "at most 64"),
    "NUL": ("called_no=1%00", ""),
    "NUL in an unknown parameter": ("x=%00", ""),
    "2000 parameters": ("x&" * 1500, ""),
    "invalid UTF-8": ("task=%ff%fe", ""),
}


@cases(("name", "fragment"), [(name, fragment) for fragment in (False, True) for name in BAD])
def test_bad_input_is_refused_without_a_call(
    vendor: Simulator, as_role: Any, name: str, fragment: bool
) -> None:
    query, message = BAD[name]
    answer = as_role("supervisor").get(
        f"{LIST}?{query}", headers={"HX-Request": "true"} if fragment else {}
    )
    text = answer.content.decode()
    assert answer.status_code == 422
    assert message in text
    assert "<script>alert" not in text
    assert list(vendor.calls) == []


def test_valid_filters_stay_in_the_form_beside_an_invalid_one(
    vendor: Simulator, as_role: Any
) -> None:
    answer = as_role("supervisor").get(f"{LIST}?called_no=123&page=abc&agent=116")
    text = answer.content.decode()
    assert 'value="123"' in text
    assert 'value="116"' in text


def test_address_of_twenty_kilobytes_is_refused(vendor: Simulator, as_role: Any) -> None:
    answer = as_role("supervisor").get(f"{LIST}?called_no={'1' * 20_000}")
    assert answer.status_code == 414
    assert list(vendor.calls) == []


def test_address_longer_than_eight_kilobytes_survives_the_log_in(
    vendor: Simulator, people: Any
) -> None:
    from django.test import Client

    address = f"{LIST}?" + "&".join(f"agent={chr(0x4E00 + number) * 8}" for number in range(60))
    client = Client()
    led = client.get(address)
    assert led.status_code == 302
    assert len(led.headers["Location"]) > 8192
    assert client.get(led.headers["Location"]).status_code == 200


@cases("query", ["x=%00", "task=%ff", "page=0", "x=&" * 1500])
def test_api_answers_bad_input_with_problem_json(
    vendor: Simulator, as_role: Any, query: str
) -> None:
    answer = as_role("supervisor").get(f"/api/v1/vdns/88/reservations/?{query}")
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert list(vendor.calls) == []


def test_separators_in_a_pasted_number_are_accepted(vendor: Simulator, as_role: Any) -> None:
    answer = as_role("supervisor").get(LIST, {"called_no": " +65 (8123)\u20114567 "})
    assert answer.status_code == 200


@cases("appoint_id", ["%00", "%ff", "..%2f", "a" * 300, "<b>"])
def test_malformed_reservation_id_is_not_found(
    vendor: Simulator, as_role: Any, appoint_id: str
) -> None:
    answer = as_role("supervisor").get(f"{LIST}{appoint_id}/", headers={"HX-Request": "true"})
    assert answer.status_code in {404, 422}
