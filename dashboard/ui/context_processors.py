"""Context of base.html: navigation, VDNs, health of CC-iSales, language, theme, reader."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from typing import Any, Final, NamedTuple

from django.conf import settings
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

# A call, and a reading of the mirror, that tell of the present.
_LATELY: Final = timedelta(minutes=1)
_READ_LATELY: Final = timedelta(minutes=3)
_LANGUAGES: Final = (("en", "English", "EN"), ("zh-hans", "简体中文", "中"))


def frame(request: HttpRequest) -> dict[str, Any]:
    """Provide `frame` and `vendor_health`, evaluated only by templates that use them: fragments
    show the latter alone."""
    return {
        "frame": SimpleLazyObject(lambda: _build_frame(request)),
        "vendor_health": SimpleLazyObject(lambda: build_health(_get_zone(request))),
    }


def _get_zone(request: HttpRequest) -> tzinfo:
    scope: Scope | None = getattr(request, "scope", None) or get_last_scope(
        request, get_scopes(request.user)
    )
    return scope.zone if scope else timezone.get_current_timezone()


def _build_frame(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    known = user is not None and user.is_authenticated
    scopes = get_scopes(user) if known else []
    scope: Scope | None = getattr(request, "scope", None) or get_last_scope(request, scopes)
    zone = scope.zone if scope else timezone.get_current_timezone()
    language = get_language() or "en"
    typed_zone, zone_error = pop_refused_zone(request) if known else ("", "")
    theme = request.COOKIES.get(settings.THEME_COOKIE_NAME, "auto")
    return {
        "vdn": {"id": scope.vdn.pk, "name": scope.vdn.name} if scope else None,
        "vdns": [_build_vdn_item(request, each, scope) for each in scopes],
        "nav": _build_navigation(request, scope) if scope else [],
        "demo": settings.ISALES.demo,
        "languages": [
            {"code": code, "label": label, "short": short, "current": code == language}
            for code, label, short in _LANGUAGES
        ],
        "theme": theme if theme in THEMES else "auto",
        "zone": {
            "name": format_zone(timezone.now(), zone),
            "own": typed_zone or (user.time_zone if known and user else ""),
            "error": zone_error,
            "vdn": scope.vdn.time_zone if scope else "",
        },
        "user": _build_person(user, scope) if known else None,
        "single_sign_on": settings.SIGN_IN.single_sign_on,
        "doctor_url": reverse("doctor", args=[scope.vdn.pk])
        if scope and scope.can(Permission.EXAMINE_VENDOR)
        else "",
        "settings_url": reverse("settings", args=[scope.vdn.pk])
        if scope and scope.can(Permission.SEE_SETTINGS)
        else "",
        "admin_url": reverse("admin:index") if known and user and user.is_staff else "",
    }


def _build_vdn_item(request: HttpRequest, each: Scope, current: Scope | None) -> dict[str, Any]:
    """Build an item of the VDN switcher. It links to the same page of that VDN, or to its
    reservations if the address of this page has other parameters."""
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
    """A page that the top bar links to. `urls.py` has them in its order, as `navigation`.

    `name` is that of its address, and `parts` are those of the pages that belong to it. `own_label`
    is for who sees only rows of their own.
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
    """The state of CC-iSales as the top bar shows it; `at_iso` is when it answered last, or ""."""

    state: str
    text: str
    at_iso: str = ""

    @property
    def markup(self) -> SafeString:
        """The markup in the top bar."""
        return render_fragment("components/health.jinja", health=self)


def build_health(zone: tzinfo) -> HealthView:
    """Describe the state of CC-iSales, without a call, with times in `zone`."""
    now, found = timezone.now(), health.get_vendor_health()
    if found.called_at is None or now - found.called_at > _LATELY:
        # Who looks at complete lists makes no call; the mirror does, in another process.
        read_at = None
        with suppress(DatabaseError):
            read_at = mirror_status.get_last_reading()
        if read_at is not None and (found.called_at is None or read_at > found.called_at):
            state = "ok" if now - read_at < _READ_LATELY else "unknown"
            at = TimeFormatter(now, zone).clock(read_at)
            text = _("CC-iSales · last answer %(at)s") % {"at": at}
            return HealthView(state, text, read_at.isoformat())
    if found.answered_at is None:
        text = (
            _("CC-iSales: not asked yet")
            if found.state == "unknown"
            else _("CC-iSales is not answering")
        )
        return HealthView(found.state, text)
    at = TimeFormatter(now, zone).clock(found.answered_at)
    text = (
        _("CC-iSales %(ms)s ms · %(at)s") % {"ms": found.ms, "at": at}
        if found.state == "ok"
        else _("Not answering · last answer %(at)s") % {"at": at}
    )
    return HealthView(found.state, text, found.answered_at.isoformat())


def _build_person(user: Any, scope: Scope | None) -> dict[str, str]:
    name = user.get_full_name() or user.get_username()
    initials = "".join(word[0] for word in name.replace("-", " ").split()[:2]).upper()
    return {
        "name": name,
        "initials": initials,
        "role": str(scope.role.label) if scope else "",
    }
