"""Tokens by log-in: by user and password, then by the refresh token while it is valid."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from isales_proxy.client.client import Client
from isales_proxy.client.config import ObsAuth, ObsConfig
from isales_proxy.client.errors import CredentialsRefused
from isales_proxy.client.tokens import TokenState
from tests.support.stub_vendor import Step, StubVendor, reply
from tests.support.stub_vendor import obs as obs_answer

from .conftest import (
    APP_KEY,
    APP_SECRET,
    LOG_IN_PATH,
    NOW,
    REFRESH_PATH,
    MakeClient,
    Time,
    tokens_used,
)

LOGIN = ObsConfig(auth=ObsAuth.LOGIN, key=APP_KEY, secret=APP_SECRET)


@pytest.fixture(autouse=True)
def _answered(stub: StubVendor) -> None:
    stub.default = reply(obs_answer({"taskData": []}))


def send_request(client: Client) -> None:
    client.list_outbound_tasks(vdn=88, cc_id=1)


def logged_in(number: int, **data: object) -> Step:
    tokens = {
        "token": f"token-{number}",
        "tokenExpirationTime": 300,
        "refreshToken": f"refresh-{number}",
        "refreshExpirationTime": 3600,
    }
    return reply(obs_answer({**tokens, **data}))


def test_log_in_is_refreshed_until_its_refresh_token_expires(
    make_client: MakeClient, stub: StubVendor, time: Time
) -> None:
    stub.at("auth/login", logged_in(1), logged_in(9))
    stub.at("auth/refresh", logged_in(2), logged_in(3, refreshToken=None), logged_in(4))
    client = make_client(obs=LOGIN)
    for passed in (0.0, 250.0, 500.0, 750.0, 750.0 + 3601.0):
        time.passed = passed
        send_request(client)
    assert tokens_used(stub) == ["token-1", "token-2", "token-3", "token-4", "token-9"]
    first, last = stub.sent_to("auth/login")
    assert first.target == last.target == LOG_IN_PATH
    assert json.loads(first.body) == {"user": APP_KEY, "passwd": APP_SECRET}
    assert not first.has("Authentication")
    refreshes = stub.sent_to("auth/refresh")
    assert {sent.target for sent in refreshes} == {REFRESH_PATH}
    # The third answer brought no new refresh token, so the one before serves on.
    assert [json.loads(sent.body) for sent in refreshes] == [
        {"refreshToken": "refresh-1"},
        {"refreshToken": "refresh-2"},
        {"refreshToken": "refresh-2"},
    ]
    assert [sent.header("Authentication") for sent in refreshes] == [
        "Bearer refresh-1",
        "Bearer refresh-2",
        "Bearer refresh-2",
    ]
    assert not refreshes[0].has("Authorization")


@pytest.mark.parametrize(
    "step",
    [
        reply(status=401),
        reply(status=400),
        reply(obs_answer(result=3)),
        reply({}),
        reply(obs_answer(result=3), status=500),
    ],
)
def test_refused_refresh_is_followed_by_a_new_log_in(
    make_client: MakeClient, stub: StubVendor, time: Time, step: Step
) -> None:
    stub.at("auth/login", logged_in(1), logged_in(2))
    stub.at("auth/refresh", step)
    client = make_client(obs=LOGIN)
    send_request(client)
    time.passed = 299.0
    send_request(client)
    assert tokens_used(stub) == ["token-1", "token-2"]
    assert len(stub.sent_to("auth/refresh")) == 1


def test_refused_log_in_is_not_repeated(make_client: MakeClient, stub: StubVendor) -> None:
    stub.at("auth/login", reply(obs_answer(result=7)))
    with pytest.raises(CredentialsRefused) as caught:
        send_request(make_client(obs=LOGIN))
    assert (caught.value.operation, caught.value.code) == ("log_in", "7")
    assert not caught.value.maybe_sent
    assert len(stub.received) == 1


def test_log_in_without_lifetimes_has_the_documented_ones(
    make_client: MakeClient, stub: StubVendor, time: Time
) -> None:
    bare = {"tokenExpirationTime": None, "refreshExpirationTime": "?"}
    stub.at("auth/login", logged_in(1, **bare))
    stub.at("auth/refresh", logged_in(2))
    client = make_client(obs=LOGIN)
    send_request(client)
    assert client.token_state() == TokenState(NOW, NOW + timedelta(seconds=300))
    time.passed = 3599.0
    send_request(client)
    assert tokens_used(stub) == ["token-1", "token-2"]
