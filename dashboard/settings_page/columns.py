"""Columns of the people and of the API tokens on the settings page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.ui.columns import Cell, Column, ExportColumn, export_attribute
from dashboard.ui.local_lists import LocalFormatter, render_badge, text_column, time_column
from isales_proxy.accounts import second_factors
from isales_proxy.accounts.installation import Person
from isales_proxy.models import Access, ApiToken


def _build_person(person: Person, _formatter: LocalFormatter) -> Cell:
    user = person.user
    name = format_html("{}", user.get_full_name() or user.username)
    if person.in_reach:
        url = reverse("admin:isales_proxy_user_change", args=[user.pk])
        name = format_html('<a class="task-link" href="{}">{}</a>', url, name)
    if user.get_full_name():
        name = format_html("{}<small>{}</small>", name, user.username)
    if not user.is_active:
        name = format_html("{}{}", name, render_badge(_("switched off"), "unknown"))
    if user.is_superuser:
        name = format_html("{}{}", name, render_badge(_("superuser"), "waiting"))
    return Cell("person", html=name)


def _list_accesses(person: Person) -> list[str]:
    return [_describe_access(access) for access in person.accesses]


def _describe_access(access: Access) -> str:
    parts = [f"VDN {access.vdn_id}", access.get_role_display()]
    if access.agent_account:
        parts.append(_("agent account %(account)s") % {"account": access.agent_account})
    return " · ".join(parts)


def _list_factors(person: Person) -> list[str]:
    return [str(second_factors.LABELS[kind]) for kind in second_factors.list_kinds(person.user)]


def _create_items_column(
    key: str, heading: Promise, field: str, get_texts: Callable[[Person], list[str]]
) -> Column[Person, LocalFormatter]:
    """Create a column of several texts: lines of a cell, or joined in a file."""

    def build(person: Person, _formatter: LocalFormatter) -> Cell:
        items = ((text,) for text in get_texts(person))
        markup = format_html_join("", '<span class="access">{}</span>', items)
        return Cell(field, label=str(heading), html=markup or SafeString(_("none")))

    export: ExportColumn[Person, LocalFormatter] = ExportColumn(
        heading, lambda person, _each: "; ".join(get_texts(person))
    )
    return Column(key, heading, f"c-{key}", build, exports=(export,))


PEOPLE_COLUMNS: Final[tuple[Column[Person, LocalFormatter], ...]] = (
    Column(
        "person",
        gettext_lazy("Person"),
        "c-person",
        _build_person,
        exports=(
            ExportColumn(gettext_lazy("Name"), lambda person, _each: person.user.get_full_name()),
            export_attribute(gettext_lazy("User name"), "user.username"),
            ExportColumn(
                gettext_lazy("Can log in"),
                lambda person, _each: _("Yes") if person.user.is_active else _("No"),
            ),
            ExportColumn(
                gettext_lazy("Superuser"),
                lambda person, _each: _("Yes") if person.user.is_superuser else _("No"),
            ),
        ),
        sort="user.username",
        hideable=False,
    ),
    _create_items_column("access", gettext_lazy("Access"), "access", _list_accesses),
    _create_items_column("factors", gettext_lazy("Second factor"), "second_factor", _list_factors),
    time_column("log-in", gettext_lazy("Last log-in"), "user.last_login", field="last_login"),
)

TOKEN_COLUMNS: Final[tuple[Column[ApiToken, LocalFormatter], ...]] = (
    Column(
        "token",
        gettext_lazy("Token"),
        "c-token",
        lambda token, _each: Cell(
            "token",
            html=format_html("{}<small><code>{}…</code></small>", token.name, token.token_key),
        ),
        exports=(
            export_attribute(gettext_lazy("Token"), "name"),
            export_attribute(gettext_lazy("First characters"), "token_key"),
        ),
        sort="name",
        hideable=False,
    ),
    text_column(
        "owner", gettext_lazy("Person"), lambda token: token.user.username, sort="user.username"
    ),
    text_column(
        "scope", gettext_lazy("Scope"), lambda token: token.get_scope_display(), sort="scope"
    ),
    time_column("ends", gettext_lazy("Expires"), "expiry"),
    time_column("used", gettext_lazy("Last used"), "last_used_at"),
)
