"""Forms that people have open: what they typed, and what became of the form once it was sent."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Final, Self

from django.conf import settings
from django.db import models
from django.http import QueryDict

from isales_proxy.core import encryption
from isales_proxy.models.people import User

_PURPOSE: Final = "form-draft"


class FormDraftQuerySet(models.QuerySet["FormDraft"]):
    """Drafts by their person, state and time."""

    def for_person(self, person: User) -> Self:
        """Select the drafts of one person, the newest first."""
        return self.filter(user=person).order_by("-saved_at")

    def pending(self) -> Self:
        """Select the drafts of forms that have not been carried out."""
        return self.filter(done_at=None)

    def saved(self, *, since: datetime) -> Self:
        """Select the drafts saved after that time."""
        return self.filter(saved_at__gt=since)

    def ended(self, before: datetime) -> Self:
        """Select the drafts saved at that time or earlier."""
        return self.filter(saved_at__lte=before)

    def with_unread_secret(self, before: datetime) -> Self:
        """Select the forms carried out until that time whose secret was not shown."""
        return self.filter(done_at__lte=before).exclude(body="")


class FormDraft(models.Model):
    """One opened form of one person. `body` and `outcome` are sealed.

    `address` is the local address of the page on which the form stands, without `?form=`. A form
    whose `done_at` is set has been carried out and is not carried out again; `outcome` then is the
    address of what came of it.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="form_drafts"
    )
    key = models.CharField(max_length=64)
    address = models.CharField(max_length=600, blank=True)
    body = models.TextField(blank=True)
    # Whether the form was sent, so that its page judges it.
    judged = models.BooleanField(default=False)
    # Why it could not be carried out, with the status that the page answers.
    notice = models.CharField(max_length=400, blank=True)
    status = models.PositiveSmallIntegerField(default=200)
    # Sent when the session had ended.
    undone = models.BooleanField(default=False)
    saved_at = models.DateTimeField(db_index=True)
    outcome = models.TextField(blank=True)
    done_at = models.DateTimeField(null=True)

    objects = FormDraftQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "key"], name="one_draft_per_person_and_form")
        ]
        indexes: ClassVar = [models.Index(fields=["user", "address", "-saved_at"])]

    def __str__(self) -> str:
        return f"form {self.pk}"

    @property
    def done(self) -> bool:
        """Tell whether the form has been carried out."""
        return self.done_at is not None

    @property
    def fields(self) -> QueryDict:
        """The fields that were typed; none of a form that has been carried out."""
        return QueryDict("" if self.done else self.body_text)

    @property
    def body_text(self) -> str:
        """`body` in clear: fields as in a query, or the secret that the form made."""
        return _open(self.body)

    @property
    def outcome_address(self) -> str:
        """`outcome` in clear; "" while the form has not been carried out."""
        return _open(self.outcome)

    @staticmethod
    def seal(text: str) -> str:
        """Seal a text for `body` or `outcome`."""
        return encryption.encrypt(text, purpose=_PURPOSE) if text else ""


def _open(sealed: str) -> str:
    try:
        return encryption.decrypt(sealed, purpose=_PURPOSE) if sealed else ""
    except encryption.DecryptionFailed:
        # Of another key: what was typed is lost, and the form is empty again.
        return ""
