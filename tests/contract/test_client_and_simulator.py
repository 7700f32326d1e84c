"""Client and simulator work together on every interface, in every documented format."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from isales_proxy.client.auth import Credentials
from isales_proxy.client.client import Client
from isales_proxy.client.config import ObsAuth, ObsConfig, TransportConfig
from isales_proxy.client.errors import CredentialsRefused, Refused
from isales_proxy.client.queries import (
    CallDataQuery,
    IntermediateResult,
    ReservationQuery,
    ResultCodeQuery,
)
from isales_proxy.client.transport import Received
from isales_proxy.simulator import (
    DEMO_ACCESS_KEY,
    DEMO_APP_KEY,
    DEMO_APP_SECRET,
    DEMO_SECRET_KEY,
    FETCH_TOKEN,
    LIST_OUTBOUND_TASKS,
    LOG_IN,
    READ_CALL_DATA,
    REFRESH_TOKEN,
    Simulator,
)

NOW = datetime(2025, 6, 2, 8, 0, tzinfo=UTC)
TASK = "1106025109"
FORMS: dict[str, dict[str, Any]] = {
    "examples": {},
    "tables": {"as_declared": True},
    "Authentication": {"auth_header": "Authentication"},
}


class Clock:
    """One clock for both sides."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> dict[str, Any]:
    return FORMS[request.param]


@pytest.fixture
def vendor(form: dict[str, Any], clock: Clock) -> Iterator[Simulator]:
    with Simulator(rows=30, now=clock, **form) as running:
        yield running


@pytest.fixture(params=list(ObsAuth))
def client(
    request: pytest.FixtureRequest, form: dict[str, Any], vendor: Simulator, clock: Clock
) -> Iterator[Client]:
    token = vendor.tokens.issue() if request.param == ObsAuth.STATIC else ""
    header = form.get("auth_header", "Authorization")
    with client_of(vendor, clock, auth=request.param, token=token, header=header) as made:
        yield made


def client_of(vendor: Simulator, clock: Clock, **obs: Any) -> Client:
    return Client(
        TransportConfig(
            base_url=vendor.base_url,
            credentials=Credentials(DEMO_ACCESS_KEY, DEMO_SECRET_KEY),
            obs=ObsConfig(**{"key": DEMO_APP_KEY, "secret": DEMO_APP_SECRET, **obs}),
        ),
        clock=clock,
    )


def query(count: int, service_id: str = TASK) -> CallDataQuery:
    return CallDataQuery(cc_id=1, service_id=service_id, batch_count=count)


def test_all_five_interfaces_answer(vendor: Simulator, client: Client) -> None:
    assert client.list_reservations(vdn=88, query=ReservationQuery()).total == 30
    assert client.list_result_codes(vdn=88, query=ResultCodeQuery()).total == 120
    tasks = client.list_outbound_tasks(vdn=88, cc_id=1)
    assert [task.service_id for task in tasks] == vendor.call_data.tasks(88)
    kept: list[Received] = []
    rows = client.read_call_data(vdn=88, query=query(100), on_received=kept.append)
    assert len(rows) == 100
    assert len({row.unique_id for row in rows}) == 100
    assert {row.service_id for row in rows} == {TASK}
    assert all(row.phone_numbers for row in rows)
    assert len(kept) == 1
    (single,) = client.read_call_data(vdn=88, query=query(1), on_received=kept.append)
    result = IntermediateResult(vdn=88, cc_id=1, unique_id=single.unique_id or "", service_id=TASK)
    client.push_mid_result(result=result)
    assert list(vendor.write_backs) == [result.to_body()]
    assert all(call.verified and call.status == 200 for call in vendor.calls)


def test_all_call_data_of_a_task_is_handed_out_once(vendor: Simulator, client: Client) -> None:
    seen: list[str | None] = []
    for _ in range(3):
        rows = client.read_call_data(vdn=88, query=query(200), on_received=lambda _: None)
        seen += [row.unique_id for row in rows]
    assert len(seen) == len(set(seen)) == 400
    assert None not in seen
    assert vendor.call_data.remaining(88, TASK) == 0


