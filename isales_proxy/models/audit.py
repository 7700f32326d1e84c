"""Audit events: action, person, time and address; written once, never changed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar, Self

from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Q
from django.db.models.functions import Cast
from django.utils.translation import gettext_lazy as _

from isales_proxy.core.input_cleaning import clean_text
from isales_proxy.models.people import Access, User
from isales_proxy.models.querysets import ListQuerySet


class AuditAction(models.TextChoices):
    CALL_DATA_ASKED = "call_data.asked", _("Call data requested")
    CALL_DATA_TAKEN = "call_data.taken", _("Call data received")
    CALL_DATA_REFUSED = "call_data.refused", _("Call data refused")
    CALL_DATA_UNKNOWN = "call_data.unknown", _("Call data: no answer")
    CALL_DATA_EXPORTED = "call_data.exported", _("Call data exported")
    CALL_DATA_PURGED = "call_data.purged", _("Call data deleted (retention)")
    WRITE_BACK_QUEUED = "write_back.queued", _("Write-back created")
    WRITE_BACK_RETRIED = "write_back.retried", _("Write-back retried")
    WRITE_BACKS_EXPORTED = "write_back.exported", _("Write-backs exported")
    TASKS_EXPORTED = "task.exported", _("Outbound tasks exported")
    WRITE_BACK_CANCELLED = "write_back.cancelled", _("Write-back cancelled")
    NUMBER_SEARCHED = "number.searched", _("Called number searched")
    SEARCHES_SPENT = "number.searches_spent", _("Number search limit reached")
    NUMBER_VIEWED = "number.viewed", _("Reservation opened")
    NUMBER_REVEALED = "number.revealed", _("Called number revealed")
    NUMBER_WITHHELD = "number.withheld", _("Number reveal refused")
    RESERVATIONS_EXPORTED = "reservations.exported", _("Reservations exported")
    RESERVATIONS_DOWNLOADED = "reservations.downloaded", _("Reservations file downloaded")
    CODES_REFRESHED = "codes.refreshed", _("Code table refreshed")
    CODES_ROLLED_BACK = "codes.rolled_back", _("Code table rolled back")
    CODE_NOTE_CHANGED = "codes.note", _("Result code text changed")
    CODES_EXPORTED = "codes.exported", _("Code table exported")
    LOGGED_IN = "session.begun", _("Logged in")
    LOG_IN_FAILED = "session.refused", _("Log-in failed")
    LOG_IN_LOCKED = "session.locked", _("Log-in locked out")
    LOGGED_OUT = "session.ended", _("Logged out")
    SESSION_REVOKED = "session.revoked", _("Session ended remotely")
    PASSWORD_CHANGED = "person.password", _("Password changed")
    SECOND_FACTOR_CHANGED = "person.second_factor", _("Second factor changed")
    PERSON_CHANGED = "person.changed", _("Person changed")
    ACCESS_CHANGED = "person.access", _("VDN access changed")
    PEOPLE_EXPORTED = "person.exported", _("People exported")
    GROUP_CHANGED = "person.group", _("Group changed")
    TOKEN_CREATED = "token.created", _("API token created")
    TOKENS_EXPORTED = "token.exported", _("API tokens exported")
    TOKEN_REVOKED = "token.revoked", _("API token revoked")
    AUDIT_READ = "audit.read", _("Audit searched")
    AUDIT_EXPORTED = "audit.exported", _("Audit exported")
    AUDIT_PURGED = "audit.purged", _("Audit events deleted (retention)")
    WRITE_BACK_PURGED = "write_back.purged", _("Write-backs deleted (retention)")
    VENDOR_EXAMINED = "vendor.examined", _("CC-iSales checked")
    CREDENTIALS_CHANGED = "vdn.credentials", _("VDN keys changed")
    VDN_CHANGED = "vdn.changed", _("VDN changed")
    MIRROR_SWITCHED = "mirror.switched", _("Mirror switched on or off")
    MIRROR_CONFIRMED = "mirror.confirmed", _("Missing reservations confirmed as gone")
    MIRROR_PURGED = "mirror.purged", _("Mirrored reservations deleted (retention)")
    NUMBER_FORGOTTEN = "number.forgotten", _("Called number forgotten")


class AuditEventQuerySet(ListQuerySet["AuditEvent"]):
    """Events, which can be added and read."""

    def visible_in(self, vdn_id: int) -> Self:
        """Select the events of this VDN, and of those without a VDN (log-ins, passwords) the ones
        about its people, and the ones about nobody by its people or by the system."""
        people = Access.objects.filter(vdn_id=vdn_id).values("user_id")
        nobody = Q(person_id=None) & (Q(actor_id=None) | Q(actor_id__in=people))
        return self.filter(Q(vdn_id=vdn_id) | (Q(vdn_id=None) & (Q(person_id__in=people) | nobody)))

    def matching(
        self,
        *,
        actions: Iterable[str] = (),
        text: str = "",
        numbers: Iterable[str] = (),
        address: str = "",
        begin: datetime | None = None,
        end: datetime | None = None,
    ) -> Self:
        """Select events by action, text, fingerprints of numbers, start of the address, and time.
        Empty arguments match everything."""
        conditions = {
            "action__in": actions,
            "number_key__in": numbers,
            "address__istartswith": address,
            "at__gte": begin,
            "at__lte": end,
        }
        found = self.filter(**{name: value for name, value in conditions.items() if value})
        if text:
            found = found.annotate(facts=Cast("detail", models.TextField())).filter(
                _contains_text(text)
            )
        return found

    def concerning(self, name: str, *, vdn_id: int) -> Self:
        """Select the events by or about people of this VDN with `name` in their user name."""
        named = User.objects.with_access_to(vdn_id).filter(username__icontains=name)
        return self.filter(Q(actor__icontains=name) | Q(person_id__in=named.values("pk")))

    def update(self, **_kwargs: Any) -> int:
        """Refuse. Raises PermissionDenied."""
        raise PermissionDenied("An audit event is never changed.")

    def delete(self) -> tuple[int, dict[str, int]]:
        """Refuse. Raises PermissionDenied."""
        raise PermissionDenied("An audit event is never deleted.")

    def bulk_create(self, *_args: Any, **_kwargs: Any) -> list[AuditEvent]:
        """Refuse: each follows on the one before. Raises PermissionDenied."""
        raise PermissionDenied("Audit events are written one by one.")


class AuditEvent(models.Model):
    """One audit event. It has no foreign keys, so that it outlives what it describes.

    `detail` holds facts, never a called number, a name of a customer, or a secret. `number_key`
    is the fingerprint of the called number that the event is about, by which its history is found;
    `person_id` is the user that the event is about, unless that is the actor. `hash` covers the
    event and the hash of the event before, `previous`.
    """

    at = models.DateTimeField(_("at"), db_index=True)
    action = models.CharField(_("action"), max_length=40, choices=AuditAction.choices)
    actor_id = models.BigIntegerField(null=True)
    actor = models.CharField(_("by"), max_length=150)
    address = models.CharField(_("from"), max_length=64, blank=True)
    vdn_id = models.PositiveIntegerField(_("VDN"), null=True, db_index=True)
    subject = models.CharField(_("subject"), max_length=120, blank=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    detail = models.JSONField(_("detail"), default=dict)
    number_key = models.CharField(max_length=64, blank=True, db_index=True)
    person_id = models.BigIntegerField(null=True)
    previous = models.CharField(max_length=64, blank=True, editable=False)
    hash = models.CharField(max_length=64, blank=True, editable=False)

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ("-id",)
        # Daily budgets count the events of a person.
        indexes: ClassVar = [models.Index(fields=["actor_id", "at"], name="audit_by_actor")]
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save a new row that is part of the chain. Raises PermissionDenied."""
        if not self._state.adding or not self.hash:
            raise PermissionDenied("An audit event is written once, by the audit.")
        super().save(*args, **kwargs)

    def delete(self, *_args: Any, **_kwargs: Any) -> tuple[int, dict[str, int]]:
        """Refuse. Raises PermissionDenied."""
        raise PermissionDenied("An audit event is never deleted.")


def _contains_text(text: str) -> Q:
    """Build the condition for a text as typed, or normalised to NFKC."""
    condition = Q()
    for variant in {text, clean_text(text)}:
        condition |= Q(subject__icontains=variant) | Q(reason__icontains=variant)
        # SQLite stores JSON in ASCII.
        for stored in {variant, json.dumps(variant)[1:-1]}:
            condition |= Q(facts__icontains=stored)
    return condition


class AuditHead(models.Model):
    """Start and end of the chain of events: one row, which is locked while an event is added.

    `first_previous` is the hash of the last event that retention deleted, to which the oldest
    remaining event refers. `seal` covers these three. `checked_at`, `checked_count` and `problem`
    are the result of the last verification; `problem` is "" for an intact chain.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    last = models.CharField(max_length=64, blank=True)
    last_id = models.BigIntegerField(default=0)
    first_previous = models.CharField(max_length=64, blank=True)
    seal = models.CharField(max_length=64, blank=True)
    checked_at = models.DateTimeField(null=True)
    checked_count = models.BigIntegerField(default=0)
    problem = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return f"audit to {self.last_id}"
