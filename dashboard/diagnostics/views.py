"""The API doctor: an admin examines CC-iSales and gets a report for the vendor's support."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from dashboard.ui.htmx import render_page_or_fragment, wants_fragment
from dashboard.ui.permissions import vdn_page
from dashboard.ui.requests import ReaderRequest
from dashboard.ui.times import TimeFormatter
from isales_proxy.access import Permission, Scope
from isales_proxy.client.errors import ISalesError
from isales_proxy.core.locks import AlreadyRunning
from isales_proxy.diagnostics import report as doctor_report
from isales_proxy.diagnostics import services as service
from isales_proxy.diagnostics.environment import get_settings
from isales_proxy.diagnostics.findings import Report
from isales_proxy.diagnostics.probes import MAX_CALLS
from isales_proxy.diagnostics.report import Section
from isales_proxy.problems import describe

_LEVELS = {"error": messages.ERROR, "warning": messages.WARNING, "success": messages.SUCCESS}
_TONES = {"answered": "answered", "no-credentials": "failed"}


@require_http_methods(["GET", "HEAD", "POST"])
@vdn_page(Permission.EXAMINE_VENDOR)
def doctor(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """`/vdn/<id>/doctor/`: the last report; a POST examines anew."""
    if request.method == "POST":
        return _examine(request, scope)
    return _answer(request, scope, service.get_last_report(scope=scope), source="cache")


def _examine(request: ReaderRequest, scope: Scope) -> HttpResponse:
    busy = ""
    try:
        report: Report | None = service.run_check(scope=scope)
    except AlreadyRunning:
        busy, report = (
            _("An examination is already under way."),
            service.get_last_report(scope=scope),
        )
    except ISalesError as error:
        # What CC-iSales does wrong is in the report: this one was raised before it was asked.
        busy, report = describe(error).detail, service.get_last_report(scope=scope)
    if wants_fragment(request):
        return _answer(request, scope, report, source="cache" if busy else "live", busy=busy)
    if busy:
        messages.error(request, busy)
    elif report is not None:
        messages.add_message(request, _LEVELS[_verdict(report)], doctor_report.headline(report))
    return redirect("doctor", vdn_id=scope.vdn.pk)


def _answer(
    request: ReaderRequest, scope: Scope, report: Report | None, *, source: str, busy: str = ""
) -> HttpResponse:
    moments = TimeFormatter(timezone.now())
    return render_page_or_fragment(
        request,
        page="diagnostics/page.html",
        fragment="diagnostics/_report.html",
        context={
            "vdn_id": scope.vdn.pk,
            "further": MAX_CALLS,
            "report": _report(report, moments) if report else None,
            "source": source if report else "none",
            "busy": busy,
            "in_effect": _section(doctor_report.settings_section(get_settings(scope.vdn)), moments),
        },
        status=409 if busy else 200,
    )


def _report(report: Report, moments: TimeFormatter) -> dict[str, Any]:
    return {
        "at_iso": report.at.isoformat(),
        "at_text": moments.exact(report.at),
        "zone": str(moments.zone),
        "by": report.by,
        "headline": doctor_report.headline(report),
        "verdict": _verdict(report),
        "count": len(report.interfaces),
        "sections": [
            _section(section, moments) for section in doctor_report.sections(report, quoting=True)
        ],
        "text": doctor_report.text(report),
    }


def _verdict(report: Report) -> str:
    """The worst of what was found, as the notice shows it: a difference is no success."""
    if report.failed:
        return "error"
    answered = [each for each in report.interfaces if each.answered]
    return "success" if answered and all(each.as_documented for each in answered) else "warning"


def _section(section: Section, moments: TimeFormatter) -> dict[str, Any]:
    words = {"answered": _("answered"), "failed": _("failed"), "": ""}
    tone = _TONES.get(section.standing, "late")
    if tone == "answered" and any(fact.tone in {"warn", "bad"} for fact in section.facts):
        tone = "failed"
    return {
        "name": section.name,
        "title": section.title,
        "address": section.address,
        "standing": section.standing,
        "word": words.get(section.standing, _("not asked")),
        "tone": tone,
        "asked_text": moments.exact(section.asked_at),
        # The mark beside the heading says these already.
        "facts": [
            fact for fact in section.facts if fact.name != "outcome" or section.standing == "failed"
        ],
    }
