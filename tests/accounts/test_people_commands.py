"""`adduser` and `demo`: people are created, updated and locked out."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from isales_proxy.accounts.seeding import ADMINS
from isales_proxy.management.commands.demo import KNOWN_PASSWORD
from isales_proxy.models import Access, Role, User, Vdn
from isales_proxy.simulator import LIST_RESULT_CODES, Simulator
from tests.support.cases import cases

PASSWORD = "A-longer-secret-7"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _vdns() -> None:
    for number, name in ((88, "Support"), (89, "Sales")):
        Vdn.objects.update_or_create(pk=number, defaults={"name": name})


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEW_PASSWORD", PASSWORD)


def adduser(*arguments: str) -> str:
    out = StringIO()
    call_command("adduser", *arguments, stdout=out)
    return out.getvalue()


def given(name: str) -> list[tuple[int, str, str]]:
    rows = Access.objects.filter(user__username=name).order_by("vdn_id")
    return list(rows.values_list("vdn_id", "role", "agent_account"))


def test_added_person_has_the_role_and_can_log_in() -> None:
    said = adduser(
        "chen", "--role", "agent", "--vdn", "88", "--agent-account", "116",
        "--password-env", "NEW_PASSWORD",
    )  # fmt: skip
    assert said == "chen added: agent in VDN 88.\n"
    assert given("chen") == [(88, "agent", "116")]
    assert User.objects.get(username="chen").is_staff is False
    assert Client().login(username="chen", password=PASSWORD)


def test_adding_a_person_again_adds_roles_and_keeps_the_password(client: Client) -> None:
    adduser("chen", "--role", "supervisor", "--vdn", "88", "--password-env", "NEW_PASSWORD")
    hashed = User.objects.get(username="chen").password
    said = adduser("chen", "--role", "auditor", "--vdn", "89", "--password-env", "NEW_PASSWORD")
    assert said == "chen updated: auditor in VDN 89.\n"
    adduser("chen", "--role", "auditor", "--vdn", "89", "--vdn", "89")
    assert given("chen") == [(88, "supervisor", ""), (89, "auditor", "")]
    assert User.objects.get(username="chen").password == hashed


def test_admin_role_sets_and_another_role_clears_staff_status() -> None:
    adduser("li", "--role", "admin", "--vdn", "88", "--password-env", "NEW_PASSWORD")
    user = User.objects.get(username="li")
    assert user.is_staff
    assert not user.is_superuser
    assert [group.name for group in user.groups.all()] == [ADMINS]
    adduser("li", "--role", "supervisor", "--vdn", "88")
    user.refresh_from_db()
    assert not user.is_staff
    assert not user.groups.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--role", "agent", "--vdn", "88", "--password-env", "NEW_PASSWORD"), "agent account"),
        (("--role", "auditor", "--vdn", "4711", "--password-env", "NEW_PASSWORD"), "known: 88, 89"),
        (("--role", "auditor", "--vdn", "88"), "needs a password"),
        (("--role", "auditor", "--vdn", "88", "--password-env", "NOT_SET"), "NOT_SET is not set"),
        (("--role", "auditor", "--vdn", "88", "--password-env", "SHORT"), "too short"),
        (("--role", "owner", "--vdn", "88", "--password-env", "NEW_PASSWORD"), "invalid choice"),
    ],
)
def test_invalid_argument_is_named_and_nobody_is_added(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.setenv("SHORT", "abc")
    with pytest.raises(CommandError, match=words) as caught:
        adduser("chen", *arguments)
    assert not User.objects.filter(username="chen").exists()
    assert PASSWORD not in str(caught.value)


@cases(
    ("account", "words"),
    [
        ("1" * 65, "at most 64 characters"),
        ("11\t6", "control characters"),
        ("116,117", "commas"),
        ("a b", "spaces"),
    ],
)
def test_invalid_agent_account_is_refused(account: str, words: str) -> None:
    with pytest.raises(CommandError, match=f"agent account: .*{words}"):
        adduser(
            "chen", "--role", "agent", "--vdn", "88", "--agent-account", account,
            "--password-env", "NEW_PASSWORD",
        )  # fmt: skip
    assert not User.objects.filter(username="chen").exists()


def test_inactive_person_stays_inactive() -> None:
    adduser("chen", "--role", "auditor", "--vdn", "88", "--password-env", "NEW_PASSWORD")
    User.objects.update(is_active=False)
    adduser("chen", "--role", "auditor", "--vdn", "89")
    assert given("chen") == [(88, "auditor", ""), (89, "auditor", "")]
    assert User.objects.get(username="chen").is_active is False


def test_invalid_user_name_is_refused() -> None:
    with pytest.raises(CommandError, match="username"):
        adduser("a b/c", "--role", "auditor", "--vdn", "88", "--password-env", "NEW_PASSWORD")


def demo(*arguments: str) -> str:
    out = StringIO()
    call_command("demo", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


@pytest.fixture
def demo_vendor(settings: Any) -> Any:
    """Demo mode: no base URL, the simulator by its own setting."""
    with Simulator(rows=50) as simulator:
        settings.SIMULATOR_URL = simulator.base_url
        settings.ISALES = replace(settings.ISALES, base_url="")
        yield simulator


def test_demo_adds_one_person_of_each_role_and_a_superuser(demo_vendor: Simulator) -> None:
    said = demo()
    assert [given(role) for role in ("agent", "supervisor", "auditor", "admin")] == [
        [(88, "agent", "116")],
        [(88, "supervisor", ""), (89, "supervisor", "")],
        [(88, "auditor", "")],
        [(88, "admin", ""), (89, "admin", "")],
    ]
    for role in Role:
        assert Client().login(username=role.value, password=KNOWN_PASSWORD)
        assert f"{role.value} " in said
    # And somebody who may add a VDN, which an admin may not.
    assert User.objects.get(username="superuser").has_perm("isales_proxy.add_vdn")
    assert Client().login(username="superuser", password=KNOWN_PASSWORD)
    assert KNOWN_PASSWORD in said
    assert Vdn.objects.get(pk=88).codes_read_at is not None


def test_demo_run_again_changes_no_password(demo_vendor: Simulator) -> None:
    demo()
    before = list(User.objects.order_by("pk").values_list("username", "password"))
    demo()
    assert list(User.objects.order_by("pk").values_list("username", "password")) == before


def test_demo_does_not_change_real_people(demo_vendor: Simulator) -> None:
    adduser("admin", "--role", "auditor", "--vdn", "89", "--password-env", "NEW_PASSWORD")
    User.objects.update(is_active=False)
    before = User.objects.get(username="admin").password
    said = demo()
    person = User.objects.get(username="admin")
    assert (person.is_active, person.password) == (False, before)
    assert given("admin") == [(89, "auditor", "")]
    assert "the demo did not make them: admin\n" in said
    assert Client().login(username="supervisor", password=KNOWN_PASSWORD)


def test_demo_person_updated_by_adduser_is_no_longer_changed(demo_vendor: Simulator) -> None:
    demo()
    adduser("agent", "--role", "auditor", "--vdn", "88", "--password-env", "NEW_PASSWORD")
    assert "did not make them: agent\n" in demo()
    assert Client().login(username="agent", password=PASSWORD)


def test_demo_without_result_codes_prints_a_warning(demo_vendor: Simulator) -> None:
    demo_vendor.faults.add("html", operation=LIST_RESULT_CODES, times=None)
    assert "could not be read yet" in demo()
    assert User.objects.count() == len(Role) + 1  # one of each role, and a superuser


def test_demo_on_a_real_vendor_sets_random_passwords(vendor: Simulator) -> None:
    first, second = demo(), demo()
    assert KNOWN_PASSWORD not in first + second
    assert first != second
    (line,) = (line for line in second.splitlines() if line.strip().startswith("agent"))
    assert Client().login(username="agent", password=line.split()[1])
    assert not Client().login(username="agent", password=KNOWN_PASSWORD)


def test_demo_close_disables_only_people_with_the_known_password(demo_vendor: Simulator) -> None:
    demo()
    changed = User.objects.get(username="auditor")
    changed.set_password(PASSWORD)
    changed.save()
    said = demo("--close")
    assert "auditor" not in said
    assert all(role in said for role in ("agent", "supervisor", "admin"))
    assert not Client().login(username="admin", password=KNOWN_PASSWORD)
    assert Client().login(username="auditor", password=PASSWORD)
    assert demo("--close") == ""
