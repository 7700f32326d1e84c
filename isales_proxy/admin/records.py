"""Read-only lists of the vendor's data and of the audit."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from isales_proxy.admin.lookups import ReadOnly
from isales_proxy.models import AuditEvent, CallDataBatch, CodeRefresh, ResultCode, Vdn, WriteBack
from isales_proxy.privacy import masking


class _ManagedVdnRecords(ReadOnly):
    """Rows of managed VDNs."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found = super().get_queryset(request)
        if request.user.is_superuser:
            return found
        return found.filter(vdn_id__in=Vdn.objects.managed_by(request.user).values("pk"))


@admin.register(ResultCode)
class ResultCodeAdmin(_ManagedVdnRecords):
    list_display = ("code", "vdn", "text_en", "text_zh", "last_seen", "gone_at")
    list_filter = (("vdn", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("vdn",)
    search_fields = ("code", "text_en", "text_zh")


@admin.register(AuditEvent)
class AuditAdmin(_ManagedVdnRecords):
    list_display = ("at", "action", "actor", "address", "vdn_id", "subject", "reason")
    list_filter = ("action",)
    search_fields = ("actor", "subject", "reason")
    date_hierarchy = "at"


@admin.register(CallDataBatch)
class BatchAdmin(_ManagedVdnRecords):
    """Batches of call data without their rows, which the page of the task shows."""

    list_display = ("id", "vdn", "service_id", "state", "batch_count", "received", "asked_at")
    fields = (
        *list_display,
        *("asked_by_name", "masked_reason", "answered_at", "http_status", "purged_at"),
    )
    list_filter = (("vdn", admin.RelatedOnlyFieldListFilter), "state")
    list_select_related = ("vdn",)
    search_fields = ("service_id", "asked_by_name")

    def get_queryset(self, request: HttpRequest) -> QuerySet[CallDataBatch]:
        """Do not load the raw answers, which may have megabytes."""
        return super().get_queryset(request).defer("raw")

    @admin.display(description=_("reason"))
    def masked_reason(self, row: CallDataBatch) -> str:
        """Return the reason, masked, since it is free text."""
        return masking.mask_text(row.reason)


@admin.register(WriteBack)
class WriteBackAdmin(_ManagedVdnRecords):
    """Write-backs without their contents, which their own pages show."""

    list_display = ("id", "vdn", "service_id", "unique_id", "fail_code", "state", "created_at")
    fields = (*list_display, "created_by_name", "finished_at", "vendor_code")
    list_filter = (("vdn", admin.RelatedOnlyFieldListFilter), "state")
    list_select_related = ("vdn",)
    search_fields = ("service_id", "unique_id", "created_by_name")


@admin.register(CodeRefresh)
class CodeRefreshAdmin(_ManagedVdnRecords):
    list_display = ("at", "vdn", "kind", "by", "added", "removed", "reworded")
    fields = list_display
    list_filter = (("vdn", admin.RelatedOnlyFieldListFilter), "kind")
    list_select_related = ("vdn",)
