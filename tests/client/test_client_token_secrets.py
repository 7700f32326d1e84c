"""Reprs, errors, tracebacks, logs and events contain no token, app secret or password."""

from __future__ import annotations

import logging
import traceback
from datetime import timedelta

import pytest

from isales_proxy.client.client import Client
from isales_proxy.client.config import ObsAuth, ObsConfig
from isales_proxy.client.errors import ISalesError
from isales_proxy.client.queries import CallDataQuery
from isales_proxy.client.tokens import MemoryTokenStore, Token
from tests.support.cases import cases
from tests.support.stub_vendor import Step, StubVendor, raw, reply, reset
from tests.support.stub_vendor import obs as obs_answer

from .conftest import APP_KEY, APP_SECRET, NOW, MakeClient, Notes

TOKEN = "e3fca9398eaa5cef4b57b523b9c75fae"
REFRESH = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
LEAK = "LEAKED-BODY"
SECRETS = (TOKEN, REFRESH, APP_SECRET, APP_KEY, LEAK)
WAYS = {
    "app": ObsConfig(key=APP_KEY, secret=APP_SECRET),
    "login": ObsConfig(auth=ObsAuth.LOGIN, key=APP_KEY, secret=APP_SECRET),
    "static": ObsConfig(auth=ObsAuth.STATIC, token=TOKEN),
}
FAULTS = [
    reply(LEAK.encode()),
    reply({"AccessToken": f"{LEAK} {TOKEN}", "result": 0, "resultData": {"token": LEAK + " "}}),
    reply({"result": f"{LEAK} {LEAK}", "resultDesc": 5}),
    reply(LEAK.encode(), status=401),
    reply(LEAK.encode(), status=404),
    reply(LEAK.encode(), status=500),
    reply(b"", status=302, headers={"Location": f"/{LEAK}"}),
    raw(f"{LEAK}\r\n\r\n".encode()),
    raw(f"HTTP/1.1 200 X\r\nContent-Length: 99\r\n\r\n{LEAK}".encode()),
    reset(LEAK.encode()),
]


def shown(error: BaseException) -> list[str]:
    """Return the texts that a log or a report of the error could contain."""
    # What requests raised would hold the request, token and all.
    assert (error.__cause__, error.__context__) == (None, None)
    words = [str(error), repr(error), repr(error.args), repr(vars(error))]
    return [*words, "".join(traceback.format_exception(error))]


def shown_in_frames(error: BaseException) -> list[str]:
    """Return the reprs of the local variables of our frames."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = [frame for frame in frames if "/isales_proxy/client/t" in frame.f_code.co_filename]
    assert ours
    return [f"{name}: {value!r}" for frame in ours for name, value in frame.f_locals.items()]


def answer_tokens(stub: StubVendor) -> None:
    data = {"token": TOKEN, "refreshToken": REFRESH, "tokenExpirationTime": 300}
    stub.at("tokenByAkSk", reply({"AccessToken": TOKEN}))
    stub.at("auth/login", reply(obs_answer(data)))
    stub.at("auth/refresh", reply(obs_answer(data)))


@cases(
    ("way", "failing", "step"),
    [(way, failing, step) for way in WAYS for failing in ("business", "token") for step in FAULTS],
)
def test_no_secret_leaks_from_an_obs_call(
    make_client: MakeClient,
    stub: StubVendor,
    notes: Notes,
    caplog: pytest.LogCaptureFixture,
    way: str,
    failing: str,
    step: Step,
) -> None:
    caplog.set_level(logging.DEBUG)
    answer_tokens(stub)
    stub.default = step
    if failing == "token":
        for path in ("tokenByAkSk", "auth/login", "auth/refresh"):
            stub.at(path, step)
    client = make_client(obs=WAYS[way])
    words: list[str] = []
    frames: list[str] = []
    query = CallDataQuery(cc_id=1, service_id="1", batch_count=1)
    for ask in (
        lambda: client.list_outbound_tasks(vdn=88, cc_id=1),
        lambda: client.read_call_data(vdn=88, query=query, on_received=lambda _: None),
    ):
        try:
            words.append(repr(ask()))
        except ISalesError as error:
            words += shown(error)
            frames += shown_in_frames(error)
    words += [repr(client), repr(vars(client)), repr(client.token_state())]
    words += [repr(vars(notes)), caplog.text]
    for secret in SECRETS:
        assert secret not in "\n".join(words)
    # The answer itself is a local of whoever reads it, so what it holds is left out here.
    for secret in (APP_SECRET, APP_KEY, f"Bearer {TOKEN}", REFRESH):
        assert secret not in "\n".join(frames)


def test_reprs_contain_no_secret(make_client: MakeClient, stub: StubVendor) -> None:
    answer_tokens(stub)
    token = Token(TOKEN, NOW, NOW + timedelta(hours=1), REFRESH, NOW)
    store = MemoryTokenStore()
    store.write(token)
    client: Client = make_client(obs=WAYS["login"], store=store)
    texts = [repr(token), str(token), f"{token}", repr(store), repr(client.token_state())]
    texts += [repr(config) + str(config) for config in WAYS.values()]
    texts += [repr(client._bearer), repr(client._config)]
    for secret in SECRETS:
        assert secret not in "\n".join(texts)
