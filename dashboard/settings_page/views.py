"""The settings in effect, the people, the VDNs and the tokens on one page."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dashboard.ui.permissions import vdn_page
from dashboard.ui.requests import ReaderRequest
from dashboard.ui.times import TimeFormatter
from isales_proxy.access import Permission, Scope
from isales_proxy.accounts import second_factors
from isales_proxy.core.settings import Variable
from isales_proxy.diagnostics import installation as service
from isales_proxy.diagnostics.installation import Person, TokenSummary, VdnSummary

_GROUPS = (
    ("ISALES_", "CC-iSales"),
    ("OIDC_", "OpenID Connect"),
)


@require_safe
@never_cache
@vdn_page(Permission.SEE_SETTINGS)
def installation(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """`/vdn/<id>/settings/`: everything in effect, secrets hidden."""
    found = service.get_installation(scope=scope, by=request.user)
    times = TimeFormatter(timezone.now())
    return render(
        request,
        "settings_page/page.html",
        {
            "people": [_create_person_context(person, times) for person in found.people],
            "vdns": [_create_vdn_context(row) for row in found.vdns],
            "tokens": [_create_token_context(row, times) for row in found.tokens],
            "groups": _group_variables(found.variables),
        },
    )


def _create_person_context(person: Person, times: TimeFormatter) -> dict[str, Any]:
    return {
        "name": person.full_name or person.username,
        "username": person.username if person.full_name else "",
        "url": reverse("admin:isales_proxy_user_change", args=[person.id])
        if person.in_reach
        else "",
        "active": person.active,
        "superuser": person.superuser,
        "last_login": _create_time_context(person.last_login, times),
        "second_factors": [str(second_factors.WORDS[kind]) for kind in person.second_factors],
        "accesses": [
            {"vdn": row.vdn_id, "role": row.get_role_display(), "agent_account": row.agent_account}
            for row in person.accesses
        ],
    }


def _create_vdn_context(row: VdnSummary) -> dict[str, Any]:
    return {
        "id": row.vdn.pk,
        "name": row.vdn.name,
        "url": reverse("admin:isales_proxy_vdn_change", args=[row.vdn.pk]),
        "time_zone": row.vdn.time_zone,
        "cc_id": row.vdn.cc_id,
        "enabled": row.vdn.enabled,
        "people": row.people,
        "own_keys": ", ".join(name.replace("_", " ") for name in row.own_keys),
    }


def _create_token_context(row: TokenSummary, times: TimeFormatter) -> dict[str, Any]:
    return {
        "name": row.name,
        "owner": row.owner,
        "prefix": row.prefix,
        "scope": row.scope.label,
        "made": _create_time_context(row.made_at, times),
        "ends": _create_time_context(row.ends_at, times),
        "used": _create_time_context(row.last_used_at, times),
    }


def _create_time_context(moment: datetime | None, times: TimeFormatter) -> dict[str, str] | None:
    return {"text": times.short(moment), "exact": times.exact(moment)} if moment else None


def _group_variables(variables: tuple[Variable, ...]) -> list[dict[str, Any]]:
    """The variables of this product first, then those of each neighbour, all by name."""
    groups: dict[str, list[Variable]] = {_("This installation"): []}
    for variable in sorted(variables, key=lambda each: each.name):
        title = next((words for start, words in _GROUPS if variable.name.startswith(start)), None)
        groups.setdefault(title or _("This installation"), []).append(variable)
    return [{"title": title, "variables": found} for title, found in groups.items()]