def test_every_listed_task_has_call_data(vendor: Simulator, client: Client) -> None:
    tasks = client.list_outbound_tasks(vdn=88, cc_id=1)
    assert tasks
    for task in tasks:
        wanted = query(2, task.service_id or "")
        rows = client.read_call_data(vdn=88, query=wanted, on_received=lambda _: None)
        assert [row.service_id for row in rows] == [task.service_id] * 2


def test_refusal_has_the_vendors_code_and_sentence(vendor: Simulator, client: Client) -> None:
    with pytest.raises(Refused) as caught:
        client.read_call_data(vdn=88, query=query(1, "99"), on_received=lambda _: None)
    assert (caught.value.code, caught.value.vendor_sentence) == (
        "1103",
        "serviceId: the task does not exist.",
    )
    with pytest.raises(Refused) as caught:
        client.list_outbound_tasks(vdn=77, cc_id=1)
    assert caught.value.code == "1102"


def test_complete_write_back_is_accepted(vendor: Simulator, client: Client) -> None:
    result = IntermediateResult(
        vdn=88,
        cc_id=1,
        unique_id="21713676089219765504",
        service_id=TASK,
        status="6",
        device_type=2,
        phone_number="+6580000001",
        fail_code="00000",
        asr_result="101",
        fetch_time="2025-06-02 08:00:00",
        write_start_time="1748851200000",
        end_call_time="2025-06-02T08:01:00Z",
        call_id="1748851200-7",
    )
    client.push_mid_result(result=result)
    assert vendor.write_backs.filter(result.unique_id) == [result.to_body()]


@pytest.mark.parametrize("auth", [ObsAuth.APP, ObsAuth.LOGIN])
def test_token_is_renewed_before_it_expires(clock: Clock, auth: ObsAuth) -> None:
    with (
        Simulator(rows=0, now=clock, token_seconds=100) as vendor,
        client_of(vendor, clock, auth=auth) as client,
    ):
        for _ in range(3):
            client.list_outbound_tasks(vdn=88, cc_id=1)
            clock.forward(81)
        assert all(call.status == 200 for call in vendor.calls)
        assert vendor.tokens.issued == 3
        wanted = [3, 0, 0] if auth == ObsAuth.APP else [0, 1, 2]
        found = [len(vendor.calls.filter(name)) for name in (FETCH_TOKEN, LOG_IN, REFRESH_TOKEN)]
        assert found == wanted


@pytest.mark.parametrize("auth", [ObsAuth.APP, ObsAuth.LOGIN])
def test_revoked_token_is_replaced_and_only_reads_are_repeated(clock: Clock, auth: ObsAuth) -> None:
    with (
        Simulator(rows=0, now=clock) as vendor,
        client_of(vendor, clock, auth=auth) as client,
    ):
        client.list_outbound_tasks(vdn=88, cc_id=1)
        vendor.tokens.revoke_all()
        client.list_outbound_tasks(vdn=88, cc_id=1)
        assert [call.status for call in vendor.calls.filter(LIST_OUTBOUND_TASKS)] == [200, 401, 200]
        vendor.tokens.revoke_all()
        with pytest.raises(CredentialsRefused):
            client.read_call_data(vdn=88, query=query(5), on_received=lambda _: None)
        assert vendor.call_data.remaining(88, TASK) == 400
        client.read_call_data(vdn=88, query=query(5), on_received=lambda _: None)
        assert [call.status for call in vendor.calls.filter(READ_CALL_DATA)] == [401, 200]
        assert vendor.call_data.remaining(88, TASK) == 395


def test_wrong_keys_raise_credentials_refused(clock: Clock) -> None:
    with Simulator(rows=0, now=clock) as vendor:
        for auth in (ObsAuth.APP, ObsAuth.LOGIN):
            with (
                client_of(vendor, clock, auth=auth, secret="wrong") as client,
                pytest.raises(CredentialsRefused),
            ):
                client.list_outbound_tasks(vdn=88, cc_id=1)
        assert [call.operation for call in vendor.calls] == [FETCH_TOKEN, LOG_IN]
