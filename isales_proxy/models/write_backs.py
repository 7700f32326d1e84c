"""The outbox of write-backs: what is to reach the vendor, and every attempt to get it there."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from isales_proxy.models.vdns import Vdn


class WriteBackState(models.TextChoices):
    """Where a write-back stands. All but the first are ends."""

    WAITING = "waiting", pgettext_lazy("write-back", "Waiting")
    DELIVERED = "delivered", _("Delivered")
    REFUSED = "refused", _("Refused")
    GIVEN_UP = "given-up", _("Given up")
    CANCELLED = "cancelled", _("Cancelled")


class WriteBack(models.Model):
    """One intermediate result on its way to the vendor.

    `body` is the request as it will be sent. While `claimed_until` (UTC) lies ahead, the worker of
    `claimed_by` is at it. `key` is that of the form, so that a form sent twice is one write-back;
    `request_digest` is a keyed digest of what that form said, before any number was looked up.
    """

    vdn = models.ForeignKey(Vdn, on_delete=models.PROTECT, related_name="write_backs")
    unique_id = models.CharField(_("unique ID"), max_length=128)
    service_id = models.CharField(_("task"), max_length=64)
    phone_number = models.CharField(_("called number"), max_length=64, blank=True)
    fail_code = models.CharField(_("result code"), max_length=32, blank=True)
    body = models.JSONField()
    key = models.CharField(max_length=64, unique=True)
    request_digest = models.CharField(max_length=64, blank=True)
    appoint_id = models.CharField(_("reservation"), max_length=128, blank=True)
    state = models.CharField(
        _("state"), max_length=16, choices=WriteBackState.choices, default=WriteBackState.WAITING
    )
    created_at = models.DateTimeField(_("written at"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_by_name = models.CharField(_("written by"), max_length=150)
    # Since when it is being tried: its making, or the last time that a person asked for it again.
    queued_at = models.DateTimeField()
    next_at = models.DateTimeField(_("next attempt"), db_index=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    claimed_by = models.CharField(max_length=64, blank=True)
    claimed_until = models.DateTimeField(null=True)
    vendor_code = models.CharField(max_length=40, blank=True)
    problem = models.CharField(max_length=400, blank=True)

    class Meta:
        ordering: ClassVar = ("-id",)
        verbose_name = _("write-back")
        verbose_name_plural = _("write-backs")
        indexes: ClassVar = [
            models.Index(fields=["state", "next_at"]),
            models.Index(fields=["vdn", "state", "-id"]),
            models.Index(fields=["vdn", "unique_id", "id"]),
            models.Index(fields=["vdn", "appoint_id", "-id"]),
        ]

    def __str__(self) -> str:
        return f"{self.vdn_id} #{self.pk}"


class WriteBackAttempt(models.Model):
    """One attempt to deliver, written before it is made.

    An empty `outcome` says that it is under way; "lost" that its worker ended before the answer
    was known, so that the same may have reached the vendor twice.
    """

    LOST: ClassVar[str] = "lost"

    write_back = models.ForeignKey(WriteBack, on_delete=models.CASCADE, related_name="journal")
    number = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    worker = models.CharField(max_length=64)
    outcome = models.CharField(max_length=32, blank=True)
    # Whether the vendor may have carried it out although nobody knows.
    maybe_sent = models.BooleanField(default=True)
    http_status = models.PositiveSmallIntegerField(null=True)
    vendor_code = models.CharField(max_length=40, blank=True)
    problem = models.CharField(max_length=400, blank=True)
    vendor_request = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering: ClassVar = ("number",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["write_back", "number"], name="one_attempt_per_number")
        ]

    def __str__(self) -> str:
        return f"{self.write_back_id}/{self.number}"
