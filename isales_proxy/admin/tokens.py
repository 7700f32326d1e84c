"""API tokens of managed people: a list in which they can be revoked."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from isales_proxy.accounts import tokens
from isales_proxy.admin.lookups import ReadOnly
from isales_proxy.models import ApiToken, User


@admin.register(ApiToken)
class TokenAdmin(ReadOnly):
    """Tokens, which are revoked by deletion. None can be added: the creator would see the text of
    another person's token."""

    list_display = (
        *("user", "name", "scope", "token_key"),
        *("created", "expiry", "last_used_at", "last_used_from"),
    )
    fields = list_display
    list_filter = ("scope",)
    list_select_related = ("user",)
    search_fields = ("user__username", "name", "token_key")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        """Return the tokens of the people whom the user manages."""
        found: QuerySet[ApiToken] = ApiToken.objects.managed_by(request.user)
        return found

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow it for all visible tokens."""
        return self.has_view_permission(request, obj)

    def delete_model(self, request: HttpRequest, obj: ApiToken) -> None:
        tokens.revoke(by=cast("User", request.user), token=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        """Revoke each token, so that each is audited."""
        for token in queryset:
            self.delete_model(request, token)
