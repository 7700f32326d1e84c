"""Names of outbound tasks, and call data received from the vendor."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from isales_proxy.client.ie_data import IeData, parse_ie_data
from isales_proxy.models.querysets import ListQuerySet
from isales_proxy.models.vdns import Vdn


class TaskName(models.Model):
    """Name of an outbound task, learnt from reservations because the task list has none."""

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
    ASKED = "asked", _("Under way")
    TAKEN = "taken", _("Received")
    UNREADABLE = "unreadable", _("Received, unreadable")
    REFUSED = "refused", _("Refused")
    UNKNOWN = "unknown", _("No answer")
    LOST = "lost", _("Answered, not stored")


class CallDataBatchQuerySet(ListQuerySet["CallDataBatch"]):
    def for_vdn(self, vdn: Vdn | int) -> Self:
        return self.filter(vdn=vdn)

    def without_answer(self) -> Self:
        """Do not load `raw`, which may have megabytes."""
        return self.defer("raw")

    def lost(self, now: datetime, longest: timedelta) -> Self:
        """Select batches without an answer that were requested longer ago than a call can take, or
        in the future, since the clock was set back."""
        overdue = Q(asked_at__lt=now - longest) | Q(asked_at__gt=now + longest)
        return self.filter(overdue, state=BatchState.ASKED, answered_at=None)

    def unparsed(self, now: datetime, grace: timedelta) -> Self:
        """Select batches whose answer was stored more than `grace` ago and not parsed."""
        due = Q(answered_at__lt=now - grace) | Q(answered_at__gt=now + grace)
        return self.filter(due, state=BatchState.ASKED)


class CallDataBatch(models.Model):
    """One request for call data, stored before the vendor is called.

    `raw` is the vendor's answer byte for byte, stored before it is parsed; `answer_bytes` is the
    size of an answer that could not be stored. `key` is the key of the form: a form submitted twice
    is one request.
    """

    vdn = models.ForeignKey(Vdn, on_delete=models.PROTECT, related_name="call_data_batches")
    service_id = models.CharField(_("task"), max_length=64, db_index=True)
    batch_count = models.PositiveIntegerField(_("rows requested"))
    key = models.CharField(max_length=64, unique=True)
    state = models.CharField(
        _("state"), max_length=16, choices=BatchState.choices, default=BatchState.ASKED
    )
    asked_at = models.DateTimeField(_("requested at"), db_index=True)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    asked_by_name = models.CharField(_("requested by"), max_length=150)
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
    purged_at = models.DateTimeField(_("rows deleted at"), null=True)

    objects = CallDataBatchQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ("-id",)
        verbose_name = _("call data batch")
        verbose_name_plural = _("call data batches")
        indexes: ClassVar = [models.Index(fields=["vdn", "service_id", "-id"])]

    def __str__(self) -> str:
        return f"{self.vdn_id}:{self.service_id} #{self.pk}"


class CallDatumQuerySet(ListQuerySet["CallDatum"]):
    def for_vdn(self, vdn: Vdn | int) -> Self:
        return self.filter(batch__vdn=vdn)

    def with_batch(self) -> Self:
        """Load the batches, without the raw answers, and order by them, the newest first."""
        found = self.select_related("batch").defer("batch__raw")
        return found.order_by("-batch_id", "position")

    def matching(
        self,
        texts: Iterable[str],
        *,
        fields: Iterable[str],
        digits: str = "",
        numbers: Iterable[str] = (),
    ) -> Self:
        """Select rows with one of the texts in one of the fields, with the digits within a number,
        or with exactly one of the numbers."""
        wanted = Q()
        for name, text in itertools.product(fields, texts):
            wanted |= Q(**{f"{name}__icontains": text})
        if digits:
            wanted |= Q(phone_numbers__contains=digits) | Q(caller_number__contains=digits)
        for number in numbers:
            wanted |= Q(caller_number=number) | Q(phone_numbers=number)
            wanted |= Q(phone_numbers__startswith=f"{number}\n")
            wanted |= Q(phone_numbers__endswith=f"\n{number}")
            wanted |= Q(phone_numbers__contains=f"\n{number}\n")
        return self.filter(wanted)


class CallDatum(models.Model):
    """One row of call data. Any field may be empty; `raw` is the row as received."""

    batch = models.ForeignKey(CallDataBatch, on_delete=models.CASCADE, related_name="rows")
    position = models.PositiveIntegerField()
    service_id = models.CharField(_("task"), max_length=64, blank=True)
    unique_id = models.CharField(_("unique ID"), max_length=128, blank=True, db_index=True)
    # One number per line, in the vendor's order.
    phone_numbers = models.TextField(_("called numbers"), blank=True)
    caller_number = models.CharField(_("calling number"), max_length=64, blank=True)
    call_data = models.TextField(_("call data"), blank=True)
    ie_data = models.TextField(_("IE data"), blank=True)
    raw = models.JSONField()

    objects = CallDatumQuerySet.as_manager()

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
        return parse_ie_data(self.ie_data)
