"""A POST of an ended session or a request with a wrong method does nothing, and says so."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from isales_proxy.models import User, WriteBack
from isales_proxy.simulator import Simulator
from tests.support.cases import cases
from tests.support.outbox import TASK, outbox_of, text_of
from tests.support.pages import form_of
from tests.support.second_factor import PASSWORD

NEW = "/vdn/88/write-backs/new/"
FIELDS = {"unique_id": "u-7", "service_id": TASK, "phone_number": "99002233"}
LOGIN = "/accounts/login/"


def end_elsewhere() -> None:
    """End the session, as a log-out in another browser does."""
    Session.objects.all().delete()
    cache.clear()


def log_in_at(client: Client, address: str, name: str = "supervisor") -> Any:
    """Log in at this address; return the page that follows."""
    form = form_of(text_of(client.get(address))) | {"login": name, "password": PASSWORD}
    return client.post(LOGIN, form, follow=True)


@pytest.mark.parametrize("how", ["elsewhere", "idle"])
def test_form_sent_after_the_session_ended_is_restored_after_log_in(
    vendor: Simulator, as_role: Any, settings: Any, how: str
) -> None:
    client = as_role("supervisor")
    form = form_of(text_of(client.get(NEW))) | FIELDS
    now = timezone.now()
    if how == "elsewhere":
        end_elsewhere()
    else:
        now += timedelta(minutes=settings.SIGN_IN.idle_minutes + 5)
    with time_machine.travel(now):
        led = client.post(NEW, form)
        assert led.status_code == 302
        assert led.headers["Location"].startswith(f"{LOGIN}?next=")
        assert "99002233" not in led.headers["Location"]
        assert "nothing was done" in text_of(client.get(led.headers["Location"]))
        page = log_in_at(client, led.headers["Location"])
    text = text_of(page)
    assert page.status_code == 200
    assert page.redirect_chain[-1][0].startswith(f"{NEW}?form=")
    assert "data-undone" in text
    assert form_of(text)["phone_number"] == "99002233"
    assert not WriteBack.objects.exists()


def test_another_person_at_the_browser_does_not_see_the_draft(
    vendor: Simulator, as_role: Any
) -> None:
    client = as_role("supervisor")
    form = form_of(text_of(client.get(NEW))) | FIELDS
    end_elsewhere()
    led = client.post(NEW, form)
    text = text_of(log_in_at(client, led.headers["Location"], "admin"))
    assert "99002233" not in text
    assert "Nothing has been saved." in text


def test_form_without_text_is_reported_as_not_done_on_its_page(
    vendor: Simulator, as_role: Any, people: dict[str, User]
) -> None:
    row = outbox_of(people).write("u-1")
    where = f"/vdn/88/write-backs/{row.pk}/"
    client = as_role("supervisor")
    client.get(where)
    end_elsewhere()
    led = client.post(f"{where}cancel/", headers={"Referer": f"http://testserver{where}"})
    page = log_in_at(client, led.headers["Location"])
    assert page.redirect_chain[-1][0] == where
    assert "Nothing was done" in text_of(page)
    assert "Nothing was done" not in text_of(client.get(where))
    row.refresh_from_db()
    assert row.state == "waiting"


def test_htmx_request_after_the_session_ended_redirects_the_whole_page(
    vendor: Simulator, as_role: Any
) -> None:
    client = as_role("admin")
    end_elsewhere()
    answer = client.post(
        "/vdn/88/doctor/",
        headers={"HX-Request": "true", "Referer": "http://testserver/vdn/88/doctor/"},
    )
    assert answer.status_code == 403
    assert answer.headers["HX-Redirect"].startswith(f"{LOGIN}?next=%2Fvdn%2F88%2Fdoctor%2F")


def test_form_of_an_anonymous_visitor_is_not_stored(
    vendor: Simulator, people: dict[str, User]
) -> None:
    from isales_proxy.models import FormDraft

    client = Client()
    client.post(NEW, FIELDS | {"key": "k", "owner": "made up"})
    assert not FormDraft.objects.exists()
    assert not Session.objects.exists()


def test_log_in_page_gives_its_reason(vendor: Simulator, as_role: Any) -> None:
    stranger = Client()
    assert "data-why" not in text_of(stranger.get(LOGIN))
    led = stranger.get("/vdn/88/tasks/").headers["Location"]
    assert "Log in to open the page you requested." in text_of(stranger.get(led))
    client = as_role("supervisor")
    end_elsewhere()
    led = client.get("/vdn/88/tasks/").headers["Location"]
    assert "Your session has ended." in text_of(client.get(led))


@cases(
    ("method", "path"),
    [
        ("get", "/vdn/88/write-backs/1/cancel/"),
        ("get", "/preferences/theme/"),
        ("post", "/vdn/88/reservations/"),
        ("get", "/preferences/draft/"),
        ("put", NEW),
    ],
)
def test_every_405_is_a_page(vendor: Simulator, as_role: Any, method: str, path: str) -> None:
    for client in (as_role("supervisor"), Client()):
        answer = getattr(client, method)(path)
        if answer.status_code == 302:
            continue
        assert answer.status_code == 405
        assert answer.headers["Allow"]
        assert "<h1>Nothing was done</h1>" in text_of(answer)


def test_page_of_a_405_links_to_the_nearest_page(vendor: Simulator, as_role: Any) -> None:
    text = text_of(as_role("supervisor").get("/vdn/88/write-backs/1/cancel/"))
    assert 'href="/vdn/88/write-backs/1/"' in text


def test_form_sent_before_a_required_password_change_is_restored(
    vendor: Simulator, as_role: Any, people: dict[str, User]
) -> None:
    client = as_role("supervisor")
    form = form_of(text_of(client.get(NEW))) | FIELDS
    User.objects.filter(username="supervisor").update(password_is_temporary=True)
    led = client.post(NEW, form, follow=True)
    assert led.redirect_chain[-1][0].startswith("/accounts/password/change/?next=")
    assert "What you sent was not processed." in text_of(led)
    assert not WriteBack.objects.exists()
    new = {"oldpassword": PASSWORD, "password1": "New-secret-77", "password2": "New-secret-77"}
    page = client.post(led.redirect_chain[-1][0], form_of(text_of(led)) | new, follow=True)
    assert form_of(text_of(page))["phone_number"] == "99002233"
