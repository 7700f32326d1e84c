"""Requests to the OBS interfaces: types, bodies and addresses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from isales_proxy.client.client import Client
from isales_proxy.client.config import ObsAuth, ObsConfig
from isales_proxy.client.errors import CredentialsRefused, Misdirected, Refused, Unreachable
from isales_proxy.client.operations import LIST_RESERVATIONS, OPERATIONS
from isales_proxy.client.queries import (
    CallDataQuery,
    IntermediateResult,
    InvalidQuery,
    ReservationQuery,
)
from tests.support.cases import cases
from tests.support.stub_vendor import StubVendor, reply
from tests.support.stub_vendor import obs as obs_answer

from .conftest import (
    APP_KEY,
    APP_SECRET,
    CALL_DATA_PATH,
    MID_RESULT_PATH,
    OBS,
    TASKS_PATH,
    TOKEN_PATH,
    MakeClient,
    Notes,
    app_token,
)

QUERY = CallDataQuery(cc_id=1, service_id="1251250797", batch_count=20)
# The page's own example, but for its empty fields.
RESULT = IntermediateResult(
    vdn=88,
    cc_id=1,
    unique_id="21713676089219765504",
    service_id="1251250797",
    device_type=2,
    phone_number="88889156",
)

Ask = Callable[[Client], Any]
CALLS: dict[str, Ask] = {
    "list_outbound_tasks": lambda client: client.list_outbound_tasks(vdn=88, cc_id=1),
    "read_call_data": lambda client: client.read_call_data(
        vdn=88, query=QUERY, on_received=lambda _: None
    ),
    "push_mid_result": lambda client: client.push_mid_result(result=RESULT),
}


@pytest.mark.parametrize(
    ("name", "path", "body"),
    [
        ("list_outbound_tasks", TASKS_PATH, {"subCCNo": "1", "vdnId": "88"}),
        (
            "read_call_data",
            CALL_DATA_PATH,
            {"subCCNo": 1, "vdnId": 88, "serviceId": 1251250797, "batchCount": 20},
        ),
        (
            "push_mid_result",
            MID_RESULT_PATH,
            {
                "subCCNo": 1,
                "vdnId": 88,
                "uniqueId": "21713676089219765504",
                "serviceId": "1251250797",
                "deviceType": 2,
                "phoneNumber": "88889156",
            },
        ),
    ],
)
def test_requests_have_the_documented_types(
    obs: Client, stub: StubVendor, name: str, path: str, body: dict[str, Any]
) -> None:
    stub.default = reply(obs_answer([]))
    CALLS[name](obs)
    (received,) = stub.sent_to("business" + path.partition("business")[2])
    assert (received.method, received.target) == ("POST", path)
    assert received.header("Content-Type") == "application/json"
    assert received.header("Authorization") == "Bearer token-1"
    assert received.header("Host") == f"127.0.0.1:{stub.port}"
    sent = json.loads(received.body)
    assert sent == body
    # Equality takes True for 1; the types are the point here.
    assert {name: type(value) for name, value in sent.items()} == {
        name: type(value) for name, value in body.items()
    }


@cases(
    ("service_id", "sent"),
    [
        ("1251250797", 1251250797),
        ("0", 0),
        ("21713676089219765504", 21713676089219765504),
        ("007", "007"),
        ("-7", "-7"),
        ("1.5", "1.5"),
        ("٣", "٣"),
        ("fadsfa", "fadsfa"),
    ],
)
def test_task_id_is_sent_as_a_number_only_when_nothing_is_lost(
    service_id: str, sent: object
) -> None:
    query = CallDataQuery(cc_id=1, service_id=service_id, batch_count=1)
    assert query.to_body(vdn=88)["serviceId"] == sent


def test_token_call_is_as_documented(obs: Client, stub: StubVendor) -> None:
    stub.default = reply(obs_answer({}))
    obs.list_outbound_tasks(vdn=88, cc_id=1)
    (received,) = stub.sent_to("tokenByAkSk")
    assert (received.method, received.target) == ("POST", TOKEN_PATH)
    assert received.header("Content-Type") == "application/json"
    assert received.header("X-Token-Expire") == "3600"
    assert not received.has("Authorization")
    assert json.loads(received.body) == {"app_key": APP_KEY, "app_secret": APP_SECRET}


def test_obs_interfaces_and_token_have_their_own_addresses(
    make_client: MakeClient, stub: StubVendor
) -> None:
    with StubVendor() as far, StubVendor() as tokens:
        far.default = reply(obs_answer({"serviceId": "1"}))
        tokens.default = app_token("t")
        client = make_client(
            obs=ObsConfig(
                base_url=f"{far.base_url}/gate/",
                key=APP_KEY,
                secret=APP_SECRET,
                token_url=f"{tokens.base_url}/oauth/new",
                header="Authentication",
                token_seconds=600,
            )
        )
        client.list_outbound_tasks(vdn=88, cc_id=1)
        client.list_reservations(vdn=88, query=ReservationQuery())
        hosts = [f"127.0.0.1:{far.port}", f"127.0.0.1:{tokens.port}"]
    (business,) = far.received
    assert business.target == f"/gate{TASKS_PATH}"
    assert business.header("Authentication") == "Bearer t"
    assert not business.has("Authorization")
    (token,) = tokens.received
    assert token.target == "/oauth/new"
    assert [business.header("Host"), token.header("Host")] == hosts
    assert token.header("X-Token-Expire") == "600"
    (reservations,) = stub.received
    assert reservations.header("Authorization").startswith("auth-v2/")
    assert not reservations.has("Authentication")


def test_default_token_address_is_below_the_obs_address(
    make_client: MakeClient, stub: StubVendor
) -> None:
    stub.at("tokenByAkSk", app_token())
    stub.default = reply(obs_answer({}))
    obs = ObsConfig(base_url=f"{stub.base_url}/gate", key=APP_KEY, secret=APP_SECRET)
    make_client(obs=obs).list_outbound_tasks(vdn=88, cc_id=1)
    assert [received.target for received in stub.received] == [
        f"/gate{TOKEN_PATH}",
        f"/gate{TASKS_PATH}",
    ]


def test_thread_keeps_one_connection_per_address(make_client: MakeClient, stub: StubVendor) -> None:
    with StubVendor() as far:
        far.default = reply(obs_answer({}))
        client = make_client(
            obs=ObsConfig(base_url=far.base_url, auth=ObsAuth.STATIC, token="fixed")
        )
        for _ in range(3):
            client.list_outbound_tasks(vdn=88, cc_id=1)
            client.list_reservations(vdn=88, query=ReservationQuery())
        assert (far.connections, stub.connections) == (1, 1)


@cases(
    ("name", "obs"),
    [
        (name, obs)
        for name in CALLS
        for obs in (
            ObsConfig(),
            ObsConfig(key="k"),
            ObsConfig(auth=ObsAuth.LOGIN, secret="s"),
            ObsConfig(auth=ObsAuth.STATIC, key="k", secret="s"),
        )
    ],
)
def test_no_call_is_made_without_credentials(
    make_client: MakeClient, stub: StubVendor, notes: Notes, name: str, obs: ObsConfig
) -> None:
    client = make_client(obs=obs)
    with pytest.raises(CredentialsRefused, match=r"No OBS credentials are set\.") as caught:
        CALLS[name](client)
    assert caught.value.operation == name
    assert not caught.value.maybe_sent
    assert stub.connections == 0
    assert notes.calls == []
    assert client.token_state() is None


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.list_outbound_tasks(vdn=0, cc_id=1),
        lambda client: client.list_outbound_tasks(vdn=88, cc_id=0),
        lambda client: client.list_outbound_tasks(vdn=88, cc_id=65_536),
        lambda client: client.read_call_data(vdn=0, query=QUERY, on_received=lambda _: None),
    ],
)
def test_query_out_of_bounds_makes_no_call(obs: Client, stub: StubVendor, ask: Ask) -> None:
    with pytest.raises(InvalidQuery):
        ask(obs)
    assert stub.connections == 0


REFUSALS: list[tuple[int, object, type[Refused], str | None, str]] = [
    (200, obs_answer(None, result=7, resultDesc="task is over"), Refused, "7", "task is over"),
    (200, obs_answer(None, result="12", message="no such task"), Refused, "12", "no such task"),
    (400, obs_answer(result="3", resultMsg="bad path"), Refused, "3", "bad path"),
    (400, {"message": "vdnId 138 1234 5678 is wrong"}, Misdirected, None, "vdnId ••• is wrong"),
    (
        400,
        {"error_code": "APIG.1", "error_msg": "no such path"},
        Misdirected,
        None,
        "no such path",
    ),
    (404, b"<html>", Misdirected, None, ""),
    (404, obs_answer(result=5), Refused, "5", ""),
    (408, b"", Unreachable, None, ""),
    (500, obs_answer(result=9, error="out of rows"), Refused, "9", "out of rows"),
    (500, obs_answer(result=0), Unreachable, None, ""),
    (500, {"message": "it broke"}, Unreachable, None, ""),
    (500, b"<html>", Unreachable, None, ""),
    (503, obs_answer(result=9), Unreachable, None, ""),
]


@cases(
    ("name", "status", "body", "kind", "code", "said"),
    [(name, *refusal) for name in CALLS for refusal in REFUSALS],
)
def test_refusal_is_distinguished_from_vendor_failure(
    make_client: MakeClient,
    stub: StubVendor,
    name: str,
    status: int,
    body: object,
    kind: type[Refused],
    code: str | None,
    said: str,
) -> None:
    stub.at("tokenByAkSk", app_token())
    stub.default = reply(body, status=status)
    with pytest.raises(kind) as caught:
        CALLS[name](make_client(obs=OBS))
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.http_status) == (code, status)
    assert getattr(caught.value, "vendor_sentence", "") == said


def test_status_500_of_campaigns_is_a_failure_despite_its_body(
    make_client: MakeClient, stub: StubVendor
) -> None:
    stub.default = reply({"resultCode": "0200006", "result": 1}, status=500)
    with pytest.raises(Unreachable):
        make_client(attempts=1).list_reservations(vdn=88, query=ReservationQuery())


def test_operations_have_the_documented_place_and_authentication() -> None:
    assert {op.name: (op.endpoint.value, op.auth.value) for op in OPERATIONS} == {
        "list_reservations": ("campaigns", "c2"),
        "list_result_codes": ("campaigns", "c2"),
        "list_outbound_tasks": ("obs", "bearer"),
        "read_call_data": ("obs", "bearer"),
        "push_mid_result": ("obs", "bearer"),
        "fetch_token": ("token", "open"),
        "log_in": ("obs", "open"),
        "refresh_token": ("obs", "open"),
    }
    assert LIST_RESERVATIONS.path_for(vdn=7).endswith("/campaigns/7/appoint/list")
    with pytest.raises(KeyError):
        LIST_RESERVATIONS.path_for()
