"""Django's admin: people, their access, VDNs; the result codes to look at.

Select2 writes style attributes, which our Content-Security-Policy forbids: no autocomplete here.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db.models import ManyToManyField
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from isales_proxy.models import Access, ResultCode, Role, User, Vdn


class AccessForm(forms.ModelForm):  # type: ignore[type-arg]
    """One row of access."""

    def clean(self) -> dict[str, Any]:
        """Say at the field what the database would refuse as a whole."""
        found = super().clean() or {}
        if found.get("role") == Role.AGENT and not found.get("agent_account"):
            self.add_error("agent_account", _("An agent needs an agent account."))
        return found


class AccessInline(admin.TabularInline):  # type: ignore[type-arg]
    """A person's roles, beside the person."""

    model = Access
    form = AccessForm
    extra = 0


@admin.register(User)
class PeopleAdmin(UserAdmin):  # type: ignore[type-arg]
    """People. Only a superuser touches superusers and single permissions, and nobody gives a group
    that they are not in themselves."""

    inlines = (AccessInline,)
    list_display = ("username", "first_name", "last_name", "is_staff", "is_active")
    list_filter = ("is_staff", "is_active", "accesses__role", "accesses__vdn")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Personal info"), {"fields": ("first_name", "last_name", "email")}),
        (_("Permissions"), {"fields": ("is_active", "is_staff", "groups")}),
        (_("Important dates"), {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ("last_login", "date_joined")

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Superusers have two fields more."""
        found = super().get_fieldsets(request, obj)
        if obj is None or not request.user.is_superuser:
            return found
        more = (_("Everything"), {"fields": ("is_superuser", "user_permissions")})
        return (*found, more)

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer the groups that the admin is in."""
        if db_field.name == "groups" and not request.user.is_superuser:
            kwargs["queryset"] = Group.objects.filter(user=request.user.pk)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Not on a superuser, unless one is one."""
        return _may_touch(request, obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Likewise."""
        return _may_touch(request, obj) and super().has_delete_permission(request, obj)


def _may_touch(request: HttpRequest, person: User | None) -> bool:
    return person is None or not person.is_superuser or bool(request.user.is_superuser)


@admin.register(Access)
class AccessAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """All access at a glance."""

    form = AccessForm
    list_display = ("user", "vdn", "role", "agent_account")
    list_filter = ("vdn", "role")
    list_select_related = ("user", "vdn")
    search_fields = ("user__username", "agent_account")


@admin.register(Vdn)
class VdnAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """VDNs are switched off rather than deleted: their code tables and access would go, too."""

    list_display = ("id", "name", "time_zone", "enabled", "codes_read_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Vdn | None = None) -> tuple[str, ...]:  # noqa: ARG002
        """The vendor's number stays what it was."""
        return ("codes_read_at",) if obj is None else ("id", "codes_read_at")

    def has_delete_permission(self, request: HttpRequest, obj: Vdn | None = None) -> bool:  # noqa: ARG002
        """Never."""
        return False


@admin.register(ResultCode)
class ResultCodeAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """The code tables as they came from the vendor: to look at, never to change by hand."""

    list_display = ("code", "vdn", "text_en", "text_zh", "category", "last_seen", "gone_at")
    list_filter = ("vdn", "category")
    list_select_related = ("vdn",)
    search_fields = ("code", "text_en", "text_zh")

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
