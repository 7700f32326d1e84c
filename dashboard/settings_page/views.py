"""The settings in effect, the people, the VDNs and the tokens on one page."""

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
from isales_proxy.core.form_fields import DEFAULT_SIZE
from isales_proxy.core.input_cleaning import CleanedInput
from isales_proxy.core.settings import Variable
from isales_proxy.mirror.round_reasons import describe_reason

_GROUPS = (
    ("ISALES_", "CC-iSales"),
    ("OIDC_", "OpenID Connect"),
)


@require_safe
@never_cache
@vdn_page(Permission.SEE_SETTINGS)
def installation(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """`/vdn/<id>/settings/`: everything in effect, secrets hidden."""
    form = _create_form(request)
    good = form.is_valid()
    sort = form.cleaned_data.get(SORT, "")
    found = service.get_installation(scope=scope, by=request.user)
    formatter = LocalFormatter()
    return render(
        request,
        "settings_page/page.html",
        {
            "people": _fill_page(
                scope, "people", _("People"), PEOPLE_COLUMNS, found.people, formatter, sort
            ),
            "vdns": found.vdns,
            "mirrors": [_create_mirror_context(row, formatter) for row in found.vdns],
            "tokens": _fill_page(
                scope, "tokens", _("API tokens"), TOKEN_COLUMNS, found.tokens, formatter, sort
            ),
            "groups": _group_variables(settings.VARIABLES),
            "notice": build_parameter_notice(form, reverse("settings", args=[scope.vdn.pk])),
        },
        status=200 if good else 422,
    )


@require_safe
@never_cache
@vdn_page(Permission.SEE_SETTINGS, Permission.EXPORT)
def export(request: ReaderRequest, scope: Scope, part: str, kind: str) -> HttpResponseBase:
    """`/vdn/<id>/settings/<part>/export.<kind>`: the people or the tokens, in the page's order."""
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
    """A VDN in reach, and whether its mirror is to be on."""

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
    """The order of either list, which have no column in common."""
    columns: tuple[Column[Any, Any], ...] = (*PEOPLE_COLUMNS, *TOKEN_COLUMNS)
    return add_sort_field(forms.Form(request.GET), columns)


def _fill_page(
    scope: Scope,
    part: str,
    title: str,
    columns: tuple[Column[R, LocalFormatter], ...],
    rows: Sequence[R],
    formatter: LocalFormatter,
    sort: str,
) -> dict[str, Any]:
    """The list, and the page at whose address its files are."""
    ours = sort if sort.removeprefix("-") in {column.key for column in columns} else ""
    path = reverse("settings", args=[scope.vdn.pk])
    address = ListUrl(path, (), DEFAULT_SIZE, 1, ours)
    page = ListPage(columns, address, title, css="installation-rows")
    page.fill(sort_rows(rows, columns, ours), formatter, total=len(rows), get_id=lambda _row: "")
    for position, row in enumerate(page.rows):
        row.id = f"{part}-{position}"
    files: ListPage[Any, Any] = ListPage((), replace(address, path=f"{path}{part}/"), title)
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
    """The variables of this product first, then those of each neighbour, all by name."""
    groups: dict[str, list[Variable]] = {_("This installation"): []}
    for variable in sorted(variables, key=lambda each: each.name):
        title = next((words for start, words in _GROUPS if variable.name.startswith(start)), None)
        groups.setdefault(title or _("This installation"), []).append(variable)
    return [{"title": title, "variables": found} for title, found in groups.items()]
