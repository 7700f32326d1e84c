"""Page of the API doctor: checks of CC-iSales, with a report for the vendor's support."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.ui import form_drafts
from dashboard.ui.htmx import SeeOther, render_page_or_fragment, wants_fragment
from dashboard.ui.permissions import vdn_page
from dashboard.ui.requests import ReaderRequest
from dashboard.ui.times import TimeFormatter
from isales_proxy.access import Permission, Scope
from isales_proxy.accounts import form_drafts as services_of_drafts
from isales_proxy.client.errors import ISalesError
from isales_proxy.core.form_fields import PlainTextField
from isales_proxy.core.input_cleaning import CleanedInput
from isales_proxy.core.locks import AlreadyRunning
from isales_proxy.diagnostics import services
from isales_proxy.diagnostics.mirror import build_mirror_section
from isales_proxy.diagnostics.probes import MAX_CALLS
from isales_proxy.diagnostics.report import (
    InterfaceStatus,
    Report,
    Section,
    describe_outcome,
    render_text,
)
from isales_proxy.mirror import mirror_status
from isales_proxy.problems import describe

_LEVELS = {"error": messages.ERROR, "warning": messages.WARNING, "success": messages.SUCCESS}


class ConfirmMissingForm(CleanedInput, forms.Form):
    """Reason for confirming that many reservations are gone."""

    reason = PlainTextField(
        gettext_lazy("Why they are gone"),
        required=True,
        min_length=5,
        max_length=300,
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@vdn_page(Permission.EXAMINE_VENDOR)
def doctor(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """Show the last report at `/vdn/<id>/doctor/`; a POST runs a new check."""
    if request.method == "POST":
        return _run_check(request, scope)
    return form_drafts.redirect_to_outcome(request, _open_confirmation(request, scope)) or _render(
        request, scope, services.get_last_report(scope=scope), source="cache"
    )


@require_POST
@vdn_page(Permission.EXAMINE_VENDOR)
def confirm_missing(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """Confirm that the reservations which the mass guard holds back are gone, at
    `/vdn/<id>/doctor/confirm-missing/`."""
    form, key = ConfirmMissingForm(request.POST), form_drafts.get_posted_key(request)
    page = reverse("doctor", args=[scope.vdn.pk])
    if redirection := form_drafts.discard_if_asked(request, leave=page, address=page):
        return redirection
    if not form.is_valid():
        return form_drafts.save_and_redirect(request, key=key, address=page)
    rows = mirror_status.confirm_missing(
        scope=scope, reason=form.cleaned_data["reason"], now=timezone.now()
    )
    if rows:
        text = ngettext(
            "Confirmed: %(count)s reservation will be gone after the next reading without it.",
            "Confirmed: %(count)s reservations will be gone after the next reading without them.",
            rows,
        )
        messages.success(request, text % {"count": rows})
    else:
        messages.warning(request, _("No reservations wait for a confirmation any more."))
    # A check in the meantime has given the form another key.
    services_of_drafts.discard(user=request.user, key=key, address=page)
    services_of_drafts.finish(user=request.user, key=key, outcome=page)
    return SeeOther(page)


def _run_check(request: ReaderRequest, scope: Scope) -> HttpResponse:
    error = ""
    try:
        report: Report | None = services.run_check(scope=scope)
    except AlreadyRunning:
        error = _("A check is already running.")
    except ISalesError as failure:
        # Failures of CC-iSales are in the report: this one was raised before any call.
        error = describe(failure).detail
    if error:
        report = services.get_last_report(scope=scope)
    if wants_fragment(request):
        return _render(request, scope, report, source="cache" if error else "live", error=error)
    if error:
        messages.error(request, error)
    elif report is not None:
        messages.add_message(request, _LEVELS[report.verdict], describe_outcome(report))
    return redirect("doctor", vdn_id=scope.vdn.pk)


def _render(
    request: ReaderRequest,
    scope: Scope,
    report: Report | None,
    *,
    source: str,
    error: str = "",
) -> HttpResponse:
    now = timezone.now()
    times = TimeFormatter(now)
    status = mirror_status.get_status(scope=scope, now=now)
    settings = services.build_settings_section(scope.vdn)
    draft = _open_confirmation(request, scope)
    form = ConfirmMissingForm(draft.data if draft.judged else None, initial=draft.data)
    return render_page_or_fragment(
        request,
        page="diagnostics/page.html",
        fragment="diagnostics/_report.html",
        context={
            "vdn_id": scope.vdn.pk,
            "further": MAX_CALLS,
            "report": _create_report_context(report, times) if report else None,
            "source": source if report else "none",
            "error": error,
            "settings": _create_section_context(settings, times),
            "mirror": _create_section_context(build_mirror_section(status, times.clock), times),
            "confirm": form if status.needs_confirmation else None,
            "draft": draft,
        },
        status=409 if error else 422 if status.needs_confirmation and form.errors else 200,
    )


def _open_confirmation(request: ReaderRequest, scope: Scope) -> form_drafts.OpenForm:
    return form_drafts.open_form(request, reverse("doctor", args=[scope.vdn.pk]))


def _create_report_context(report: Report, times: TimeFormatter) -> dict[str, Any]:
    sections = report.interfaces + report.details
    return {
        "at_iso": report.at.isoformat(),
        "at_text": times.exact(report.at),
        "zone": str(times.zone),
        "by": report.by,
        "headline": describe_outcome(report),
        "verdict": report.verdict,
        "count": len(report.interfaces),
        "sections": [_create_section_context(section, times) for section in sections],
        "text": render_text(report),
    }


def _create_section_context(section: Section, times: TimeFormatter) -> dict[str, Any]:
    has_anomaly = any(fact.tone in {"warn", "bad"} for fact in section.facts)
    tone = "answered" if section.answered and not has_anomaly else "failed"
    if section.status is InterfaceStatus.FAILED:
        tone = "late"
    return {**vars(section), "tone": tone, "asked_text": times.exact(section.asked_at)}
