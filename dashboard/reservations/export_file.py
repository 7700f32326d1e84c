"""The reservations list as a file. It is written to the disk completely before it is sent, so that
no error ends up within it.
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

from dashboard.reservations.columns import RESERVATION_COLUMNS, RowFormatter
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
from dashboard.ui.times import TimeFormatter
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
"""Rows that are sent at once; a longer list is exported by a job."""
_SOURCE: Final = "reservations"


def create_file_response(
    scope: Scope, query: ReservationQuery, kind: str, *, bom: bool
) -> HttpResponseBase | Problem:
    """Return the file (csv, xlsx) or a redirect to the job that makes it, or why there is none."""
    try:
        found = reservations.read_all(scope=scope, query=query)
        if found.total > MOST_AT_ONCE:
            source = Source.MIRROR if found.mirrored else Source.LIVE
            job_query = replace(ListQuery.extend(query), source=source)
            job = exports.request_export(
                scope=scope,
                source=_SOURCE,
                kind=kind,
                question=job_query.serialize() | {"bom": bom},
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
        return problems.describe(error)
    except DailySearchLimitExceeded as error:
        return problems.describe_search_limit(error)
    except ListChanged:
        return problems.describe_changed_list()
    except TooManyRows:
        return _describe(422, "too-many-rows", explain_too_many_rows())
    except TooManyExports:
        text = _("%(most)s of your exports are running. Wait for one to finish, or cancel one.")
        return _describe(429, "too-many-exports", text % {"most": exports.MOST_OPEN})
    return send_file(file, f"{table.name}.{kind}", rows=table.total, facts=table.facts)


def write_file(
    scope: Scope,
    query: ReservationQuery,
    kind: str,
    file: IO[bytes],
    *,
    bom: bool = True,
    found: AllRows | None = None,
    report: Callable[[int, int], None] = lambda _rows, _total: None,
) -> ExportTable:
    """Write all rows into an empty file and record that in the audit.

    A list that changes meanwhile is read once more from its beginning. `found` is a list of which
    nothing was read so far; `report` gets the rows read so far and their total. Raises ListChanged,
    ISalesError, DailySearchLimitExceeded, TooManyRows.
    """

    def iterate(found: AllRows) -> Iterator[Reservation]:
        count = 0
        for page in found.pages:
            count += len(page)
            report(count, found.total)
            yield from page

    def write(found: AllRows) -> ExportTable:
        formatter = RowFormatter(scope, found.as_of)
        table = build_export(
            filter_columns(RESERVATION_COLUMNS, scope),
            iterate(found),
            formatter,
            name="reservations",
            total=found.total,
            scope=scope,
            filters=_describe_query(scope, ListQuery.extend(query), formatter.times),
            by=scope.username,
            source=_("Complete list") if found.mirrored else _("Live from CC-iSales"),
            bom=bom,
        )
        WRITERS[kind](table, file)
        return table

    try:
        table = write(found or reservations.read_all(scope=scope, query=query))
    except ListChanged:
        file.seek(0)
        file.truncate()
        table = write(reservations.read_all(scope=scope, query=query))
    reservations.record_export(scope=scope, query=query, kind=kind, rows=table.total)
    return table


def _describe_query(scope: Scope, query: ListQuery, times: TimeFormatter) -> str:
    """Describe filters, tab and order in the active language."""
    found = [*describe_filters(scope, query, times)]
    if query.tab:
        found.append((_("Tab"), str(query.tab.label)))
    headings = {column.key: str(column.heading) for column in RESERVATION_COLUMNS}
    if heading := headings.get(query.sort.removeprefix("-")):
        is_descending = query.sort.startswith("-")
        found.append((_("Order"), _("%s, descending") % heading if is_descending else heading))
    return " · ".join(f"{label} {text}" for label, text in found if text)


def _describe(status: int, slug: str, detail: str) -> Problem:
    title = _("There is no file")
    return Problem(HTTPStatus(status), slug, title, detail, next_step="", reference="")


def _render(request: ExportRequest) -> FinishedFile:
    """Write the file of a job. Raises ISalesError and ExportRefused."""
    try:
        table = write_file(
            request.scope,
            ListQuery.deserialize(request.question),
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
