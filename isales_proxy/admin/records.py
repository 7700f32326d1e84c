"""Read-only lists of the vendor's data and of the audit."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from isales_proxy.admin.lookups import OwnFiltersOnly
from isales_proxy.models import AuditEvent, CallDataBatch, CodeRefresh, ResultCode, Vdn, WriteBack
from isales_proxy.privacy import masking


class _ToLookAt(OwnFiltersOnly):
    """Rows of one's own VDNs, for whoever may enter the admin at all."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Those rows."""
        found = super().get_queryset(request)
        if request.user.is_superuser:
            return found
        return found.filter(vdn_id__in=Vdn.objects.managed_by(request.user).values("pk"))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Whoever may enter the admin at all."""
        return bool(request.user.is_active and request.user.is_staff)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Return False."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Return False."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Return False."""
        return False


@admin.register(ResultCode)
class ResultCodeAdmin(_ToLookAt):
    """The code tables as they came from the vendor."""

    list_display = ("code", "vdn", "text_en", "text_zh", "last_seen", "gone_at")
    list_filter = (("vdn", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("vdn",)
    search_fields = ("code", "text_en", "text_zh")


@admin.register(AuditEvent)
class AuditAdmin(_ToLookAt):
    """The audit: person, action, time and address."""

    list_display = ("at", "action", "actor", "address", "vdn_id", "subject", "reason")
    list_filter = ("action",)
    search_fields = ("actor", "subject", "reason")
    date_hierarchy = "at"


class _Kept(_ToLookAt):
    """Call data and write-backs: their states, without numbers."""

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002
        """Those of the list and `more_fields`."""
        return (*self.list_display, *self.more_fields)

    more_fields: tuple[str, ...] = ()


@admin.register(CallDataBatch)
class BatchAdmin(_Kept):
    """Call data that was taken; the rows stand on the task's own page."""

    list_display = ("id", "vdn", "service_id", "state", "batch_count", "received", "asked_at")
    more_fields = ("asked_by_name", "masked_reason", "answered_at", "http_status", "purged_at")
    list_filter = (("vdn", admin.RelatedOnlyFieldListFilter), "state")
    list_select_related = ("vdn",)
    search_fields = ("service_id", "asked_by_name")

    def get_queryset(self, request: HttpRequest) -> QuerySet[CallDataBatch]:
        """Leave out the answers, which may have megabytes."""
        return super().get_queryset(request).defer("raw")

    @admin.display(description=_("reason"))
    def masked_reason(self, row: CallDataBatch) -> str:
        """Return the reason masked: its writer may have copied a number into it."""
        return masking.mask_text(row.reason)


@admin.register(WriteBack)
class WriteBackAdmin(_Kept):
    """Results written back; what was said stands on their own pages."""

    list_display = ("id", "vdn", "service_id", "unique_id", "fail_code", "state", "created_at")
    more_fields = ("created_by_name", "finished_at", "vendor_code")
    list_filter = (("vdn", admin.RelatedOnlyFieldListFilter), "state")
    list_select_related = ("vdn",)
    search_fields = ("service_id", "unique_id", "created_by_name")


@admin.register(CodeRefresh)
class CodeRefreshAdmin(_Kept):
    """History of the code tables."""

    list_display = ("at", "vdn", "kind", "by", "added", "removed", "reworded")
    list_filter = (("vdn", admin.RelatedOnlyFieldListFilter), "kind")
    list_select_related = ("vdn",)
