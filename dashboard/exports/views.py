"""Exports that are too long for one request: state, file, cancel, restart.

Only the user who requested an export can open it; others get a 404.
"""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from dashboard.ui.exports import send_file
from dashboard.ui.htmx import SeeOther, render_page_or_fragment
from dashboard.ui.paging import format_count
from dashboard.ui.requests import ReaderRequest, enter_scope
from dashboard.ui.times import TimeFormatter
from isales_proxy import access
from isales_proxy.access import Permission, Scope
from isales_proxy.exports import services as exports
from isales_proxy.models import ExportJob, ExportState
from isales_proxy.models.exports import OPEN_STATES
from isales_proxy.reservations import services as reservations

_TONES: Final[dict[str, str]] = {
    ExportState.QUEUED: "soon",
    ExportState.RUNNING: "soon",
    ExportState.DONE: "answered",
    ExportState.FAILED: "failed",
    ExportState.ABANDONED: "late",
    ExportState.CANCELLED: "waiting",
}


@require_safe
@login_required
def export_job(request: ReaderRequest, export_id: int) -> HttpResponse:
    """Show the state of an export at `/exports/<id>/`, and the link to its file."""
    scope, job = _enter_job(request, export_id)
    return render_page_or_fragment(
        request,
        page="exports/job.html",
        fragment="exports/_job.html",
        context={"job": _build_context(scope, job)},
    )


@require_safe
@login_required
def download(request: ReaderRequest, export_id: int) -> HttpResponseBase:
    """Send the file at `/exports/<id>/file/`; the audit records each download."""
    scope, job = _enter_job(request, export_id)
    file = exports.open_file(scope=scope, job=job)
    if file is None:
        messages.error(request, _("There is no file of this export. Export the list again."))
        return SeeOther(reverse("export_job", args=[job.pk]))
    if request.method == "GET":
        reservations.record_download(scope=scope, export_id=job.pk, kind=job.kind, rows=job.rows)
    return send_file(file, job.file_name, rows=job.rows, facts=exports.get_facts(job=job))


@require_POST
@login_required
def cancel(request: ReaderRequest, export_id: int) -> HttpResponse:
    """Cancel a waiting or running export."""
    _scope, job = _enter_job(request, export_id)
    if not exports.cancel(job=job):
        messages.error(request, _("The export had ended before it could be cancelled."))
    return SeeOther(reverse("export_job", args=[job.pk]))


@require_POST
@login_required
def restart(request: ReaderRequest, export_id: int) -> HttpResponse:
    """Restart an export that failed or was interrupted or cancelled."""
    _scope, job = _enter_job(request, export_id)
    if not exports.restart(job=job):
        messages.error(request, _("The export is running or finished."))
    return SeeOther(reverse("export_job", args=[job.pk]))


def _enter_job(request: ReaderRequest, export_id: int) -> tuple[Scope, ExportJob]:
    """Return the user's export, and the scope in its VDN. Raises Http404, and PermissionDenied
    without EXPORT."""
    job = exports.get_job(user=request.user, export_id=export_id)
    if job is None:
        raise Http404
    try:
        scope = access.enter(user=request.user, vdn_id=job.vdn_id)
    except access.VdnNotFound:
        raise Http404 from None
    enter_scope(request, scope)
    if not scope.can(Permission.EXPORT):
        raise PermissionDenied
    return scope, job


def _build_context(scope: Scope, job: ExportJob) -> dict[str, Any]:
    times = TimeFormatter(timezone.now())
    is_open, total = job.state in OPEN_STATES, max(job.total, 1)
    url = reverse("export_job", args=[job.pk])
    return {
        "id": str(job.pk),
        "kind": job.kind.upper(),
        "state": job.state,
        "state_text": ExportState(job.state).label,
        "tone": _TONES[job.state],
        "under_way": is_open,
        "done": job.state == ExportState.DONE,
        "reason": _("The worker ended before the file was complete.")
        if job.state == ExportState.ABANDONED
        else job.reason,
        "percent": str(min(100 * job.rows // total, 100)),
        "rows": format_count(job.rows),
        "total": format_count(job.total),
        "total_count": str(job.total),
        "file_name": job.file_name,
        "asked": times.exact(job.asked_at),
        "ends": times.short(job.ends_at),
        "zone_text": times.zone_text,
        "vdn_id": scope.vdn.pk,
        "list_url": reverse("reservations", args=[scope.vdn.pk]),
        "url": url,
        "poll_url": url if is_open else "",
        "file_url": reverse("export_file", args=[job.pk]),
        "cancel_url": reverse("cancel_export", args=[job.pk]),
        "restart_url": reverse("restart_export", args=[job.pk]),
    }
