"""Hostile input of many kinds: each gets one status, changes nothing and is no markup on a page.

No answer has a traceback, or a header or redirect target written by the input.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from django.test import Client

from isales_proxy.models import AuditEvent, CallDataBatch, User, WriteBack
from isales_proxy.simulator import Simulator
from tests.support.cases import cases

SCRIPT: Final = "<script>alert(1)</script>"
LIST: Final = "/vdn/88/reservations/"
API: Final = "/api/v1/vdns/88/"
WRITE: Final = f"{API}write-backs/"
TAKE: Final = "/vdn/88/tasks/1106025109/call-data/"
GOOD: Final = {"unique_id": "u-1", "service_id": "1106025109"}

Attempt = Callable[[Client], Any]


@dataclass(frozen=True)
class Hostile:
    """One attempt and the status that refuses it."""

    attempt: Attempt
    status: int
    never: tuple[str, ...] = field(default=(SCRIPT, "Traceback", "root:x:0"))


def get(path: str, query: dict[str, Any] | None = None, **headers: str) -> Attempt:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda client: client.get(path, query or {}, headers=named)


def post(path: str, data: dict[str, Any], **headers: str) -> Attempt:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda client: client.post(path, data, headers=named)


def send(body: str | bytes, content_type: str = "application/json", path: str = WRITE) -> Attempt:
    return lambda client: client.post(path, data=body, content_type=content_type)


def write(**fields: Any) -> Attempt:
    return send(json.dumps(GOOD | fields))


def log_in_to(address: str) -> Attempt:
    def attempt(_client: Client) -> Any:
        return Client().post(
            "/accounts/login/",
            {"login": "supervisor", "password": "pass-word-1", "next": address},
        )

    return attempt


def without_csrf(path: str, data: dict[str, Any], **headers: str) -> Attempt:
    def attempt(client: Client) -> Any:
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = client.cookies
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return strict.post(path, data, headers=named)

    return attempt


def with_cookie(name: str, value: str, path: str = LIST) -> Attempt:
    def attempt(client: Client) -> Any:
        client.cookies[name] = value
        return client.get(path)

    return attempt


def forged_session(_client: Client) -> Any:
    stranger = Client()
    stranger.cookies["callboard-session"] = "0" * 32
    return stranger.get(LIST)


def odd_method(method: str, path: str = LIST) -> Attempt:
    return lambda client: client.generic(method, path)


CALL_DATA_REQUEST: Final = {
    "batch_count": "1",
    "confirmed": "on",
    "key": "0f0f0f0f-1111-2222-3333-444444444444",
}
HOSTILE: Final[dict[str, Hostile]] = {
    # Markup
    "a script as a number": Hostile(get(LIST, {"called_no": SCRIPT}), 422),
    "a script as a task": Hostile(get(LIST, {"task": SCRIPT}), 422),
    "a script as an agent": Hostile(get(LIST, {"agent": SCRIPT}), 422),
    "a script as a time": Hostile(get(LIST, {"begin": SCRIPT}), 422),
    "a script as a page": Hostile(get(LIST, {"page": SCRIPT}), 422),
    "a script as a search of tasks": Hostile(get("/vdn/88/tasks/", {"q": SCRIPT}), 200),
    "a script as a search of write-backs": Hostile(get("/vdn/88/write-backs/", {"q": SCRIPT}), 200),
    "a script as a reservation": Hostile(get(f"{LIST}{SCRIPT.replace('/', '%2F')}x/"), 404),
    "a script as a time zone": Hostile(post("/preferences/zone/", {"time_zone": SCRIPT}), 302),
    "a script as a reason": Hostile(
        lambda client: client.post(
            TAKE, {"batch_count": "0", "reason": SCRIPT, "key": "k"}, follow=True
        ),
        422,
    ),
    "a script as a result": Hostile(write(result=SCRIPT), 422),
    "a script in a cookie": Hostile(with_cookie("callboard-theme", SCRIPT), 200),
    "a template as a task": Hostile(get(LIST, {"task": "{{ 7|add:7 }}{% debug %}"}), 422),
    "a template as a search": Hostile(get("/vdn/88/tasks/", {"q": "${7*7}#{7*7}"}), 200),
    "an attribute as a search": Hostile(
        get("/vdn/88/tasks/", {"q": '" autofocus onfocus=alert(1) x="'}),
        200,
        never=('" autofocus onfocus', "Traceback"),
    ),
    # Header splitting and lying headers
    "a header in where to go after the log-in": Hostile(
        log_in_to("/\r\nSet-Cookie: stolen=1"), 302
    ),
    "a header in where to go after a choice": Hostile(
        post("/preferences/theme/", {"theme": "dark", "next": "/\r\nX-Evil: 1"}), 302
    ),
    "a header in the name of a download": Hostile(
        get("/vdn/88/tasks/1%0d%0aX-Evil:%201/call-data/export.csv"), 404
    ),
    "a foreign host": Hostile(get(LIST, Host="evil.example"), 400),
    "a host with a script": Hostile(get(LIST, Host="<script>"), 400),
    "a forwarded host": Hostile(
        get("/", X_Forwarded_Host="evil.example"), 302, never=("evil.example",)
    ),
    "a forged scheme": Hostile(get(LIST, X_Forwarded_Proto="https"), 200),
    "a script as the language": Hostile(get(LIST, Accept_Language=SCRIPT), 200),
    "a path as the language": Hostile(
        with_cookie("callboard-language", "../../../etc/passwd"), 200
    ),
    # Where to go
    "a foreign site after the log-in": Hostile(log_in_to("https://evil.example/"), 302),
    "a foreign site without a scheme": Hostile(log_in_to("//evil.example/"), 302),
    "a foreign site by backslashes": Hostile(log_in_to("/\\evil.example/"), 302),
    "a script to go to": Hostile(log_in_to("javascript:alert(1)"), 302),
    "a foreign site after a choice": Hostile(
        post("/preferences/zone/", {"time_zone": "UTC", "next": "https://evil.example/"}), 302
    ),
    # Path tricks
    "out of the VDN": Hostile(get("/vdn/88/../89/reservations/"), 404),
    "out of the VDN, encoded": Hostile(get("/vdn/88%2F..%2F89/reservations/"), 404),
    "out of the static files": Hostile(get("/static/../manage.py"), 404),
    "out of the static files, encoded": Hostile(
        get("/static/%2e%2e/%2e%2e/%2e%2e/etc/passwd"), 404
    ),
    "a path as a task": Hostile(get("/vdn/88/tasks/..%2F..%2Fetc%2Fpasswd/"), 404),
    "NUL in a path": Hostile(get("/vdn/88/tasks/1%00/"), 422),
    "a VDN in other digits": Hostile(get("/vdn/٨٨/reservations/"), 404),
    "a negative VDN": Hostile(get("/vdn/-88/reservations/"), 404),
    "a VDN beyond all integers": Hostile(get(f"/vdn/{'9' * 40}/reservations/"), 404),
    "a write-back beyond all integers": Hostile(get(f"/vdn/88/write-backs/{'9' * 40}/"), 404),
    # Too much
    "an address of 9 kB": Hostile(get(LIST, {"task": "1" * 9000}), 414),
    "two thousand parameters": Hostile(get(f"{LIST}?{'x&' * 2000}"), 422),
    "a body of 2 MB": Hostile(send(json.dumps(GOOD | {"result": "x" * 2_000_000})), 413),
    "two thousand form fields": Hostile(
        post("/vdn/88/write-backs/new/", {f"f{n}": "x" for n in range(2000)}), 400
    ),
    "a file": Hostile(
        lambda client: client.post(
            "/vdn/88/write-backs/new/",
            data=(
                b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.html"\r\n\r\n'
                b"<script>alert(1)</script>\r\n--x--\r\n"
            ),
            content_type="multipart/form-data; boundary=x",
            follow=True,
        ),
        422,
    ),
    # Wrong types
    "a list for an object": Hostile(send("[]"), 422),
    "a word for an object": Hostile(send('"u-1"'), 422),
    "no JSON": Hostile(send("{unique_id: u-1"), 400),
    "not a number": Hostile(send('{"unique_id": NaN, "service_id": Infinity}'), 400),
    "a nest of ten thousand lists": Hostile(send("[" * 10_000 + "]" * 10_000), 400),
    "bytes of no text": Hostile(send(b'{"unique_id": "\xff\xfe"}'), 400),
    "XML": Hostile(send("<a/>", "application/xml"), 415),
    "a form for JSON": Hostile(send("unique_id=u-1", "application/x-www-form-urlencoded"), 415),
    "an object for a word": Hostile(write(unique_id={"$gt": ""}), 422),
    "a list for a word": Hostile(write(unique_id=["u-1", "u-2"]), 422),
    "NUL in a word": Hostile(write(unique_id="u\x00"), 422),
    "half a character": Hostile(send('{"unique_id": "\\ud800", "service_id": "1106025109"}'), 400),
    "a field that does not exist": Hostile(write(is_admin=True), 422),
    "a state of one's own": Hostile(write(state="delivered"), 422),
    "digits and letters of other scripts": Hostile(get(LIST, {"called_no": "１３８ОOо"}), 422),
    "SQL as a number": Hostile(get(LIST, {"called_no": "1' OR '1'='1"}), 422),
    "SQL as a search": Hostile(
        get("/vdn/88/write-backs/", {"q": "'; DROP TABLE isales_proxy_user; --"}), 200
    ),
    # Forged htmx headers
    "a fragment for a stranger": Hostile(
        lambda _client: Client().get(LIST, headers={"HX-Request": "true"}),
        302,
        never=("data-appoint-id", "Traceback"),
    ),
    "a script as the target": Hostile(get(LIST, HX_Request="true", HX_Target=SCRIPT), 200),
    "a foreign page as the current one": Hostile(
        get(LIST, HX_Request="true", HX_Current_URL="javascript:alert(1)"), 200
    ),
    "a prompt of markup": Hostile(get(LIST, HX_Request="true", HX_Prompt=SCRIPT), 200),
    # Sessions and CSRF
    "a session made up": Hostile(forged_session, 302),
    "no CSRF token at a form": Hostile(without_csrf(TAKE, CALL_DATA_REQUEST), 403),
    "no CSRF token at a choice": Hostile(
        without_csrf("/preferences/zone/", {"time_zone": "UTC"}), 403
    ),
    "a CSRF token from a foreign page": Hostile(
        without_csrf(
            TAKE,
            CALL_DATA_REQUEST | {"csrfmiddlewaretoken": "a" * 64},
            Origin="https://evil.example",
        ),
        403,
    ),
    "a log-out without a CSRF token": Hostile(without_csrf("/accounts/logout/", {}), 403),
    "an action by GET": Hostile(get(f"{LIST[:-13]}result-codes/refresh/apply/"), 405),
    # Methods
    "TRACE": Hostile(odd_method("TRACE"), 405),
    "PROPFIND": Hostile(odd_method("PROPFIND"), 405),
    "a method of one's own": Hostile(odd_method("SCRIPT"), 405),
    "a method in a header": Hostile(
        get(f"{API}reservations/", X_HTTP_Method_Override="DELETE"), 200
    ),
    "an action of the API by PUT": Hostile(odd_method("PUT", f"{API}reservations/"), 405),
}


@cases("name", HOSTILE)
def test_hostile_input_is_refused_without_effect(
    name: str, vendor: Simulator, people: dict[str, User], as_role: Any
) -> None:
    hostile = HOSTILE[name]
    answer = hostile.attempt(as_role("supervisor"))
    body = b"".join(answer) if answer.streaming else answer.content
    text = body.decode("utf-8", "replace")
    assert answer.status_code == hostile.status
    for words in hostile.never:
        assert words not in text
    assert "X-Evil" not in answer.headers
    assert "stolen" not in answer.cookies
    going_to = urlsplit(answer.headers.get("Location", "/"))
    assert (going_to.scheme, going_to.netloc) == ("", "")
    assert going_to.path.startswith("/")
    assert not going_to.path.startswith("/\\")
    # Nothing was done.
    assert not WriteBack.objects.exists()
    assert not CallDataBatch.objects.exists()
    answer.close()


def test_planted_session_key_is_replaced_at_log_in(people: dict[str, User]) -> None:
    attacker = Client()
    attacker.get("/accounts/login/")
    attacker.session.save()
    planted = attacker.session.session_key
    victim = Client()
    victim.cookies["callboard-session"] = str(planted)
    victim.post("/accounts/login/", {"login": "supervisor", "password": "pass-word-1"})
    assert victim.cookies["callboard-session"].value != planted
    attacker.cookies["callboard-session"] = str(planted)
    assert attacker.get(LIST).status_code == 302


def test_form_sent_twice_makes_one_request(vendor: Simulator, as_role: Any) -> None:
    client = as_role("supervisor")
    for _ in range(2):
        client.post(TAKE, CALL_DATA_REQUEST)
    assert CallDataBatch.objects.count() == 1


def test_forwarded_address_is_ignored_without_a_proxy(vendor: Simulator, as_role: Any) -> None:
    as_role("supervisor").post(TAKE, CALL_DATA_REQUEST, headers={"X-Forwarded-For": "6.6.6.6"})
    assert set(AuditEvent.objects.values_list("address", flat=True)) == {"127.0.0.1"}
