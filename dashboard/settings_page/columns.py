"""Columns of the people and of the API tokens on the settings page."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.ui.columns import Cell, Column, ExportColumn
from dashboard.ui.local_lists import LocalFormatter, render_badge
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


def _describe_access(access: Access) -> str:
    parts = [f"VDN {access.vdn_id}", access.get_role_display()]
    if access.agent_account:
        parts.append(_("agent account %(account)s") % {"account": access.agent_account})
    return " · ".join(parts)


def _list_factors(person: Person) -> list[str]:
    return [str(second_factors.LABELS[kind]) for kind in second_factors.list_kinds(person.user)]


def _render_items(texts: list[str]) -> SafeString:
    items = ((text,) for text in texts)
    return format_html_join("", '<span class="access">{}</span>', items) or SafeString(_("none"))


def _build_access(person: Person, _formatter: LocalFormatter) -> Cell:
    texts = [_describe_access(access) for access in person.accesses]
    return Cell("access", label=_("Access"), html=_render_items(texts))


def _build_factors(person: Person, _formatter: LocalFormatter) -> Cell:
    return Cell(
        "second_factor", label=_("Second factor"), html=_render_items(_list_factors(person))
    )


def _build_time(field: str, label: str, moment: datetime | None, formatter: LocalFormatter) -> Cell:
    if moment is None:
        return Cell(field, _("never"), label=label)
    times = formatter.times
    return Cell(field, times.short(moment), label=label, title=times.exact(moment))


PEOPLE_COLUMNS: Final[tuple[Column[Person, LocalFormatter], ...]] = (
    Column(
        "person",
        gettext_lazy("Person"),
        "c-person",
        _build_person,
        exports=(
            ExportColumn(gettext_lazy("Name"), lambda person, _each: person.user.get_full_name()),
            ExportColumn(gettext_lazy("User name"), lambda person, _each: person.user.username),
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
    Column(
        "access",
        gettext_lazy("Access"),
        "c-access",
        _build_access,
        exports=(
            ExportColumn(
                gettext_lazy("Access"),
                lambda person, _each: "; ".join(map(_describe_access, person.accesses)),
            ),
        ),
    ),
    Column(
        "factors",
        gettext_lazy("Second factor"),
        "c-factors",
        _build_factors,
        exports=(
            ExportColumn(
                gettext_lazy("Second factor"),
                lambda person, _each: "; ".join(_list_factors(person)),
            ),
        ),
    ),
    Column(
        "log-in",
        gettext_lazy("Last log-in"),
        "c-log-in",
        lambda person, each: _build_time(
            "last_login", _("Last log-in"), person.user.last_login, each
        ),
        exports=(
            ExportColumn(
                gettext_lazy("Last log-in"),
                lambda person, _each: person.user.last_login,
                zoned=True,
            ),
        ),
        sort="user.last_login",
    ),
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
            ExportColumn(gettext_lazy("Token"), lambda token, _each: token.name),
            ExportColumn(gettext_lazy("First characters"), lambda token, _each: token.token_key),
        ),
        sort="name",
        hideable=False,
    ),
    Column(
        "owner",
        gettext_lazy("Person"),
        "c-owner",
        lambda token, _each: Cell("owner", token.user.username, label=_("Person")),
        sort="user.username",
    ),
    Column(
        "scope",
        gettext_lazy("Scope"),
        "c-scope",
        lambda token, _each: Cell("scope", token.get_scope_display(), label=_("Scope")),
        sort="scope",
    ),
    Column(
        "ends",
        gettext_lazy("Expires"),
        "c-ends",
        lambda token, each: _build_time("ends", _("Expires"), token.expiry, each),
        exports=(
            ExportColumn(gettext_lazy("Expires"), lambda token, _each: token.expiry, zoned=True),
        ),
        sort="expiry",
    ),
    Column(
        "used",
        gettext_lazy("Last used"),
        "c-used",
        lambda token, each: _build_time("used", _("Last used"), token.last_used_at, each),
        exports=(
            ExportColumn(
                gettext_lazy("Last used"), lambda token, _each: token.last_used_at, zoned=True
            ),
        ),
        sort="last_used_at",
    ),
)
