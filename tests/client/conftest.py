"""A stub vendor on loopback, and clients of it with fake clocks and random numbers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from isales_proxy.client.auth import Credentials
from isales_proxy.client.client import Client
from isales_proxy.client.config import ObsConfig, TransportConfig
from isales_proxy.client.observer import Attempt, Observer
from isales_proxy.client.tokens import TokenStore
from tests.support.stub_vendor import Step, StubVendor, reply

ACCESS_KEY = "EXAMPLEAK0001"
SECRET_KEY = "ExampleSecretKey-0001"
APP_KEY = "example-app"
APP_SECRET = "example-app-secret"
TOKEN_PATH = "/apigovernance/api/oauth/tokenByAkSk"
TASKS_PATH = "/rest/isales/v1/openapi/obs/business/tasks"
CALL_DATA_PATH = "/rest/isales/v1/openapi/obs/business/callnos"
MID_RESULT_PATH = "/rest/isales/v1/openapi/obs/business/push/midresult"
LOG_IN_PATH = "/rest/isales/v1/openapi/obs/auth/login"
REFRESH_PATH = "/rest/isales/v1/openapi/obs/auth/refresh"
OBS = ObsConfig(key=APP_KEY, secret=APP_SECRET)
NOW = datetime(2025, 6, 1, 8, 0, tzinfo=UTC)

MakeClient = Callable[..., Client]


class Notes(Observer):
    """An observer that records the events."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Reset to the initial state."""
        self.calls: list[tuple[str, str, int, int | None]] = []
        self.request_ids: list[str] = []
        self.answers: list[tuple[str, datetime | None, str]] = []
        self.drifts: list[tuple[str, str, str]] = []
        self.states: list[tuple[str, str]] = []

    @property
    def outcomes(self) -> list[str]:
        return [outcome for _, outcome, _, _ in self.calls]

    def called(self, attempt: Attempt) -> None:
        assert attempt.seconds >= 0
        with self._lock:
            self.calls.append(
                (attempt.operation, attempt.outcome, attempt.number, attempt.http_status)
            )
            self.request_ids.append(attempt.request_id)

    def answered(self, operation: str, *, date: datetime | None, shape: str) -> None:
        self.answers.append((operation, date, shape))

    def drift(self, operation: str, field: str, kind: str) -> None:
        self.drifts.append((operation, field, kind))

    def breaker(self, operation: str, state: str) -> None:
        self.states.append((operation, state))


class Time:
    """A clock that is advanced by sleeping or by hand."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Reset to the initial state."""
        self.passed = 0.0
        self.sleeps: list[float] = []

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.passed += seconds


@pytest.fixture
def stub() -> Iterator[StubVendor]:
    with StubVendor() as stub:
        yield stub


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def make_client(stub: StubVendor, notes: Notes, time: Time) -> Iterator[MakeClient]:
    """Clients of the stub; keywords go to `TransportConfig`, ``real_time`` keeps the true clock."""
    made: list[Client] = []

    def make(
        *, real_time: bool = False, store: TokenStore | None = None, **settings: Any
    ) -> Client:
        config = TransportConfig(
            **{
                "base_url": stub.base_url,
                "credentials": Credentials(ACCESS_KEY, SECRET_KEY),
                **settings,
            }
        )
        ours: dict[str, Any] = {"sleep": time.sleep, "monotonic": time.monotonic}
        client = Client(
            config,
            clock=time.now,
            rng=lambda: 0.5,
            observer=notes,
            store=store,
            **({} if real_time else ours),
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


def tokens_used(stub: StubVendor, path: str = "business/tasks") -> list[str]:
    """Return the tokens in the requests to a path."""
    return [sent.header("Authorization").removeprefix("Bearer ") for sent in stub.sent_to(path)]


def app_token(value: str = "token-1", **fields: object) -> Step:
    """A good answer of ``tokenByAkSk``."""
    return reply({"AccessToken": value, "ApplyType": "Bearer", "Expires": "3600", **fields})


@pytest.fixture
def obs(stub: StubVendor, make_client: MakeClient) -> Client:
    """A client that obtains ``token-1``, then ``token-2``, …"""
    stub.at(TOKEN_PATH, *(app_token(f"token-{number}") for number in range(1, 9)))
    return make_client(obs=OBS)


@pytest.fixture
def client(make_client: MakeClient) -> Client:
    return make_client()
