"""Context of base.html: navigation, VDNs, health of CC-iSales, language, theme, user."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError
from django.http import HttpRequest
from django.urls import NoReverseMatch, get_resolver, reverse
from django.utils import timezone
from django.utils.functional import Promise, SimpleLazyObject
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from dashboard.ui.jinja2 import render_fragment
from dashboard.ui.requests import get_last_scope, pop_refused_zone
from dashboard.ui.times import TimeFormatter, format_zone
from isales_proxy.access import Permission, Scope, get_scopes
from isales_proxy.core import health
from isales_proxy.mirror import mirror_status

THEMES: Final = ("auto", "light", "dark")

# Age up to which a call, or a reading of the mirror, shows the present state.
_MAX_CALL_AGE: Final = timedelta(minutes=1)
_MAX_READING_AGE: Final = timedelta(minutes=3)
_LANGUAGES: Final = (("en", "English", "EN"), ("zh-hans", "简体中文", "中"))


def frame(request: HttpRequest) -> dict[str, Any]:
    """Provide `frame` and `vendor_health`, which only templates that use them evaluate: fragments
    need only the latter."""
    return {
        "frame": SimpleLazyObject(lambda: _build_frame(request)),
        "vendor_health": SimpleLazyObject(lambda: build_health(_get_zone(_get_scope(request)))),
    }


def _get_user(request: HttpRequest) -> Any:
    """Return the user; an anonymous one for a request that failed before it was authenticated."""
    return getattr(request, "user", None) or AnonymousUser()


def _get_scope(request: HttpRequest) -> Scope | None:
    """Return the scope of the page; outside a VDN that of the VDN visited last."""
    scope: Scope | None = getattr(request, "scope", None)
    return scope or get_last_scope(request, get_scopes(_get_user(request)))


def _get_zone(scope: Scope | None) -> tzinfo:
    return scope.zone if scope else timezone.get_current_timezone()


def _build_frame(request: HttpRequest) -> dict[str, Any]:
    user, scope = _get_user(request), _get_scope(request)
    is_known = user.is_authenticated
    language = get_language() or "en"
    typed_zone, zone_error = pop_refused_zone(request) if is_known else ("", "")
    theme = request.COOKIES.get(settings.THEME_COOKIE_NAME, "auto")
    return {
        "vdn": {"id": scope.vdn.pk, "name": scope.vdn.name} if scope else None,
        "vdns": [_build_vdn_item(request, each, scope) for each in get_scopes(user)],
        "nav": _build_navigation(request, scope) if scope else [],
        "demo": settings.ISALES.demo,
        "languages": [
            {"code": code, "label": label, "short": short, "current": code == language}
            for code, label, short in _LANGUAGES
        ],
        "theme": theme if theme in THEMES else "auto",
        "zone": {
            "name": format_zone(timezone.now(), _get_zone(scope)),
            "own": typed_zone or (user.time_zone if is_known else ""),
            "error": zone_error,
            "vdn": scope.vdn.time_zone if scope else "",
        },
        "user": _build_user(user, scope) if is_known else None,
        "single_sign_on": settings.SIGN_IN.single_sign_on,
        "doctor_url": _get_url(scope, "doctor", Permission.EXAMINE_VENDOR),
        "settings_url": _get_url(scope, "settings", Permission.SEE_SETTINGS),
        "admin_url": reverse("admin:index") if user.is_staff else "",
    }


def _get_url(scope: Scope | None, name: str, permission: Permission) -> str:
    """Return the address of a page of the VDN; "" without the permission."""
    return reverse(name, args=[scope.vdn.pk]) if scope and scope.can(permission) else ""


def _build_vdn_item(request: HttpRequest, each: Scope, current: Scope | None) -> dict[str, Any]:
    """Build an item of the VDN menu: a link to the same page of that VDN, or to its reservations
    if the address of this page has more parameters than the VDN."""
    match = request.resolver_match
    url = reverse("reservations", args=[each.vdn.pk])
    if match and set(match.kwargs) == {"vdn_id"} and match.url_name:
        with suppress(NoReverseMatch):
            url = reverse(match.url_name, args=[each.vdn.pk])
    return {
        "id": each.vdn.pk,
        "name": each.vdn.name,
        "url": url,
        "current": current is not None and each.vdn.pk == current.vdn.pk,
    }


class NavigationEntry(NamedTuple):
    """A link of the top bar. `navigation` in `urls.py` lists them in order.

    `name` is a URL name, `parts` are those of the pages below it. Users who see only their own rows
    see `own_label`.
    """

    name: str
    label: str | Promise
    permission: Permission
    parts: tuple[str, ...] = ()
    own_label: str | Promise = ""


def _build_navigation(request: HttpRequest, scope: Scope) -> list[dict[str, Any]]:
    here = request.resolver_match.url_name if request.resolver_match else ""
    own = not scope.can(Permission.SEE_ALL_AGENTS)
    addresses: Any = get_resolver().urlconf_module
    entries: tuple[NavigationEntry, ...] = addresses.navigation
    return [
        {
            "label": (own and entry.own_label) or entry.label,
            "url": reverse(entry.name, args=[scope.vdn.pk]),
            "current": here in {entry.name, *entry.parts},
        }
        for entry in entries
        if scope.can(entry.permission)
    ]


@dataclass(frozen=True)
class HealthView:
    """State of CC-iSales in the top bar; `at_iso` is the time of its last answer, or ""."""

    state: str
    text: str
    at_iso: str = ""

    @property
    def markup(self) -> SafeString:
        """Render the state."""
        return render_fragment("components/health.jinja", health=self)


def build_health(zone: tzinfo) -> HealthView:
    """Describe the state of CC-iSales with times in `zone`, without calling CC-iSales."""
    now, found = timezone.now(), health.get_vendor_health()
    if found.called_at is None or now - found.called_at > _MAX_CALL_AGE:
        # Complete lists need no call in this process; the mirror makes calls in another one.
        read_at = None
        with suppress(DatabaseError):
            read_at = mirror_status.get_last_reading()
        if read_at is not None and (found.called_at is None or read_at > found.called_at):
            state = "ok" if now - read_at < _MAX_READING_AGE else "unknown"
            at = TimeFormatter(now, zone).clock(read_at)
            text = _("CC-iSales · last answer %(at)s") % {"at": at}
            return HealthView(state, text, read_at.isoformat())
    if found.answered_at is None:
        is_unknown = found.state == "unknown"
        text = _("CC-iSales: not asked yet") if is_unknown else _("CC-iSales is not answering")
        return HealthView(found.state, text)
    at = TimeFormatter(now, zone).clock(found.answered_at)
    text = _("Not answering · last answer %(at)s") % {"at": at}
    if found.state == "ok":
        text = _("CC-iSales %(ms)s ms · %(at)s") % {"ms": found.ms, "at": at}
    return HealthView(found.state, text, found.answered_at.isoformat())


def _build_user(user: Any, scope: Scope | None) -> dict[str, str]:
    name = user.get_full_name() or user.get_username()
    initials = "".join(word[0] for word in name.replace("-", " ").split()[:2]).upper()
    return {
        "name": name,
        "initials": initials,
        "role": str(scope.role.label) if scope else "",
    }
