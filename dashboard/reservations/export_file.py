"""The reservations list as a file: written whole to the disk first, so that it is complete or is
refused; never an error within it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from http import HTTPStatus
from typing import IO, Final

from django.http import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _

from dashboard.reservations.columns import RESERVATION_COLUMNS, create_row_formatter
from dashboard.reservations.filters import describe_filters
from dashboard.ui.columns import build_export, filter_columns
from dashboard.ui.exports import (
    WRITERS,
    ExportTable,
    TooManyRows,
    explain_too_many_rows,
    send_file,
)
from dashboard.ui.htmx import SeeOther
from dashboard.ui.paging import format_count
from dashboard.ui.times import TimeFormatter, format_zone
from isales_proxy import problems
from isales_proxy.access import Scope
from isales_proxy.client.errors import ISalesError
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.client.records import Reservation
from isales_proxy.exports import services as exports
from isales_proxy.exports.services import (
    ExportRefused,
    ExportRequest,
    FinishedFile,
    TooManyExports,
)
from isales_proxy.number_access.services import DailySearchLimitExceeded
from isales_proxy.problems import Problem
from isales_proxy.reservations import services as reservations
from isales_proxy.reservations.pages import AllRows, ListChanged
from isales_proxy.reservations.query import ListQuery, Source, SourceRefused

MOST_AT_ONCE: Final = 5_000
"""Rows that are sent at once; more are the work of a job."""
_SOURCE: Final = "reservations"

Report = Callable[[int, int], None]
"""Is told the rows read so far and their total."""


class RefusedFile(RuntimeError):
    """Reason why there is no file."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.title)
        self.problem = problem


def create_file_response(
    scope: Scope, query: ReservationQuery, kind: str, *, bom: bool
) -> HttpResponseBase:
    """Return the file (csv, xlsx), or a redirect to the job that makes it. Raises RefusedFile."""
    try:
        found = reservations.read_all(scope=scope, query=query)
        if found.total > MOST_AT_ONCE:
            job = exports.request_export(
                scope=scope,
                source=_SOURCE,
                kind=kind,
                question=_pin(query, found).serialize() | {"bom": bom},
                total=found.total,
            )
            return SeeOther(reverse("export_job", args=[job.pk]))
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
        try:
            table = write_file(scope, query, kind, file, bom=bom, found=found)
        except BaseException:
            file.close()
            raise
    except ISalesError as error:
        raise RefusedFile(problems.describe(error)) from error
    except DailySearchLimitExceeded as error:
        raise RefusedFile(problems.describe_search_limit(error)) from error
    except ListChanged as error:
        raise RefusedFile(problems.describe_changed_list()) from error
    except TooManyRows as error:
        raise RefusedFile(_describe(422, "too-many-rows", explain_too_many_rows())) from error
    except TooManyExports as error:
        text = _("%(most)s of your exports are running. Wait for one to finish, or cancel one.")
        text %= {"most": exports.MOST_OPEN}
        raise RefusedFile(_describe(429, "too-many-exports", text)) from error
    return send_file(file, f"{table.name}.{kind}", rows=table.total, facts=table.facts)


def _pin(query: ReservationQuery, found: AllRows) -> ListQuery:
    """Return the question to the source that has answered it."""
    source = Source.MIRROR if found.mirrored else Source.LIVE
    return replace(ListQuery.extend(query), source=source)


def write_file(
    scope: Scope,
    query: ReservationQuery,
    kind: str,
    file: IO[bytes],
    *,
    bom: bool = True,
    found: AllRows | None = None,
    report: Report = lambda _rows, _total: None,
) -> ExportTable:
    """Write all rows into an empty file and record that in the audit.

    A list that changes meanwhile is read once more from its beginning. `found` is a list of which
    nothing was read so far. Raises ListChanged, ISalesError, DailySearchLimitExceeded, TooManyRows.
    """
    found = found or reservations.read_all(scope=scope, query=query)
    try:
        table = _write(scope, query, kind, file, bom, found, report)
    except ListChanged:
        file.seek(0)
        file.truncate()
        found = reservations.read_all(scope=scope, query=query)
        table = _write(scope, query, kind, file, bom, found, report)
    reservations.record_export(scope=scope, query=query, kind=kind, rows=table.total)
    return table


