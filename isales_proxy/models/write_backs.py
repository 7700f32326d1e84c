"""The outbox of write-backs, and the journal of attempts to deliver them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import ClassVar, Final, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q, Subquery
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from isales_proxy.models.querysets import ListQuerySet
from isales_proxy.models.vdns import Vdn

# Largest difference between the clocks of two machines.
_CLOCK_TOLERANCE: Final = timedelta(seconds=60)


class WriteBackState(models.TextChoices):
    """State of a write-back. All but the first are final."""

    WAITING = "waiting", pgettext_lazy("write-back", "Waiting")
    DELIVERED = "delivered", _("Delivered")
    REFUSED = "refused", _("Refused")
    GIVEN_UP = "given-up", _("Given up")
    CANCELLED = "cancelled", _("Cancelled")


class WriteBackQuerySet(ListQuerySet["WriteBack"]):
    def for_vdn(self, vdn: Vdn | int) -> Self:
        """Select the write-backs of one VDN, the newest first."""
        return self.filter(vdn=vdn).order_by("-pk")

    def matching(
        self,
        *,
        tasks: Iterable[str] = (),
        text: str = "",
        digits: str = "",
        numbers: Iterable[str] = (),
    ) -> Self:
        """Select write-backs by task, and by a text in the unique ID, digits within the called
        number, or exactly one of the numbers. Empty arguments match everything."""
        found = self
        if tasks:
            found = found.filter(service_id__in=tasks)
        if text:
            wanted = Q(unique_id__icontains=text) | Q(phone_number__in=numbers)
            if digits:
                wanted |= Q(phone_number__contains=digits)
            found = found.filter(wanted)
        return found

    def in_state(self, state: str) -> Self:
        """Select the write-backs in a state; all for ""."""
        return self.filter(state=state) if state else self

    def waiting(self) -> Self:
        return self.filter(state=WriteBackState.WAITING)

    def heads(self) -> Self:
        """Select the first waiting write-back of each unique ID, in enabled VDNs."""
        enabled = Vdn.objects.filter(enabled=True)
        return self.waiting().filter(~_earlier_waiting(), vdn__in=enabled)

    def due(self, now: datetime, expired: Mapping[int, int]) -> Self:
        """Select the heads that may be tried now: unleased ones whose time has come, and those
        whose lease has expired (`expired`: write-back → attempt number).

        Also due, whatever the clock says, are write-backs that were not tried since they were
        queued, and those whose last attempt lies in the future, since the clock was set back.
        """
        ahead = WriteBackAttempt.objects.filter(
            write_back=OuterRef("pk"),
            number=OuterRef("attempts"),
            finished_at__gt=now + _CLOCK_TOLERANCE,
        )
        timely = Q(next_at__lte=now) | Q(next_at=F("queued_at")) | Exists(ahead)
        due = Q(Q(claimed_by="") & timely)
        for pk, attempt in expired.items():
            # With the attempt number, since another worker may have taken over meanwhile.
            due |= Q(pk=pk, attempts=attempt)
        return self.heads().filter(due)

    def postponed(self, now: datetime, outcomes: Iterable[str], since: datetime | None) -> Self:
        """Select waiting write-backs without a lease whose last attempt had one of the outcomes and
        whose next one is in the future; without those that were tried before `since`."""
        journal = WriteBackAttempt.objects.filter(write_back=OuterRef("pk"))
        found = (
            self.waiting()
            .filter(claimed_by="", next_at__gt=now)
            .annotate(last=Subquery(journal.order_by("-number").values("outcome")[:1]))
            .filter(last__in=outcomes)
        )
        return found.exclude(Exists(journal.filter(started_at__lt=since))) if since else found

    def with_last_attempt(self) -> Self:
        """Annotate `last_outcome`, `last_status`, `last_maybe_sent`, and `comes_later`: an earlier
        write-back of the same unique ID is still waiting."""
        last = WriteBackAttempt.objects.filter(write_back=OuterRef("pk")).order_by("-number")
        return self.select_related("vdn").annotate(
            last_outcome=Subquery(last.values("outcome")[:1]),
            last_status=Subquery(last.values("http_status")[:1]),
            last_maybe_sent=Subquery(last.values("maybe_sent")[:1]),
            comes_later=_earlier_waiting(),
        )


class WriteBack(models.Model):
    """One intermediate result on its way to the vendor.

    `body` is the request as it will be sent. `claimed_by` is the worker that has the lease, until
    `claimed_until` (UTC) by its own clock. `key` is the key of the form: a form submitted twice is
    one write-back; `request_digest` is a keyed digest of the form's values.
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
    created_at = models.DateTimeField(_("created at"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_by_name = models.CharField(_("created by"), max_length=150)
    # Start of the attempts: creation, or the last retry by a person.
    queued_at = models.DateTimeField()
    next_at = models.DateTimeField(_("next attempt"), db_index=True)
    finished_at = models.DateTimeField(_("finished at"), null=True)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    claimed_by = models.CharField(max_length=64, blank=True)
    claimed_until = models.DateTimeField(null=True)
    vendor_code = models.CharField(max_length=40, blank=True)
    problem = models.CharField(max_length=400, blank=True)

    # Set by `with_last_attempt` alone; None without an attempt.
    last_outcome: str | None
    last_status: int | None
    last_maybe_sent: bool | None
    comes_later: bool

    objects = WriteBackQuerySet.as_manager()

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

    def is_sending(self, now: datetime) -> bool:
        until = self.claimed_until
        return self.state == WriteBackState.WAITING and until is not None and until > now


class WriteBackAttempt(models.Model):
    """One attempt to deliver, stored before it is made.

    `outcome` is "" while it is in progress, and "lost" if its worker stopped before an answer
    arrived: the vendor may then receive the result twice.
    """

    LOST: ClassVar[str] = "lost"

    write_back = models.ForeignKey(WriteBack, on_delete=models.CASCADE, related_name="journal")
    number = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    worker = models.CharField(max_length=64)
    outcome = models.CharField(max_length=32, blank=True)
    # The vendor may have processed it, whatever the outcome.
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


def _earlier_waiting() -> Exists:
    """Build the condition that an earlier one of the same unique ID is still waiting."""
    return Exists(
        WriteBack.objects.filter(
            vdn=OuterRef("vdn"),
            unique_id=OuterRef("unique_id"),
            state=WriteBackState.WAITING,
            pk__lt=OuterRef("pk"),
        )
    )
