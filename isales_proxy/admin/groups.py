"""Groups, for superusers: Django's page. `dashboard.admin_site` attributes their changes."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group

from isales_proxy.admin.drafts import DraftAdmin
from isales_proxy.admin.lookups import OwnFiltersOnly

admin.site.unregister(Group)


@admin.register(Group)
class CleanedGroupAdmin(OwnFiltersOnly, DraftAdmin, GroupAdmin):
    """Django's page of groups, with cleaned searches and drafts."""
