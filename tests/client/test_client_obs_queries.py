"""Bounds of a batch and of a write-back, and conversion of a write-back to a body and back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isales_proxy.client.config import ObsAuth, ObsConfig
from isales_proxy.client.queries import MAX_BATCH, CallDataQuery, IntermediateResult, InvalidQuery
from tests.support.cases import cases

# The request example of the vendor page, its empty fields included.
EXAMPLE: dict[str, Any] = {
    "subCCNo": 1,
    "vdnId": 88,
    "uniqueId": "21713676089219765504",
    "serviceId": "1251250797",
    "status": "",
    "deviceType": 2,
    "phoneNumber": "88889156",
    "failCode": "",
    "asrResult": "",
    "fetchTime": "",
    "writeStartTime": "",
    "endCallTime": "",
    "callId": "",
}
LEAST: dict[str, Any] = {"vdn": 88, "cc_id": 1, "unique_id": "u", "service_id": "s"}
TEXT = st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=64)


def test_documented_write_back_is_read_and_written() -> None:
    result = IntermediateResult.from_body(EXAMPLE)
    assert (result.vdn, result.cc_id, result.unique_id) == (88, 1, "21713676089219765504")
    assert (result.service_id, result.device_type) == ("1251250797", 2)
    assert result.to_body() == {name: value for name, value in EXAMPLE.items() if value != ""}


def test_write_back_sends_only_the_given_fields() -> None:
    assert IntermediateResult(**LEAST).to_body() == {
        "subCCNo": 1,
        "vdnId": 88,
        "uniqueId": "u",
        "serviceId": "s",
    }
    assert IntermediateResult(**LEAST, device_type=0).to_body()["deviceType"] == 0


@given(
    st.fixed_dictionaries(
        {
            "vdn": st.integers(1, 9999),
            "cc_id": st.integers(1, 65535),
            "unique_id": TEXT.filter(str.strip),
            "service_id": TEXT.filter(str.strip),
        },
        optional={
            "status": TEXT,
            "device_type": st.none() | st.integers(0, 9999),
            "phone_number": TEXT,
            "fail_code": TEXT,
            "asr_result": TEXT,
            "fetch_time": TEXT,
            "write_start_time": TEXT,
            "end_call_time": TEXT,
            "call_id": TEXT,
        },
    )
)
def test_write_back_survives_a_round_trip_through_its_body(given: dict[str, Any]) -> None:
    result = IntermediateResult(**given)
    assert IntermediateResult.from_body(result.to_body()) == result


@cases(
    ("change", "field"),
    [
        ({"vdnId": 0}, "vdn"),
        ({"vdnId": "88"}, "vdn"),
        ({"subCCNo": True}, "cc_id"),
        ({"subCCNo": 65_536}, "cc_id"),
        ({"uniqueId": ""}, "unique_id"),
        ({"uniqueId": 5}, "unique_id"),
        ({"serviceId": " "}, "service_id"),
        ({"deviceType": "2"}, "device_type"),
        ({"deviceType": -1}, "device_type"),
        ({"phoneNumber": ["1"]}, "phone_number"),
        ({"fetchTime": "x" * 65}, "fetch_time"),
        ({"callId": "a\nb"}, "call_id"),
        ({"status": "\ud800"}, "status"),
        ({"uniqueId": ...}, "unique_id"),
        ({"vdnId": ...}, "vdn"),
        ({"extra": 1}, "body"),
    ],
)
def test_invalid_write_back_body_is_refused_with_the_field(
    change: dict[str, Any], field: str
) -> None:
    body = {name: value for name, value in (EXAMPLE | change).items() if value is not ...}
    with pytest.raises(InvalidQuery) as caught:
        IntermediateResult.from_body(body)
    assert caught.value.field == field


def test_repr_of_a_write_back_contains_no_customer_data() -> None:
    shown = repr(IntermediateResult.from_body(EXAMPLE | {"callId": "call-1"}))
    assert "88889156" not in shown
    assert "21713676089219765504" not in shown
    assert "call-1" not in shown


@cases(
    ("change", "field"),
    [
        ({"cc_id": 0}, "cc_id"),
        ({"cc_id": 65_536}, "cc_id"),
        ({"service_id": ""}, "service_id"),
        ({"service_id": "x" * 65}, "service_id"),
        ({"service_id": 5}, "service_id"),
        ({"batch_count": 0}, "batch_count"),
        ({"batch_count": MAX_BATCH + 1}, "batch_count"),
        ({"batch_count": True}, "batch_count"),
    ],
)
def test_call_data_query_out_of_bounds_is_refused_with_the_field(
    change: dict[str, Any], field: str
) -> None:
    assert MAX_BATCH == 500
    with pytest.raises(InvalidQuery) as caught:
        CallDataQuery(**{"cc_id": 1, "service_id": "1", "batch_count": 1} | change)
    assert caught.value.field == field


def test_call_data_query_with_vdn_zero_is_refused() -> None:
    with pytest.raises(InvalidQuery):
        CallDataQuery(cc_id=1, service_id="1", batch_count=1).to_body(vdn=0)


@cases(
    "setting",
    [
        {"base_url": "topsecret"},
        {"token_url": "https://topsecret@a"},
        {"auth": "topsecret"},
        {"key": "topsecret\n"},
        {"secret": "topsecret\x00"},
        {"token": "topsecret "},
        {"token": "topsecret\r\nX: y"},
        {"token": "令牌"},
        {"header": "top secret"},
        {"header": ""},
        {"header": "topsecret:\r\n"},
        {"token_seconds": 0},
        {"token_seconds": 3601},
    ],
)
def test_invalid_obs_setting_is_refused_without_its_value(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))) as caught:
        ObsConfig(**setting)
    assert "topsecret" not in str(caught.value)


@cases(
    ("config", "configured"),
    [
        (ObsConfig(), False),
        (ObsConfig(key="k", secret="s"), True),
        (ObsConfig(key="k", secret="s", auth=ObsAuth.LOGIN), True),
        (ObsConfig(key="k", auth=ObsAuth.LOGIN), False),
        (ObsConfig(key="k", secret="s", auth=ObsAuth.STATIC), False),
        (ObsConfig(token="t"), False),
        (ObsConfig(token="t", auth=ObsAuth.STATIC), True),
        (ObsConfig(token="t", auth=ObsAuth("static")), True),
    ],
)
def test_obs_is_configured_only_with_complete_credentials(
    config: ObsConfig, configured: bool
) -> None:
    assert config.configured is configured
