"""Changes of people are recorded, by Django's admin, commands or themselves."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.test import Client

from isales_proxy.accounts import services as service
from isales_proxy.audit.verify import verify
from isales_proxy.models import Access, AuditAction, AuditEvent, Role, User
from tests.support.cases import cases
from tests.support.pages import form_of

pytestmark = pytest.mark.django_db

ADMIN = "/admin/isales_proxy/"
SECRET = "A-longer-secret-7"


@pytest.fixture
def admin(as_role: Any) -> Client:
    client: Client = as_role("admin")
    return client


@pytest.fixture
def root(db: None) -> Client:
    client = Client()
    # A plain person first: a superuser's beginning would be an event.
    user = User.objects.create_user("root", password="pass-word-1")
    User.objects.filter(pk=user.pk).update(is_superuser=True, is_staff=True)
    client.force_login(user)
    return client


def change(client: Client, address: str, **values: str) -> None:
    form = form_of(client.get(address).content.decode())
    assert client.post(address, form | values).status_code == 302


def list_messages() -> list[tuple[str, str, str, int | None, dict[str, Any], dict[str, Any]]]:
    return [
        (
            event.action,
            event.actor,
            event.subject,
            event.vdn_id,
            event.detail.get("before", {}),
            event.detail.get("after", {}),
        )
        for event in AuditEvent.objects.order_by("pk")
    ]


def test_changed_person_is_recorded_with_both_values(
    admin: Client, people: dict[str, User]
) -> None:
    change(
        admin,
        f"{ADMIN}user/{people['agent'].pk}/change/",
        first_name="Wei",
        **{"accesses-0-agent_account": "117"},
    )
    assert list_messages() == [
        ("person.changed", "admin", "agent", None, {"first_name": ""}, {"first_name": "Wei"}),
        ("person.access", "admin", "agent", 88, {"agent_account": "116"}, {"agent_account": "117"}),
    ]
    assert {event.person_id for event in AuditEvent.objects.all()} == {people["agent"].pk}


def test_unchanged_form_is_not_recorded(admin: Client, people: dict[str, User]) -> None:
    change(admin, f"{ADMIN}user/{people['agent'].pk}/change/")
    assert list_messages() == []


def test_new_person_and_role_are_recorded_without_the_password(admin: Client) -> None:
    address = f"{ADMIN}user/add/"
    form = form_of(admin.get(address).content.decode())
    form |= {
        "username": "wei", "usable_password": "true", "password1": SECRET, "password2": SECRET,
        "accesses-TOTAL_FORMS": "1", "accesses-0-vdn": "88", "accesses-0-role": "auditor",
        "accesses-0-agent_account": "",
    }  # fmt: skip
    assert admin.post(address, form).status_code == 302
    assert list_messages() == [
        ("person.changed", "admin", "wei", None, {}, {"username": "wei", "is_active": True}),
        ("person.access", "admin", "wei", 88, {}, {"role": "auditor"}),
    ]
    assert SECRET not in str(list(AuditEvent.objects.values()))


def test_password_set_by_an_admin_is_recorded_without_its_value(
    admin: Client, people: dict[str, User]
) -> None:
    new = {"usable_password": "true", "set-password": "", "password1": SECRET, "password2": SECRET}
    address = f"{ADMIN}user/{people['agent'].pk}/password/"
    assert admin.post(address, new).status_code == 302
    assert list_messages() == [("person.password", "admin", "agent", None, {}, {})]
    stored = str(list(AuditEvent.objects.values()))
    assert SECRET not in stored
    assert User.objects.get(username="agent").password not in stored


def test_password_changed_by_its_person_is_recorded_without_its_value(
    as_role: Any, people: dict[str, User]
) -> None:
    client = as_role("agent")
    given = {"oldpassword": "pass-word-1", "password1": SECRET, "password2": SECRET}
    assert client.post("/accounts/password/change/", given).status_code == 302
    (event,) = AuditEvent.objects.filter(action=AuditAction.PASSWORD_CHANGED)
    assert (event.actor, event.person_id) == ("agent", people["agent"].pk)
    assert SECRET not in str(list(AuditEvent.objects.values()))


def test_access_added_changed_and_deleted_on_its_own_page_is_recorded(
    root: Client, people: dict[str, User]
) -> None:
    row = {"user": str(people["agent"].pk), "vdn": "89", "role": "auditor", "agent_account": ""}
    assert root.post(f"{ADMIN}access/add/", row).status_code == 302
    key = Access.objects.get(user=people["agent"], vdn=89).pk
    change(root, f"{ADMIN}access/{key}/change/", role="admin")
    assert root.post(f"{ADMIN}access/{key}/delete/", {"post": "yes"}).status_code == 302
    assert [
        (vdn, before.get("role"), after.get("role")) for *_, vdn, before, after in list_messages()
    ] == [
        (89, None, "auditor"),
        (89, "auditor", "admin"),
        (89, "admin", None),
    ]


@cases("across", ["0", "1"])
def test_people_deleted_together_are_recorded(
    root: Client, people: dict[str, User], across: str
) -> None:
    marked = [str(people[name].pk) for name in ("agent", "auditor")]
    form = {"action": "delete_selected", "post": "yes", "_selected_action": marked[:1]}
    form = form | ({"select_across": "1"} if across == "1" else {"_selected_action": marked})
    User.objects.filter(username__in=["admin", "both", "supervisor"]).delete()
    assert root.post(f"{ADMIN}user/?is_superuser__exact=0", form).status_code == 302
    events = AuditEvent.objects.order_by("pk")
    assert {(event.action, event.subject) for event in events} >= {
        ("person.changed", "agent"), ("person.access", "agent"),
        ("person.changed", "auditor"), ("person.access", "auditor"),
    }  # fmt: skip
    assert events.filter(detail__deleted=True).count() == len(marked)


def test_new_superuser_is_recorded(root: Client, people: dict[str, User]) -> None:
    change(root, f"{ADMIN}user/{people['auditor'].pk}/change/", is_superuser="on")
    assert list_messages() == [
        ("person.changed", "root", "auditor", None, {"is_superuser": False}, {"is_superuser": True})
    ]


def test_refused_change_is_not_recorded(admin: Client, people: dict[str, User]) -> None:
    address = f"{ADMIN}user/{people['agent'].pk}/change/"
    form = form_of(admin.get(address).content.decode())
    assert admin.post(address, form | {"username": "admin"}).status_code == 303
    assert list_messages() == []


def test_changes_by_our_commands_are_recorded(people: dict[str, User], monkeypatch: Any) -> None:
    monkeypatch.setenv("WORD", SECRET)
    new = ["adduser", "wei", "--vdn", "88", "--password-env", "WORD"]
    call_command(*new, "--role", "auditor", stdout=io.StringIO())
    call_command(*new, "--role", "supervisor", stdout=io.StringIO())
    service.remove_known_passwords(["wei"], known_password=SECRET)
    assert list_messages() == [
        ("person.changed", "system", "wei", None, {}, {"username": "wei", "is_active": True}),
        ("person.access", "system", "wei", 88, {}, {"role": "auditor"}),
        ("person.access", "system", "wei", 88, {"role": "auditor"}, {"role": "supervisor"}),
        ("person.password", "system", "wei", None, {}, {}),
    ]
    assert verify().fault is None


def test_changes_by_djangos_commands_are_recorded(db: None, monkeypatch: Any) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", SECRET)
    call_command(
        "createsuperuser", "--noinput", username="chief", email="chief@example.org",
        stdout=io.StringIO(),
    )  # fmt: skip
    ((action, actor, subject, _vdn, _before, after),) = list_messages()
    assert (action, actor, subject) == ("person.changed", "system", "chief")
    assert after["is_superuser"] is True
    chief = User.objects.get()
    chief.set_password("Another-secret-8")
    chief.save()
    assert list_messages()[-1][0] == "person.password"


def test_number_in_an_address_is_masked(admin: Client, people: dict[str, User]) -> None:
    change(admin, f"{ADMIN}user/{people['agent'].pk}/change/", email="13800001234@example.org")
    assert list_messages()[0][5] == {"email": "•••34@example.org"}


def test_access_to_another_vdn_is_recorded_for_that_vdn(
    root: Client, people: dict[str, User]
) -> None:
    row = {"user": str(people["agent"].pk), "vdn": "89", "role": Role.AUDITOR, "agent_account": ""}
    root.post(f"{ADMIN}access/add/", row)
    assert [event.vdn_id for event in AuditEvent.objects.all()] == [89]


def test_group_change_is_recorded_with_its_permissions(
    root: Client, people: dict[str, User]
) -> None:
    view, change_ = (
        Permission.objects.get(codename=f"{action}_vdn") for action in ("view", "change")
    )
    form = {"name": "Helpers", "permissions": [str(view.pk)]}
    assert root.post("/admin/auth/group/add/", form).status_code == 302
    group = Group.objects.get(name="Helpers")
    people["agent"].groups.add(group)
    form = {"name": "Helping", "permissions": [str(change_.pk)]}
    assert root.post(f"/admin/auth/group/{group.pk}/change/", form).status_code == 302
    assert root.post(f"/admin/auth/group/{group.pk}/change/", form).status_code == 302
    chosen = {"action": "delete_selected", "_selected_action": [group.pk], "post": "yes"}
    assert root.post("/admin/auth/group/", chosen).status_code == 302
    assert not Group.objects.filter(pk=group.pk).exists()
    # By a shell nobody is known to have done it.
    Group.objects.create(name="Others").permissions.add(view)
    view.group_set.clear()
    events = AuditEvent.objects.filter(action=AuditAction.GROUP_CHANGED).order_by("pk")
    last = {"name": "Helping", "permissions": ["change_vdn"], "members": 1}
    assert [(event.actor, event.subject, event.detail) for event in events] == [
        ("root", "group Helpers", {"before": {}, "after": {"name": "Helpers"}}),
        ("root", "group Helpers", {"put": ["view_vdn"]}),
        ("root", "group Helping", {"before": {"name": "Helpers"}, "after": {"name": "Helping"}}),
        ("root", "group Helping", {"taken": ["view_vdn"]}),
        ("root", "group Helping", {"put": ["change_vdn"]}),
        ("root", "group Helping", {"before": last, "after": {}, "deleted": True}),
        ("system", "group Others", {"before": {}, "after": {"name": "Others"}}),
        ("system", "group Others", {"put": ["view_vdn"]}),
        *(
            ("system", f"group {name}", {"taken": ["view_vdn"]})
            for name in ("Callboard admins", "Others")
        ),
    ]
    assert verify().fault is None
