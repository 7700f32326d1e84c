"""User names that differ by case alone belong to one person, however people are added."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client

from isales_proxy.models import User
from tests.support.cases import cases
from tests.support.migrations import empty_database, migrate
from tests.support.pages import form_of

ADMIN = "/admin/isales_proxy/user/"
LOG_IN = "/accounts/login/"
PASSWORD = "pass-word-1"


def gets_in(name: str) -> str:
    """The user name of the person who is logged in by this one, else an empty text."""
    client = Client()
    client.post(LOG_IN, {"login": name, "password": PASSWORD})
    key = client.session.get("_auth_user_id")
    return User.objects.get(pk=key).username if key else ""


@cases(("here", "new"), [("maria", "Maria"), ("ömer", "ÖMER"), ("Ivan", "ｉｖａｎ")])
@pytest.mark.django_db
def test_database_refuses_user_names_that_differ_by_case(here: str, new: str) -> None:
    User.objects.create_user(here, password=PASSWORD)
    with pytest.raises(IntegrityError), transaction.atomic():
        User(username=new).save()
    assert gets_in(new) == here


def test_admin_refuses_names_that_differ_from_another_by_case(
    as_role: Any, people: dict[str, User]
) -> None:
    User.objects.create_superuser("boss", password=PASSWORD)
    admin = as_role("admin")
    page = f"{ADMIN}{people['agent'].pk}/change/"
    renamed = admin.post(page, form_of(admin.get(page).content.decode()) | {"username": "BOSS"})
    assert renamed.status_code == 303
    renamed = admin.get(renamed.headers["Location"])
    assert renamed.status_code == 422
    assert "already exists" in renamed.content.decode()
    added = form_of(admin.get(f"{ADMIN}add/").content.decode())
    added |= {
        "username": "Boss",
        "password1": "A-longer-secret-7",
        "password2": "A-longer-secret-7",
    }
    assert admin.post(f"{ADMIN}add/", added).status_code == 303
    assert User.objects.filter(username__iexact="boss").count() == 1
    assert gets_in("Boss") == "boss"


@pytest.mark.django_db
def test_commands_refuse_names_that_differ_from_another_by_case(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    User.objects.create_superuser("boss", password=PASSWORD)
    monkeypatch.setenv("NEW_PASSWORD", "A-longer-secret-7")
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "A-longer-secret-7")
    with pytest.raises(CommandError, match="already exists"):
        call_command(
            "adduser", "Boss", "--role", "admin", "--vdn", "88", "--password-env", "NEW_PASSWORD"
        )
    with pytest.raises(CommandError, match="already taken"):
        call_command("createsuperuser", "--noinput", "--username", "BOSS", "--email", "")
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_case_of_a_user_name_can_be_changed() -> None:
    user = User.objects.create_user("maria", password=PASSWORD)
    user.username = "Maria"
    user.full_clean()
    user.save(update_fields=["username"])
    assert gets_in("MARIA") == "Maria"


@pytest.mark.thorough
@pytest.mark.django_db
def test_older_names_that_differ_by_case_keep_working_and_are_reported() -> None:
    with empty_database():
        former = migrate("0007_audit_guard").get_model("isales_proxy", "User")
        for name in ("Maria", "maria", "other"):
            former.objects.create(username=name, password="!")
        migrate()
        for user in User.objects.all():
            user.set_password(PASSWORD)
            user.save(update_fields=["password"])
        assert [gets_in(name) for name in ("Maria", "maria", "OTHER")] == [
            "Maria",
            "maria",
            "other",
        ]
        # Nobody is guessed at, and nobody comes beside them.
        assert gets_in("MARIA") == ""
        with pytest.raises(IntegrityError), transaction.atomic():
            User(username="MARIA").save()
        assert "differ by case alone: Maria, maria." in _check()
        user = User.objects.get(username="Maria")
        user.username = "maria.2"
        user.full_clean()
        user.save()
        assert "differ by case" not in _check()
        assert gets_in("MARIA") == "maria"


def _check() -> str:
    out = StringIO()
    call_command("check", databases=["default"], stdout=out, stderr=out)
    return out.getvalue()
