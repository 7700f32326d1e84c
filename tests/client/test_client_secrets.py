"""Reprs, errors and log lines contain no secret, called number or part of a body."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator

import pytest

from isales_proxy.client import errors, redaction
from isales_proxy.client.auth import Credentials
from isales_proxy.client.config import TransportConfig
from isales_proxy.client.errors import BadAnswer, CircuitOpen, ISalesError, Refused, Throttled
from isales_proxy.client.queries import ReservationQuery
from tests.support.cases import cases
from tests.support.stub_vendor import Step, StubVendor, envelope, raw, reply, reset

from .conftest import ACCESS_KEY, SECRET_KEY, MakeClient, Notes

CALLED = "6581234567"
AGENT = "zhangwei"
LEAK = "LEAKED-BODY"
QUERY = ReservationQuery(called_no=CALLED, agents=(AGENT,))
SECRETS = (SECRET_KEY, CALLED, AGENT, LEAK, "81234567")


def every_word(error: BaseException | None) -> Iterator[str]:
    """Return all texts of an error and its chain that logs or debuggers could show."""
    while error is not None:
        yield from (str(error), repr(error), repr(error.args), repr(vars(error)))
        error = error.__cause__ or error.__context__


@cases(
    "step",
    [
        reply({"data": LEAK}),
        reply({"resultCode": "0200001", "resultDesc": f"calledNo {CALLED} is bad"}),
        reply({"resultCode": CALLED}),
        reply(envelope([LEAK], 1)),
        reply(envelope([], LEAK)),
        reply(envelope([{f"n{CALLED}": LEAK, "calledNo": [CALLED], LEAK + "!": CALLED}], 1)),
        reply(f"<html>{LEAK}".encode()),
        reply(LEAK.encode() + b"\xff"),
        reply(b"", status=302, headers={"Location": f"http://127.0.0.1:9/{LEAK}"}),
        reply(LEAK.encode(), status=401),
        reply(LEAK.encode(), status=429, headers={"Retry-After": LEAK}),
        reply(LEAK.encode(), status=500),
        reply(LEAK.encode(), status=404),
        raw(f"{LEAK}\r\n\r\n".encode()),
        raw(f"HTTP/1.1 200 X\r\nContent-Length: 99\r\n\r\n{LEAK}".encode()),
        raw(f"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n{LEAK}".encode()),
        reset(LEAK.encode()),
    ],
)
def test_no_secret_leaks_from_a_call(
    make_client: MakeClient,
    stub: StubVendor,
    notes: Notes,
    step: Step,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    client = make_client()
    stub.default = step
    words: list[str] = []
    failure: ISalesError | None = None
    try:
        words.append(repr(client.list_reservations(vdn=88, query=QUERY)))
    except ISalesError as error:
        failure = error
    if failure is not None:
        words.extend(every_word(failure))
        # What requests or the JSON parser raised would carry request or body along.
        assert (failure.__cause__, failure.__context__) == (None, None)
    assert words
    assert stub.received
    words += [record.getMessage() for record in caplog.records] + [caplog.text]
    words += [repr(vars(notes)), repr(client), repr(client.__dict__)]
    words += capfd.readouterr()
    for secret in SECRETS:
        assert secret not in "\n".join(words)


def test_repr_of_the_configuration_hides_its_keys() -> None:
    credentials = Credentials(ACCESS_KEY, SECRET_KEY)
    config = TransportConfig(base_url="https://a", credentials=credentials)
    for shown in (repr(credentials), str(credentials), repr(config), f"{config}"):
        assert SECRET_KEY not in shown
        assert ACCESS_KEY not in shown
        assert "***" in shown


def test_every_error_has_its_own_outcome_and_a_sentence() -> None:
    found = [ISalesError]
    for kind in found:
        found += [each for each in kind.__subclasses__() if each.__module__ == errors.__name__]
    # Two kinds of missing credentials are counted with the refused ones.
    named = [kind for kind in found if "outcome" in vars(kind)]
    assert len({kind.outcome for kind in named}) == len(named) == len(found) - 2
    assert all(kind().sentence.endswith(".") for kind in found)
    drawn = errors.__doc__ or ""
    assert all(kind.__name__ in drawn for kind in found)


def test_error_text_has_operation_status_and_request() -> None:
    error = Throttled(operation="list_reservations", request_id="r1", http_status=429)
    assert str(error) == (
        "CC-iSales asks for fewer calls. (operation list_reservations, status 429, request r1)"
    )
    assert str(BadAnswer("No.")) == "No."


@cases(
    "error",
    [
        CircuitOpen(retry_after=2.5, operation="x"),
        Refused(code="0200001", vendor_sentence="no", meaning="m", request_id="r"),
    ],
)
def test_errors_survive_pickling(error: ISalesError) -> None:
    twin = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(twin) is type(error)
    assert vars(twin) == vars(error)
    assert str(twin) == str(error)


@cases(
    ("text", "masked"),
    [
        ("call 6581234567 now", "call ••• now"),
        ("+65 8123 4567", "+•••"),
        ("138-1234-5678", "•••"),
        ("138/1234/5678", "•••"),
        ("138_1234,5678", "•••"),
        ("(0)1234.5", "(•••"),
        ("٠١٢٣٤٥", "•••"),
        ("一三八零零", "•••"),
        ("12\u200b-\u200b345", "•••"),
        ("code 1234", "code 1234"),
        ("1 to 50, 100", "1 to 50, 100"),
    ],
)
def test_numbers_are_masked(text: str, masked: str) -> None:
    assert redaction.mask_numbers(text) == masked


@cases(
    ("name", "safe"),
    [
        ("failCode", "failCode"),
        ("new_field-2.b", "new_field-2.b"),
        ("n12345", "(unprintable)"),
        ("预约", "(unprintable)"),
        ("a b", "(unprintable)"),
        ("a\n", "(unprintable)"),
        ("", "(unprintable)"),
    ],
)
def test_field_names_are_made_safe_for_labels(name: str, safe: str) -> None:
    assert redaction.field_name(name) == safe


@cases("value", [None, 1.5, True, "x" * 21, "9" * 9, "a b", "", ["0200001"], "\n"])
def test_odd_codes_are_not_shown(value: object) -> None:
    assert redaction.code(value) == "(unprintable)"


@cases("value", ["0200001", "02000011", "CC-ISALES.00001"])
def test_plain_codes_are_shown(value: str) -> None:
    assert redaction.code(value) == value
