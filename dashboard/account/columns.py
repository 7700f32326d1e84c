"""Columns of a person's own API tokens and sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.ui.columns import Cell, Column, ExportColumn, export_attribute
from dashboard.ui.local_lists import LocalFormatter, render_badge, text_column, time_column
from isales_proxy.models import ApiToken


def has_ended(token: ApiToken, now: datetime) -> bool:
    """Tell whether the token has expired at `now` (aware)."""
    return token.expiry is None or token.expiry <= now


def _build_token(token: ApiToken, formatter: LocalFormatter) -> Cell:
    ended = has_ended(token, formatter.times.now)
    badge = render_badge(_("ended"), "unknown") if ended else ""
    return Cell(
        "token",
        html=format_html("{}{}<small><code>{}…</code></small>", token.name, badge, token.token_key),
    )


def _describe_address(token: ApiToken) -> str:
    address = token.last_used_from
    return _("from %(address)s") % {"address": address} if address else ""


def _build_revoke(token: ApiToken, _formatter: LocalFormatter) -> Cell:
    return Cell(
        "revoke",
        html=format_html(
            '<a class="btn btn-sm" href="{}" aria-label="{}">{}</a>',
            reverse("token_revoke", args=[token.token_key]),
            _("Revoke %(name)s") % {"name": token.name},
            _("Revoke"),
        ),
    )


OWN_TOKEN_COLUMNS: Final[tuple[Column[ApiToken, LocalFormatter], ...]] = (
    Column(
        "token",
        gettext_lazy("Token"),
        "c-token",
        _build_token,
        exports=(
            export_attribute(gettext_lazy("Token"), "name"),
            export_attribute(gettext_lazy("First characters"), "token_key"),
        ),
        sort="name",
        hideable=False,
    ),
    text_column(
        "scope", gettext_lazy("Scope"), lambda token: token.get_scope_display(), sort="scope"
    ),
    time_column("made", gettext_lazy("Created"), "created"),
    time_column("ends", gettext_lazy("Expires"), "expiry"),
    time_column(
        "used",
        gettext_lazy("Last used"),
        "last_used_at",
        get_sub=_describe_address,
        exports=(
            ExportColumn(
                gettext_lazy("Last used from"), lambda token, _each: token.last_used_from or ""
            ),
        ),
    ),
    Column("revoke", gettext_lazy("Revoke"), "c-action", _build_revoke, exports=()),
)


@dataclass(frozen=True)
class SessionRow:
    """One session of a person. Times are aware UTC."""

    number: int
    device: str
    address: str
    began_at: datetime
    seen_at: datetime
    current: bool


@dataclass
class SessionFormatter(LocalFormatter):
    """Facts that all rows share, with the CSRF token of the forms that end a session."""

    csrf_token: str = ""


def _build_device(row: SessionRow, _formatter: SessionFormatter) -> Cell:
    badge = render_badge(_("This device"), "answered") if row.current else ""
    return Cell("device", html=format_html("{}{}", row.device, badge))


def _build_end(row: SessionRow, formatter: SessionFormatter) -> Cell:
    if row.current:
        return Cell("end")
    context: dict[str, Any] = {"session": row, "csrf_token": formatter.csrf_token}
    return Cell("end", html=render_to_string("account/_end_session.html", context))


SESSION_COLUMNS: Final[tuple[Column[SessionRow, SessionFormatter], ...]] = (
    Column("device", gettext_lazy("Device"), "c-device", _build_device, sort="device"),
    text_column(
        "address", gettext_lazy("Network address"), lambda row: row.address, sort="address"
    ),
    time_column("began", gettext_lazy("Logged in at"), "began_at"),
    time_column("seen", gettext_lazy("Last seen"), "seen_at"),
    Column("end", gettext_lazy("End"), "c-action", _build_end),
)
