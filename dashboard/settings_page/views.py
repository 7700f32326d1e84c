"""Settings page: variables in effect, people, VDNs and their mirrors, API tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from dashboard.settings_page.columns import PEOPLE_COLUMNS, TOKEN_COLUMNS
from dashboard.ui.columns import Column, R
from dashboard.ui.htmx import SeeOther
from dashboard.ui.list_page import SORT, ListPage, add_sort_field
from dashboard.ui.list_url import ListUrl
from dashboard.ui.local_lists import LocalFormatter, render_export, sort_rows
from dashboard.ui.parameters import build_parameter_notice
from dashboard.ui.permissions import vdn_page
from dashboard.ui.requests import ReaderRequest
from isales_proxy.access import Permission, Scope
from isales_proxy.accounts import installation as service
from isales_proxy.accounts.installation import VdnSummary
from isales_proxy.core.input_cleaning import CleanedInput
from isales_proxy.core.settings import Variable
from isales_proxy.mirror.round_reasons import describe_reason

_GROUPS = (("ISALES_", "CC-iSales"), ("OIDC_", "OpenID Connect"))


@require_safe
@never_cache
@vdn_page(Permission.SEE_SETTINGS)
def installation(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """`/vdn/<id>/settings/`: all settings in effect, without secrets."""
    form = _create_form(request)
    address = ListUrl.from_filter(reverse("settings", args=[scope.vdn.pk]), form)
    found = service.get_installation(scope=scope, by=request.user)
    formatter = LocalFormatter()
    return render(
        request,
        "settings_page/page.html",
        {
            "people": _fill_page(
                address, "people", _("People"), PEOPLE_COLUMNS, found.people, formatter
            ),
            "vdns": found.vdns,
            "mirrors": [_create_mirror_context(row, formatter) for row in found.vdns],
            "tokens": _fill_page(
                address, "tokens", _("API tokens"), TOKEN_COLUMNS, found.tokens, formatter
            ),
            "groups": _group_variables(settings.VARIABLES),
            "notice": build_parameter_notice(form, address),
        },
        status=200 if form.is_valid() else 422,
    )


@require_safe
@never_cache
@vdn_page(Permission.SEE_SETTINGS, Permission.EXPORT)
def export(request: ReaderRequest, scope: Scope, part: str, kind: str) -> HttpResponseBase:
    """`/vdn/<id>/settings/<part>/export.<kind>`: people or tokens in the order of the page."""
    form = _create_form(request)
    if not form.is_valid():
        return installation(request, vdn_id=scope.vdn.pk)
    found = service.get_installation(scope=scope, by=request.user)
    columns: tuple[Column[Any, LocalFormatter], ...] = PEOPLE_COLUMNS
    rows: Sequence[Any] = found.people
    if part == "tokens":
        columns, rows = TOKEN_COLUMNS, found.tokens
    file = render_export(
        request,
        kind,
        columns=columns,
        rows=sort_rows(rows, columns, form.cleaned_data[SORT]),
        formatter=LocalFormatter(),
        name=part,
        total=len(rows),
        form=form,
        scope=scope,
    )
    if file is None:
        return SeeOther(reverse("settings", args=[scope.vdn.pk]))
    service.record_export(scope=scope, part=part, kind=kind, rows=len(rows))
    return file


class SwitchMirrorForm(CleanedInput, forms.Form):
    """A VDN, and whether to switch its mirror on or off."""

    vdn = forms.IntegerField(min_value=1, max_value=2**31 - 1)
    enabled = forms.TypedChoiceField(
        choices=[("yes", ""), ("no", "")], coerce=lambda value: value == "yes"
    )


@require_POST
@never_cache
@vdn_page(Permission.SEE_SETTINGS, Permission.EXAMINE_VENDOR)
def switch_mirror(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """`/vdn/<id>/settings/mirror/`: switch the mirror of a VDN on or off."""
    form = SwitchMirrorForm(request.POST)
    page = reverse("settings", args=[scope.vdn.pk])
    if not form.is_valid():
        messages.error(request, _("The mirror of this VDN cannot be switched on or off."))
        return redirect(page)
    vdn_id, enabled = form.cleaned_data["vdn"], form.cleaned_data["enabled"]
    if not service.switch_mirror(scope=scope, by=request.user, vdn_id=vdn_id, enabled=enabled):
        raise Http404
    text = _("The mirror of VDN %s is on.") if enabled else _("The mirror of VDN %s is off.")
    messages.success(request, text % vdn_id)
    return redirect(f"{page}#mirrors")


def _create_form(request: ReaderRequest) -> forms.Form:
    """Create the form of the order of both lists, whose columns have different keys."""
    columns: tuple[Column[Any, Any], ...] = (*PEOPLE_COLUMNS, *TOKEN_COLUMNS)
    return add_sort_field(forms.Form(request.GET), columns)


def _fill_page(
    address: ListUrl,
    part: str,
    title: str,
    columns: tuple[Column[R, LocalFormatter], ...],
    rows: Sequence[R],
    formatter: LocalFormatter,
) -> dict[str, Any]:
    """Return the list, and another one for the links to its files, which are under `part`."""
    if address.sort.removeprefix("-") not in {column.key for column in columns}:
        address = replace(address, sort="")
    page = ListPage(columns, address, title, css="installation-rows")
    rows = sort_rows(rows, columns, address.sort)
    page.fill(rows, formatter, total=len(rows), get_id=lambda _row: "")
    for position, row in enumerate(page.rows):
        row.id = f"{part}-{position}"
    files: ListPage[Any, Any] = ListPage((), replace(address, path=f"{address.path}{part}/"), title)
    return {"page": page, "files": files}


def _create_mirror_context(row: VdnSummary, formatter: LocalFormatter) -> dict[str, Any]:
    status, times = row.mirror, formatter.times
    state = status.state
    oldest = status.oldest
    compared, agreed = state.sum_comparisons(status.now)
    return {
        "vdn": row.vdn,
        "enabled": state.enabled,
        "led": status.is_led,
        "round": times.clock(state.round_ended_at) if state.round_ended_at else "",
        "complete": state.round_complete,
        "reason": describe_reason(state.round_reason),
        "rows": state.rows_read,
        "oldest": times.behind(max(status.now - oldest, timedelta())) if oldest else "",
        "calls": f"{status.calls_a_minute:.1f} / {status.budget}",
        "held": state.guard_rows,
        "proof": f"{agreed} / {compared}" if compared else "",
    }


def _group_variables(variables: tuple[Variable, ...]) -> list[dict[str, Any]]:
    """Group the variables by their prefix, sorted by name; those of this product are first."""
    own = _("This installation")
    groups: dict[str, list[Variable]] = {own: []}
    for variable in sorted(variables, key=lambda each: each.name):
        title = next((text for prefix, text in _GROUPS if variable.name.startswith(prefix)), own)
        groups.setdefault(title, []).append(variable)
    return [{"title": title, "variables": found} for title, found in groups.items()]
