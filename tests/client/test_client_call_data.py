"""Outbound tasks and call data as records: every spelling and type, and ``ieData`` in its parts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isales_proxy.client.client import Client
from isales_proxy.client.errors import BadAnswer
from isales_proxy.client.ie_data import IeElement, parse_ie_data
from isales_proxy.client.queries import CallDataQuery
from isales_proxy.client.records import CallDatum, OutboundTask
from tests.support.cases import cases
from tests.support.stub_vendor import StubVendor, reply
from tests.support.stub_vendor import obs as obs_answer

from .conftest import Notes

# The example of the vendor page, once its missing quotes are put right.
EXAMPLE = {
    "seviceId": "fadsfa",
    "uiqueId": "sfa",
    "phoneNumber": ["10086", "1008611"],
    "callData": "1s56fas68dasf",
    "callerNumber": "10086",
    "ieData": "xxx",
}
QUERY = CallDataQuery(cc_id=1, service_id="1", batch_count=2)


def test_documented_call_datum_is_read_without_drift() -> None:
    datum, drift = CallDatum.parse(EXAMPLE)
    assert drift == ()
    assert (datum.version, datum.service_id, datum.unique_id) == (None, "fadsfa", "sfa")
    assert datum.phone_numbers == ("10086", "1008611")
    assert (datum.call_data, datum.caller_number) == ("1s56fas68dasf", "10086")
    assert datum.ie_data == "xxx"


@cases(
    ("row", "service_id", "unique_id"),
    [
        ({"seviceId": "1", "uniqueId": "u"}, "1", "u"),
        ({"serviceId": "1", "uiqueId": "u"}, "1", "u"),
        ({"seviceId": "", "serviceId": "1", "uniqueId": None, "uiqueId": "u"}, "1", "u"),
        ({"seviceId": "1", "serviceId": "2", "uniqueId": "u", "uiqueId": "v"}, "1", "u"),
        ({"seviceId": 1, "uiqueId": 21713676089219765504}, "1", "21713676089219765504"),
        ({}, None, None),
    ],
)
def test_both_spellings_of_service_and_unique_id_are_read(
    row: dict[str, Any], service_id: str | None, unique_id: str | None
) -> None:
    datum, _ = CallDatum.parse(row)
    assert (datum.service_id, datum.unique_id) == (service_id, unique_id)


@cases(
    ("sent", "numbers", "kind"),
    [
        (["10086", "+65 8123 4567"], ("10086", "+65 8123 4567"), None),
        ([10086, 1.0, None, " ", "7"], ("10086", "1", "7"), None),
        ([], (), None),
        (None, (), None),
        ("", (), None),
        ("10086", ("10086",), "retyped"),
        ("10086,1008611；007", ("10086", "1008611", "007"), "retyped"),
        (10086, ("10086",), "retyped"),
        ([[], {}, True], (), "unreadable"),
        ({"number": "1"}, (), "unreadable"),
        (True, (), "unreadable"),
        (["1"] * 999, ("1",) * 100, None),
    ],
)
def test_phone_numbers_are_read_from_every_type(
    sent: object, numbers: tuple[str, ...], kind: str | None
) -> None:
    datum, drift = CallDatum.parse({**EXAMPLE, "phoneNumber": sent})
    assert datum.phone_numbers == numbers
    assert drift == ((("phoneNumber", kind),) if kind else ())


@cases(
    ("sent", "text"),
    [({"name": "李"}, '{"name":"李"}'), (["a", 1], '["a",1]'), (5, "5"), ('{"a":1}', '{"a":1}')],
)
def test_call_data_other_than_text_is_stored_as_json(sent: object, text: str) -> None:
    datum, drift = CallDatum.parse({**EXAMPLE, "callData": sent})
    assert datum.call_data == text
    assert drift == (() if isinstance(sent, str) else (("callData", "retyped"),))


def test_missing_and_unknown_fields_are_drift() -> None:
    datum, drift = CallDatum.parse({"new": 1})
    assert datum.model_extra == {"new": 1}
    assert set(drift) == {
        ("new", "unknown"),
        ("seviceId", "missing"),
        ("uniqueId", "missing"),
        ("phoneNumber", "missing"),
    }


def test_repr_of_call_data_contains_no_value() -> None:
    datum, _ = CallDatum.parse(EXAMPLE)
    assert (repr(datum), str(datum)) == ("<CallDatum>", "<CallDatum>")
    shown = repr(parse_ie_data("callerno:callernumber=12345;sipdatahead:x:bob#$#$rest"))
    assert "12345" not in shown
    assert "bob" not in shown


@cases("row", [None, [], "x", 1])
def test_row_other_than_an_object_is_drift_for_call_data_and_an_error_for_tasks(
    row: object,
) -> None:
    with pytest.raises(BadAnswer):
        OutboundTask.parse(row)
    datum, drift = CallDatum.parse(row)
    assert (datum.unique_id, datum.phone_numbers) == (None, ())
    assert drift == (("taskData", "unreadable"),)


def test_tasks_and_call_data_are_read_as_one_object_and_as_a_list(
    obs: Client, stub: StubVendor, notes: Notes
) -> None:
    stub.script(
        reply(obs_answer({"taskData": [{"serviceId": "12345"}, {"seviceId": 6}]})),
        reply(obs_answer({"serviceId": "12345"}, result="0")),
        reply(obs_answer({"taskData": [EXAMPLE, EXAMPLE, EXAMPLE]})),
        reply(obs_answer(EXAMPLE)),
        reply(obs_answer({"taskData": [EXAMPLE, None]})),
    )
    listed = [
        [task.service_id for task in obs.list_outbound_tasks(vdn=88, cc_id=1)] for _ in range(2)
    ]
    assert listed == [["12345", "6"], ["12345"]]
    kept: list[object] = []
    rows = [obs.read_call_data(vdn=88, query=QUERY, on_received=kept.append) for _ in range(2)]
    assert [len(batch) for batch in rows] == [3, 1]
    assert ("read_call_data", "taskData", "oversize") in notes.drifts
    # What cannot be read takes nothing of what can: it is handed out only once.
    found = obs.read_call_data(vdn=88, query=QUERY, on_received=kept.append)
    assert [datum.unique_id for datum in found] == ["sfa", None]
    assert len(kept) == 3
    assert ("read_call_data", "taskData", "unreadable") in notes.drifts


# ieData


def test_documented_ie_data_is_split_into_elements() -> None:
    found = parse_ie_data(
        "RedInfo:RedInd=1,OldRes=1,Res=1,Count=2;"
        "RedNumber:NumPlan=0,NumType=0,NumSi=0,NumPi=0,Number=9558800"
    )
    assert found.elements == (
        IeElement("RedInfo", (("RedInd", "1"), ("OldRes", "1"), ("Res", "1"), ("Count", "2"))),
        IeElement(
            "RedNumber",
            (
                ("NumPlan", "0"),
                ("NumType", "0"),
                ("NumSi", "0"),
                ("NumPi", "0"),
                ("Number", "9558800"),
            ),
        ),
    )
    assert (found.sip_headers, found.rest) == ((), "")


SIP = r"sipdatahead:x-charge:Bob sip:bob@biloxi.com;tag=a\6c,85cf#%#%x-vdf:vender name#$#$"


@cases("before", ["callerno:callernumber=12345;", "callerno:callernumber=12345"])
def test_sip_part_keeps_its_commas_semicolons_and_colons(before: str) -> None:
    found = parse_ie_data(before + SIP)
    assert found.elements == (IeElement("callerno", (("callernumber", "12345"),)),)
    assert found.sip_headers == (
        ("x-charge", r"Bob sip:bob@biloxi.com;tag=a\6c,85cf"),
        ("x-vdf", "vender name"),
    )
    assert found.rest == ""


@cases(
    ("text", "elements", "sip", "rest"),
    [
        ("", (), (), ""),
        ("xxx", (), (), "xxx"),
        ("A：b＝c，d=e；F：g=h", (("A", (("b＝c", ""), ("d", "e"))), ("F", (("g", "h"),))), (), ""),
        ("A:b=c:d=e", (("A", (("b", "c:d=e"),)),), (), ""),
        ("A:", (("A", ()),), (), ""),
        (":b=c;;x", (), (), ":b=c;x"),
        ("SIPDataHead：a：b#%#%#%#%c", (), (("a", "b"), ("c", "")), ""),
        ("sipdatahead:#$#$later", (), (), "later"),
        ("x;sipdatahead:a:b#$#$y", (), (("a", "b"),), "x;y"),
    ],
)
def test_unusual_ie_data_is_split_into_elements(
    text: str,
    elements: tuple[tuple[str, tuple[tuple[str, str], ...]], ...],
    sip: tuple[tuple[str, str], ...],
    rest: str,
) -> None:
    found = parse_ie_data(text)
    assert tuple((each.name, each.fields) for each in found.elements) == elements
    assert (found.sip_headers, found.rest) == (sip, rest)


PIECES = st.sampled_from(
    [
        ":",
        "：",
        ";",
        "；",
        ",",
        "，",
        "=",
        "sipdatahead",
        "#%#%",
        "#$#$",
        "a",
        " ",
        "\x00",
        "\ud800",
    ]
)


@given(st.text(max_size=80) | st.lists(PIECES, max_size=40).map("".join))
def test_no_ie_data_makes_parsing_fail(text: str) -> None:
    found = parse_ie_data(text)
    assert all(element.name for element in found.elements)
