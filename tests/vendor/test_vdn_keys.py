"""Own keys of a VDN: entered by an admin, stored encrypted, used for its calls only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from isales_proxy.client.errors import CredentialsRefused
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.core import encryption
from isales_proxy.models import AuditEvent, Vdn, VdnCredentials
from isales_proxy.simulator import DEMO_ACCESS_KEY, DEMO_SECRET_KEY, Simulator
from isales_proxy.vendor import gateway, vdn_keys
from tests.support.cases import cases
from tests.support.pages import form_of

CHANGE = "/admin/isales_proxy/vdn/88/change/"
OWN_KEY, OWN_SECRET = "OWNKEY88", "own-secret-of-88-which-nobody-sees"


@pytest.fixture
def admin(as_role: Any) -> Client:
    client: Client = as_role("admin")
    return client


def submit(client: Client, **changes: Any) -> Any:
    form = form_of(client.get(CHANGE).content.decode())
    return client.post(CHANGE, {**form, **changes})


def send_request(number: int) -> None:
    vdn = Vdn.objects.get(pk=number)
    gateway.get_client(vdn).list_reservations(vdn=number, query=ReservationQuery(size=10))


def test_calls_of_a_vdn_are_signed_with_its_own_keys(
    vendor: Simulator, settings: Any, admin: Client
) -> None:
    settings.ISALES = replace(settings.ISALES, access_key="SHARED", secret_key="shared-secret")
    with pytest.raises(CredentialsRefused):
        send_request(88)
    answer = submit(admin, access_key=DEMO_ACCESS_KEY, secret_key=DEMO_SECRET_KEY)
    assert answer.status_code == 302
    send_request(88)
    with pytest.raises(CredentialsRefused):
        send_request(89)
    assert submit(admin, take=["access_key", "secret_key"]).status_code == 302
    with pytest.raises(CredentialsRefused):
        send_request(88)


@pytest.mark.django_db
def test_key_is_not_stored_or_shown_in_clear(vendor: Simulator, admin: Client) -> None:
    submit(admin, access_key=OWN_KEY, secret_key=OWN_SECRET)
    page = admin.get(CHANGE).content.decode()
    assert OWN_KEY not in page
    assert OWN_SECRET not in page
    assert "leave empty to keep it" in page
    with connection.cursor() as cursor:
        cursor.execute("SELECT access_key, secret_key FROM isales_proxy_vdncredentials")
        kept = " ".join(cursor.fetchone())
    assert OWN_KEY not in kept
    assert OWN_SECRET not in kept
    history = admin.get("/admin/isales_proxy/vdn/88/history/").content.decode()
    assert OWN_SECRET not in history
    (event,) = AuditEvent.objects.filter(action="vdn.credentials")
    assert (event.actor, event.vdn_id) == ("admin", 88)
    assert OWN_KEY not in str(event.detail)


def test_empty_field_keeps_the_key(vendor: Simulator, admin: Client) -> None:
    submit(admin, access_key=OWN_KEY, secret_key=OWN_SECRET)
    submit(admin, name="Another name")
    row = VdnCredentials.objects.get(vdn_id=88)
    assert row.get_key("secret_key") == OWN_SECRET
    assert vdn_keys.list_own_keys(Vdn.objects.get(pk=88)) == {"access_key", "secret_key"}


@cases(
    ("changes", "words"),
    [
        ({"access_key": OWN_KEY}, "Enter both"),
        ({"app_secret": "x"}, "Enter both"),
        ({"access_key": "a b", "secret_key": "x"}, "cannot be a key"),
        ({"token": "a\nb"}, "cannot be a key"),
    ],
)
def test_unusable_key_is_refused(
    vendor: Simulator, admin: Client, changes: dict[str, str], words: str
) -> None:
    answer = submit(admin, **changes)
    assert answer.status_code == 303
    assert words in admin.get(answer.headers["Location"]).content.decode()
    assert not VdnCredentials.objects.exists()


def test_undecryptable_keys_are_reported_as_such(
    vendor: Simulator, settings: Any, admin: Client, as_role: Any
) -> None:
    submit(admin, access_key=DEMO_ACCESS_KEY, secret_key=DEMO_SECRET_KEY)
    settings.SECRET_KEY = "another-secret-key-altogether"
    with pytest.raises(CredentialsRefused, match="own keys"):
        send_request(88)
    answer = as_role("supervisor").get("/vdn/88/reservations/")
    assert answer.status_code == 502
    text = answer.content.decode()
    assert 'data-problem="credentials"' in text
    assert "The stored keys cannot be read" in text
    assert "refuses" not in text


def test_fallback_secret_key_decrypts(settings: Any) -> None:
    sealed = encryption.encrypt("word", purpose="a")
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "new"
    assert encryption.decrypt(sealed, purpose="a") == "word"
    with pytest.raises(encryption.DecryptionFailed):
        encryption.decrypt(sealed, purpose="b")
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(encryption.DecryptionFailed):
        encryption.decrypt(sealed, purpose="a")


def test_admin_of_another_vdn_cannot_change_the_keys(vendor: Simulator, admin: Client) -> None:
    assert admin.get("/admin/isales_proxy/vdn/89/change/").status_code == 302
    assert admin.post("/admin/isales_proxy/vdn/89/change/", {"token": "t"}).status_code == 302
    assert not VdnCredentials.objects.exists()