def _write(
    scope: Scope,
    query: ReservationQuery,
    kind: str,
    file: IO[bytes],
    bom: bool,
    found: AllRows,
    report: Report,
) -> ExportTable:
    formatter = create_row_formatter(scope, found.as_of)
    table = build_export(
        filter_columns(RESERVATION_COLUMNS, scope),
        _iterate_rows(found, report),
        formatter,
        name=_build_name(scope, found, formatter.times),
        total=found.total,
        facts=_list_facts(scope, query, found, formatter.times),
        bom=bom,
    )
    WRITERS[kind](table, file)
    return table


def _iterate_rows(found: AllRows, report: Report) -> Iterator[Reservation]:
    count = 0
    for page in found.pages:
        count += len(page)
        report(count, found.total)
        yield from page


def _build_name(scope: Scope, found: AllRows, times: TimeFormatter) -> str:
    """Build the file name: VDN, time and its offset from UTC, rows; never a called number."""
    local = found.as_of.astimezone(times.zone)
    return f"reservations-vdn-{scope.vdn.pk}-{local:%Y%m%d-%H%M%S-UTC%z}-{found.total}-rows"


def _list_facts(
    scope: Scope, query: ReservationQuery, found: AllRows, times: TimeFormatter
) -> list[tuple[str, str]]:
    asked = _describe_question(scope, ListQuery.extend(query), times)
    return [
        (_("VDN"), f"{scope.vdn.pk} {scope.vdn.name}"),
        (_("Filter"), asked or _("No filters")),
        (_("Time zone"), format_zone(found.as_of, times.zone)),
        (_("As of"), times.stamp(found.as_of)),
        (_("Source"), _("Complete list") if found.mirrored else _("Live from CC-iSales")),
        (_("Rows"), format_count(found.total)),
        (_("Exported by"), scope.username),
    ]


def _describe_question(scope: Scope, query: ListQuery, times: TimeFormatter) -> str:
    """Describe filters, tab and order in the active language."""
    found = [*describe_filters(scope, query, times)]
    if query.tab:
        found.append((_("Tab"), str(query.tab.label)))
    found.append((_("Order"), _describe_order(query.sort)))
    return " · ".join(f"{label} {text}" for label, text in found if text)


def _describe_order(sort: str) -> str:
    """Describe an order by the heading of its column."""
    headings = {column.key: str(column.heading) for column in RESERVATION_COLUMNS}
    text = headings.get(sort.removeprefix("-"), "")
    return _("%s, descending") % text if sort.startswith("-") else text


def _describe(status: int, slug: str, detail: str) -> Problem:
    title = _("There is no file")
    return Problem(HTTPStatus(status), slug, title, detail, next_step="", reference="")


def _render(request: ExportRequest) -> FinishedFile:
    """Write the file of a job. Raises ISalesError and ExportRefused."""
    query = ListQuery.deserialize(request.question)
    try:
        table = write_file(
            request.scope,
            query,
            request.kind,
            request.file,
            bom=request.question["bom"],
            report=request.report,
        )
    except ListChanged:
        problem = problems.describe_changed_list()
        text = f"{problem.title}. {problem.detail} {problem.next_step}"
        raise ExportRefused(text) from None
    except SourceRefused:
        text = _("This VDN has no complete list at the moment, and the file needs it.")
        raise ExportRefused(text) from None
    except DailySearchLimitExceeded as error:
        raise ExportRefused(problems.describe_search_limit(error).title) from None
    except TooManyRows:
        raise ExportRefused(explain_too_many_rows()) from None
    return FinishedFile(f"{table.name}.{request.kind}", table.total, table.facts)


exports.register_renderer(_SOURCE, _render)
