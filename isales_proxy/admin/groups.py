"""Groups, for superusers: Django's page, with each change in the audit."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest

from isales_proxy.accounts import groups
from isales_proxy.admin.drafts import DraftAdmin
from isales_proxy.admin.lookups import OwnFiltersOnly
from isales_proxy.models import User

admin.site.unregister(Group)


@admin.register(Group)
class AuditedGroupAdmin(OwnFiltersOnly, DraftAdmin, GroupAdmin):
    """Django's page of groups; changes are audited under the name of the person logged in."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Add or change a group."""
        with groups.attribute_changes_to(cast("User", request.user)):
            return super().changeform_view(request, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Delete a group."""
        with groups.attribute_changes_to(cast("User", request.user)):
            return super().delete_view(request, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show the list, whose action deletes several groups."""
        with groups.attribute_changes_to(cast("User", request.user)):
            return super().changelist_view(request, *args, **kwargs)
