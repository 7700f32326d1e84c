"""API tokens: stored as hashes, each with a scope and an expiry."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self

from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from knox.models import AbstractAuthToken, AuthTokenManager

from isales_proxy.models.people import User


class TokenScope(models.TextChoices):
    """The scope of a token within its person's permissions. Each includes those before it."""

    READ = "read", pgettext_lazy("token", "Read")
    WRITE = "write", pgettext_lazy("token", "Read and write")
    ADMIN = "admin", pgettext_lazy("token", "Everything")


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def for_person(self, person: User) -> Self:
        return self.filter(user=person)

    def managed_by(self, person: User | AnonymousUser) -> Self:
        """Select the tokens of the people whom this person manages."""
        return self.filter(user__in=User.objects.managed_by(person)).select_related("user")

    def valid(self, now: datetime) -> Self:
        """Select the tokens that have not expired at `now` (aware)."""
        return self.filter(expiry__gt=now)


# knox's `create` returns the token and its text.
_Manager = AuthTokenManager.from_queryset(ApiTokenQuerySet)


class ApiToken(AbstractAuthToken):
    """A token by which a program acts for a person."""

    name = models.CharField(_("name"), max_length=80)
    scope = models.CharField(
        _("scope"), max_length=8, choices=TokenScope.choices, default=TokenScope.READ
    )
    # Created in a session with a second factor. Where one is required, other tokens are refused,
    # so that a password alone is never enough.
    second_factor = models.BooleanField(default=False, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, editable=False)
    last_used_from = models.CharField(max_length=64, blank=True, editable=False)

    objects = _Manager()

    class Meta:
        ordering: ClassVar = ("-created",)
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")

    def __str__(self) -> str:
        return f"{self.name} ({self.token_key}…)"
