"""Outbound tasks by name, and the call data that was taken from the vendor."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from isales_proxy.client.ie_data import IeData, parse_ie_data
from isales_proxy.models.vdns import Vdn


class TaskName(models.Model):
    """The name of an outbound task, learnt from reservations: the task list gives none."""

    vdn = models.ForeignKey(Vdn, on_delete=models.CASCADE, related_name="task_names")
    service_id = models.CharField(max_length=64)
    name = models.CharField(max_length=255)
    seen_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["vdn", "service_id"], name="one_name_per_vdn_and_task")
        ]

    def __str__(self) -> str:
        return f"{self.vdn_id}:{self.service_id}"


class BatchState(models.TextChoices):
    """How one reading of call data went."""

    ASKED = "asked", _("Under way")
    TAKEN = "taken", _("Taken")
    UNREADABLE = "unreadable", _("Taken, but unreadable")
    REFUSED = "refused", _("Not handed out")
    UNKNOWN = "unknown", _("Answer never came")
    LOST = "lost", _("Answer came, not stored")


class CallDataBatch(models.Model):
    """One reading of call data: written before the vendor is asked, so that none goes unseen.

    `raw` is the vendor's answer byte for byte, kept before anything else is done with it. Of one
    that could not be stored `answer_bytes` tells the size. `key` is that of the form, so that a
    form sent twice takes once.
    """

    vdn = models.ForeignKey(Vdn, on_delete=models.PROTECT, related_name="call_data_batches")
    service_id = models.CharField(_("task"), max_length=64, db_index=True)
    batch_count = models.PositiveIntegerField(_("rows asked for"))
    key = models.CharField(max_length=64, unique=True)
    state = models.CharField(
        _("state"), max_length=16, choices=BatchState.choices, default=BatchState.ASKED
    )
    asked_at = models.DateTimeField(_("asked at"), db_index=True)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_by_name = models.CharField(_("asked by"), max_length=150)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    answered_at = models.DateTimeField(_("answered at"), null=True)
    http_status = models.PositiveSmallIntegerField(null=True)
    raw = models.BinaryField(null=True)
    raw_complete = models.BooleanField(default=True)
    answer_bytes = models.PositiveIntegerField(_("size of the answer"), null=True)
    received = models.PositiveIntegerField(_("rows received"), default=0)
    vendor_code = models.CharField(max_length=40, blank=True)
    vendor_request = models.CharField(max_length=64, blank=True)
    problem = models.CharField(max_length=400, blank=True)
    purged_at = models.DateTimeField(_("deleted after its time"), null=True)

    class Meta:
        ordering: ClassVar = ("-id",)
        verbose_name = _("call data batch")
        verbose_name_plural = _("call data batches")
        indexes: ClassVar = [models.Index(fields=["vdn", "service_id", "-id"])]

    def __str__(self) -> str:
        return f"{self.vdn_id}:{self.service_id} #{self.pk}"


class CallDatum(models.Model):
    """One row of call data as it was handed out. Every field may be empty; `raw` holds it whole."""

    batch = models.ForeignKey(CallDataBatch, on_delete=models.CASCADE, related_name="rows")
    position = models.PositiveIntegerField()
    service_id = models.CharField(_("task"), max_length=64, blank=True)
    unique_id = models.CharField(_("unique ID"), max_length=128, blank=True, db_index=True)
    # One number a line, in the vendor's order.
    phone_numbers = models.TextField(_("called numbers"), blank=True)
    caller_number = models.CharField(_("calling number"), max_length=64, blank=True)
    call_data = models.TextField(_("call data"), blank=True)
    ie_data = models.TextField(_("IE data"), blank=True)
    raw = models.JSONField()

    class Meta:
        ordering: ClassVar = ("batch_id", "position")
        verbose_name = _("call datum")
        verbose_name_plural = _("call data")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["batch", "position"], name="one_datum_per_place")
        ]

    def __str__(self) -> str:
        return f"{self.batch_id}/{self.position}"

    @property
    def numbers(self) -> list[str]:
        """The called numbers in the vendor's order."""
        return self.phone_numbers.split("\n") if self.phone_numbers else []

    @property
    def ie(self) -> IeData:
        """The parts of `ie_data`."""
        return parse_ie_data(self.ie_data)
