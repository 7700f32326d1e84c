"""Django admin's change list over the same rows."""

from __future__ import annotations

from django.contrib import admin

from bench.peers.models import Reservation


@admin.register(Reservation)
class ReservationAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Nine columns, 50 rows a page, and filters as the product's list has them."""

    list_display = (
        "format_due",
        "called_no",
        "format_agent",
        "format_task",
        "call_type",
        "task_status",
        "call_flag",
        "format_result",
        "busi_result",
    )
    list_per_page = 50
    list_filter = ("call_type", "task_status", "call_flag")
    search_fields = ("called_no",)
