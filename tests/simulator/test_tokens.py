"""Tokens: issuing, lifetime, and refusal of requests without one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from isales_proxy.simulator import DEMO_APP_KEY, DEMO_APP_SECRET, Simulator
from tests.support.cases import cases
from tests.support.obs_http import JSON, LOGIN_PATH, REFRESH_PATH, TASKS_PATH, TOKEN_PATH, ObsHttp

NOW = datetime(2025, 6, 2, 8, 0, tzinfo=UTC)
KEYS = {"app_key": DEMO_APP_KEY, "app_secret": DEMO_APP_SECRET}
USER = {"user": DEMO_APP_KEY, "passwd": DEMO_APP_SECRET}
TASKS = {"subCCNo": "1", "vdnId": "88"}


class Clock:
    """A clock that is advanced by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vendor(clock: Clock) -> Iterator[Simulator]:
    with Simulator(rows=0, now=clock) as running:
        yield running


@pytest.fixture
def http(vendor: Simulator) -> Iterator[ObsHttp]:
    with ObsHttp(vendor.base_url, NOW) as connected:
        yield connected


def status_with(http: ObsHttp, authorization: str | None, header: str = "Authorization") -> int:
    given = {} if authorization is None else {header: authorization}
    return http.post(TASKS_PATH, TASKS, {**JSON, **given}).status


def test_token_is_valid_as_long_as_requested(http: ObsHttp, clock: Clock) -> None:
    asked = 600
    answer = http.fetch_token(asked).json
    assert answer["Expires"] == str(asked)
    bearer = f"Bearer {answer['AccessToken']}"
    clock.forward(asked - 0.5)
    assert status_with(http, bearer) == 200
    clock.forward(0.5)
    assert status_with(http, bearer) == 401


@cases("authorization", [None, "bearer {}", "Bearer  {}"])
def test_only_a_bearer_header_with_a_valid_token_is_accepted(
    vendor: Simulator, http: ObsHttp, authorization: str | None
) -> None:
    token = vendor.tokens.issue()
    given = None if authorization is None else authorization.replace("{}", token)
    reply = http.post(TASKS_PATH, TASKS, JSON if given is None else {**JSON, http.header: given})
    assert reply.status == 401
    with pytest.raises(ValueError, match=r".+"):
        _ = reply.json
    assert [call.verified for call in vendor.calls] == [False]


def test_older_token_stays_valid_beside_a_new_one(http: ObsHttp) -> None:
    tokens = {http.fetch_token().json["AccessToken"] for _ in range(2)}
    assert len(tokens) == 2
    assert {status_with(http, f"Bearer {token}") for token in tokens} == {200}


def test_refresh_token_is_valid_once_and_only_for_refresh(
    vendor: Simulator, http: ObsHttp, clock: Clock
) -> None:
    first = http.log_in().json["resultData"]
    assert (first["tokenExpirationTime"], first["refreshExpirationTime"]) == (300, 3600)
    assert status_with(http, f"Bearer {first['refreshToken']}") == 401
    clock.forward(3599)
    second = http.refresh(first["refreshToken"]).json["resultData"]
    assert status_with(http, f"Bearer {second['token']}") == 200
    assert http.refresh(first["refreshToken"]).status == 401
    clock.forward(3600)
    assert http.refresh(second["refreshToken"]).status == 401
    assert vendor.tokens.issued == 2


def test_refresh_requires_its_token_in_the_header_and_no_other_in_the_body(
    vendor: Simulator, http: ObsHttp
) -> None:
    token = vendor.tokens.issue(60, refresh=True)
    header = {**JSON, "Authentication": f"Bearer {token}"}
    assert http.post(REFRESH_PATH, {"refreshToken": token}).status == 401
    assert http.post(REFRESH_PATH, {"refreshToken": "other"}, header).status == 401
    assert http.post(REFRESH_PATH, {"refreshToken": token, "user": "x"}, header).status == 400
    # The Chinese page knows no body.
    assert http.post(REFRESH_PATH, None, header).status == 200


@cases(
    ("path", "body", "status"),
    [
        (TOKEN_PATH, {**KEYS, "app_secret": "wrong"}, 403),
        (TOKEN_PATH, {**KEYS, "app_secret": ""}, 400),
        (LOGIN_PATH, {**USER, "passwd": "wrong"}, 403),
        (REFRESH_PATH, {"refreshToken": 5}, 400),
    ],
)
def test_wrong_request_gets_no_token(
    vendor: Simulator, http: ObsHttp, path: str, body: Any, status: int
) -> None:
    assert http.post(path, body).status == status
    assert vendor.tokens.issued == 0
    assert vendor.calls[0].verified == (status != 403)
