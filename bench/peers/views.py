"""The peers' pages: a naive one over the vendor's answer, a django-tables2 one, and DRF's list.

Each shows 50 rows with the nine columns of the product's list.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Final

import django_tables2 as tables
import requests
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.safestring import SafeString
from rest_framework import generics, serializers

from bench.peers.models import CallFlag, CallType, Reservation, ResultCode, TaskStatus
from bench.vendor_rows import VENDOR_PATH

ROWS: Final = 50
_TIMES: Final = ("appointTime", "beginTime")


@login_required
def naive(request: HttpRequest) -> HttpResponse:
    """A page as it is first written: `requests.post`, codes from the database, `|date`."""
    page = int(request.GET.get("page", "1"))
    body = {"offset": (page - 1) * ROWS, "limit": ROWS}
    answer = requests.post(os.environ["BENCH_VENDOR"] + VENDOR_PATH, json=body, timeout=10).json()
    codes = {each.code: each.description for each in ResultCode.objects.all()}
    for row in answer["data"]:
        for name in _TIMES:
            row[name] = read_time(row.get(name))
        row["type"] = dict(CallType.choices).get(row.get("callType"), "")
        row["status"] = dict(TaskStatus.choices).get(row.get("taskStatus"), "")
        row["call"] = dict(CallFlag.choices).get(row.get("callFlag"), "")
        row["description"] = codes.get(row.get("failCode"), "")
    context = {
        "rows": answer["data"],
        "total": answer["totalCount"],
        "page": page,
        "now": timezone.now(),
    }
    return render(request, "peers/naive.html", context)


def read_time(value: object) -> datetime | None:
    """Read milliseconds since 1970, or text of them; None for anything else."""
    text = str(value)
    return datetime.fromtimestamp(int(text) / 1000, UTC) if text.isdecimal() else None


class ReservationTable(tables.Table):  # type: ignore[misc]
    """The columns of the page by django-tables2, each cell with the two lines of the product's."""

    def render_appoint_time(self, record: Reservation) -> SafeString:
        """Render the due time and the distance to it."""
        return record.format_due()

    def render_user_name(self, record: Reservation) -> SafeString:
        """Render the agent's name over the account."""
        return record.format_agent()

    def render_task_name(self, record: Reservation) -> SafeString:
        """Render the task's name over its ID."""
        return record.format_task()

    def render_fail_code(self, record: Reservation) -> SafeString:
        """Render the result code over the cause."""
        return record.format_result()

    class Meta:
        model = Reservation
        template_name = "django_tables2/bootstrap5.html"
        fields = (
            "appoint_time",
            "called_no",
            "user_name",
            "task_name",
            "call_type",
            "task_status",
            "call_flag",
            "fail_code",
            "busi_result",
        )


@login_required
def table(request: HttpRequest) -> HttpResponse:
    """The same rows from SQLite in a table of django-tables2."""
    found = ReservationTable(Reservation.objects.all())
    tables.RequestConfig(request, paginate={"per_page": ROWS}).configure(found)
    return render(request, "peers/table.html", {"table": found})


class ReservationSerializer(serializers.ModelSerializer):  # type: ignore[type-arg]
    """All fields."""

    class Meta:
        model = Reservation
        fields = "__all__"


class ReservationList(generics.ListAPIView):  # type: ignore[type-arg]
    """The same rows from SQLite as JSON."""

    queryset = Reservation.objects.all()
    serializer_class = ReservationSerializer
