"""Attempts to prove who one is, counted where they outlive the cache."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self

from django.db import models


class SignInAttemptQuerySet(models.QuerySet["SignInAttempt"]):
    """Attempts by what they count for and by their time."""

    def counted(self, key: str, *, since: datetime) -> Self:
        """Select the attempts of one account or address after that time."""
        return self.filter(key=key, at__gt=since)

    def ended(self, before: datetime) -> Self:
        """Select the attempts from before that time."""
        return self.filter(at__lt=before)


class SignInAttempt(models.Model):
    """One attempt. `key` is the keyed fingerprint of the account or address that it counts for."""

    key = models.CharField(max_length=64)
    at = models.DateTimeField(db_index=True)

    objects = SignInAttemptQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["key", "at"], name="sign_in_attempts_by_key")]

    def __str__(self) -> str:
        return f"{self.key[:8]} {self.at}"
