"""Django admin's change list over the same rows."""

from __future__ import annotations

from django.contrib import admin

from bench.peers.models import Reservation


@admin.register(Reservation)
class ReservationAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Nine columns, 50 rows a page."""

    list_display = (
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
    list_per_page = 50
    search_fields = ("called_no",)
