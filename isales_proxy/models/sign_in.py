"""Attempts to sign in, counted in the database since a cache may lose them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class SignInAttempt(models.Model):
    """One attempt. `key` is the keyed fingerprint of the account or address that it counts for."""

    key = models.CharField(max_length=64)
    at = models.DateTimeField(db_index=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["key", "at"], name="sign_in_attempts_by_key")]

    def __str__(self) -> str:
        return f"{self.key[:8]} {self.at}"
