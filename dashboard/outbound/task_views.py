"""The outbound tasks of a VDN."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from dashboard.outbound.columns import TaskRow, build_task_rows
from dashboard.ui.htmx import render_page_or_fragment
from dashboard.ui.list_url import with_query
from dashboard.ui.paging import format_count
from dashboard.ui.permissions import vdn_page
from dashboard.ui.requests import ReaderRequest
from dashboard.ui.times import TimeFormatter
from isales_proxy import problems
from isales_proxy.access import Permission, Scope
from isales_proxy.client.errors import ISalesError
from isales_proxy.core import health
from isales_proxy.core.input_cleaning import clean_text
from isales_proxy.outbound import services as call_data
from isales_proxy.outbound import tasks
from isales_proxy.outbound.forms import TaskFilter
from isales_proxy.outbound.tasks import TaskList


@require_safe
@vdn_page(Permission.SEE_OUTBOUND)
def task_list(request: ReaderRequest, scope: Scope) -> HttpResponse:
    """`/vdn/<id>/tasks/`: all tasks, searchable by name and ID; what we took of each beside it."""
    form = TaskFilter(request.GET)
    good = form.is_valid()
    wanted = clean_text(form.cleaned_data["q"]).casefold() if good else ""
    found: TaskList | None = None
    problem = None
    try:
        found = tasks.list_tasks(scope=scope)
    except ISalesError as error:
        problem = problems.describe(error)
    if found is not None and found.error is not None:
        problem = problems.describe(found.error)
    lines = build_task_rows(
        scope,
        found.rows if found else None,
        call_data.get_figures(scope=scope),
        tasks.get_known_tasks(scope=scope),
    )
    path = reverse("tasks", args=[scope.vdn.pk])
    board = _facts(found) | {
        "rows": [line for line in lines if good and _matches(line, wanted)],
        "known": len(lines),
        "q": form["q"].value() or "",
        "refresh_url": with_query(path, request.GET.urlencode()),
        "path": path,
        "clear_url": path,
        "kept": (),
        "errors": " ".join(map(str, form.errors.get("q", ()))),
        "problem": problem,
    }
    board["total"], board["total_text"] = len(board["rows"]), format_count(len(board["rows"]))
    return render_page_or_fragment(
        request,
        page="outbound/list.html",
        fragment="outbound/_fragment.html",
        context={"board": board},
        status=problem.status if problem else 200 if good else 422,
        problem=problem,
    )


def _facts(found: TaskList | None) -> dict[str, Any]:
    """When the vendor gave the list, and since when it is away."""
    moments = TimeFormatter(timezone.now())
    facts = {"as_of_iso": "", "as_of_text": "", "age_text": "", "since_text": "", "source": "none"}
    facts["source_text"] = ""
    stale = found is None or found.source == "stale"
    if stale and (answered := health.get_vendor_health().answered_at):
        facts["since_text"] = _("Last answer at %s.") % moments.clock(answered)
    if found is not None:
        facts |= {
            "as_of_iso": found.as_of.isoformat(timespec="milliseconds"),
            "as_of_text": moments.clock(found.as_of),
            "age_text": moments.behind(moments.now - found.as_of) if stale else "",
            "source": found.source,
            "source_text": _("last good answer") if stale else _("from CC-iSales"),
        }
    return facts


def _matches(line: TaskRow, wanted: str) -> bool:
    return any(wanted in clean_text(text).casefold() for text in (line.name, line.service_id))
