"""Drafts of forms: what a person typed, and the outcome once the form was carried out."""

from __future__ import annotations

from typing import ClassVar, Final, Self

from django.conf import settings
from django.db import models
from django.http import QueryDict

from isales_proxy.core import encryption
from isales_proxy.models.people import User

_PURPOSE: Final = "form-draft"


class FormDraftQuerySet(models.QuerySet["FormDraft"]):
    def for_person(self, person: User) -> Self:
        """Select the drafts of one person, the newest first."""
        return self.filter(user=person).order_by("-saved_at")

    def pending(self) -> Self:
        """Select the drafts of forms that have not been carried out."""
        return self.filter(done_at=None)


class FormDraft(models.Model):
    """One form opened by one person. `body` and `outcome` are encrypted.

    `address` is the local address of the form's page, without `?form=`. A form with `done_at` has
    been carried out and is not carried out again; `outcome` is then the address of its result.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="form_drafts"
    )
    key = models.CharField(max_length=64)
    address = models.CharField(max_length=600, blank=True)
    body = models.TextField(blank=True)
    # The form was submitted, so its page shows what is wrong with it.
    judged = models.BooleanField(default=False)
    # Why it could not be carried out, and the HTTP status of the page that says so.
    notice = models.CharField(max_length=400, blank=True)
    status = models.PositiveSmallIntegerField(default=200)
    # Submitted after the session had ended.
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
        return self.done_at is not None

    @property
    def fields(self) -> QueryDict:
        """The typed fields; none if the form has been carried out."""
        return QueryDict("" if self.done else self.body_text)

    @property
    def body_text(self) -> str:
        """Decrypted `body`: the fields, URL-encoded, or the secret that the form created."""
        return _decrypt(self.body)

    @property
    def outcome_address(self) -> str:
        """Decrypted `outcome`; "" if the form has not been carried out."""
        return _decrypt(self.outcome)

    @staticmethod
    def encrypt(text: str) -> str:
        """Encrypt a text for `body` or `outcome`."""
        return encryption.encrypt(text, purpose=_PURPOSE) if text else ""


def _decrypt(encrypted: str) -> str:
    try:
        return encryption.decrypt(encrypted, purpose=_PURPOSE) if encrypted else ""
    except encryption.DecryptionFailed:
        # Encrypted under another SECRET_KEY: the form is shown empty.
        return ""
