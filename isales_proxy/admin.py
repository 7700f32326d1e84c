"""Django's admin: people, their access, VDNs; the result codes to look at.

An admin finds the VDNs where they are admin, and those people whose access ends there; superusers
find everything. What is out of reach is no row of any queryset here, so it cannot be listed,
chosen, changed or deleted.

Select2 writes style attributes, which our Content-Security-Policy forbids: no autocomplete here.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.options import BaseModelAdmin
from django.contrib.auth.admin import UserAdmin
from django.db.models import ForeignKey, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from isales_proxy.models import Access, ResultCode, User, Vdn
from isales_proxy.services import people


class _AccessInReach(BaseModelAdmin):  # type: ignore[type-arg]
    """Access rows of one's own VDNs, with one's own VDNs and people to choose from."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Access]:
        """Those rows."""
        return super().get_queryset(request).filter(vdn__in=people.managed_vdns(request.user))

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Those choices."""
        choices = {"vdn": people.managed_vdns, "user": people.managed_people}
        kwargs["queryset"] = choices[db_field.name](request.user)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class AccessInline(_AccessInReach, admin.TabularInline):  # type: ignore[type-arg]
    """A person's roles, beside the person."""

    model = Access
    extra = 0


@admin.register(User)
class PeopleAdmin(UserAdmin):  # type: ignore[type-arg]
    """People. Who may enter here follows from their roles; groups and single permissions are for
    superusers."""

    inlines = (AccessInline,)
    list_display = ("username", "first_name", "last_name", "is_staff", "is_active")
    list_filter = (
        "is_staff",
        "is_active",
        "accesses__role",
        ("accesses__vdn", admin.RelatedOnlyFieldListFilter),
    )
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Personal info"), {"fields": ("first_name", "last_name", "email")}),
        (_("Permissions"), {"fields": ("is_active", "is_staff")}),
        (_("Important dates"), {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ("is_staff", "last_login", "date_joined")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Those within reach."""
        return super().get_queryset(request).filter(pk__in=people.managed_people(request.user))

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Superusers have three fields more."""
        found = super().get_fieldsets(request, obj)
        if obj is None or not request.user.is_superuser:
            return found
        more = (_("Everything"), {"fields": ("is_superuser", "groups", "user_permissions")})
        return (*found, more)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Bring what follows from the roles up to date with a changed superuser or group, too."""
        super().save_related(request, form, formsets, change)
        people.sync_staff(form.instance)


@admin.register(Access)
class AccessAdmin(_AccessInReach, admin.ModelAdmin):  # type: ignore[type-arg]
    """All access at a glance."""

    list_display = ("user", "vdn", "role", "agent_account")
    list_filter = (("vdn", admin.RelatedOnlyFieldListFilter), "role")
    list_select_related = ("user", "vdn")
    search_fields = ("user__username", "agent_account")

    def get_readonly_fields(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        obj: Access | None = None,
    ) -> tuple[str, ...]:
        """Whose and where it is stays as it was; another one is another row."""
        return () if obj is None else ("user", "vdn")


@admin.register(Vdn)
class VdnAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """VDNs are switched off rather than deleted: their code tables and access would go, too."""

    list_display = ("id", "name", "time_zone", "enabled", "codes_read_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Vdn]:
        """One's own."""
        return super().get_queryset(request).filter(pk__in=people.managed_vdns(request.user))

    def get_readonly_fields(self, request: HttpRequest, obj: Vdn | None = None) -> tuple[str, ...]:  # noqa: ARG002
        """The vendor's number stays what it was."""
        return ("codes_read_at",) if obj is None else ("id", "codes_read_at")

    def save_model(self, request: HttpRequest, obj: Vdn, form: Any, change: bool) -> None:  # noqa: ARG002
        """Write what was changed alone: a refresh may raise the version of the codes meanwhile."""
        obj.save(update_fields=form.changed_data if change else None)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """For superusers: a VDN that is nobody's own is out of an admin's reach."""
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Vdn | None = None) -> bool:  # noqa: ARG002
        """Never."""
        return False


@admin.register(ResultCode)
class ResultCodeAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """The code tables as they came from the vendor: to look at, never to change by hand."""

    list_display = ("code", "vdn", "text_en", "text_zh", "category", "last_seen", "gone_at")
    list_filter = (("vdn", admin.RelatedOnlyFieldListFilter), "category")
    list_select_related = ("vdn",)
    search_fields = ("code", "text_en", "text_zh")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ResultCode]:
        """Those of one's own VDNs."""
        return super().get_queryset(request).filter(vdn__in=people.managed_vdns(request.user))

    def has_view_permission(self, request: HttpRequest, obj: ResultCode | None = None) -> bool:  # noqa: ARG002
        """Whoever may enter the admin at all."""
        return bool(request.user.is_active and request.user.is_staff)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: ResultCode | None = None) -> bool:  # noqa: ARG002
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ResultCode | None = None) -> bool:  # noqa: ARG002
        """Never."""
        return False
