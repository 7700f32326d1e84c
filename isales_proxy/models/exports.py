"""Exports too long for one request: jobs, each with a file for its user."""

from __future__ import annotations

from typing import Any, Final, Self

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from isales_proxy.core import encryption
from isales_proxy.models.vdns import Vdn

_PURPOSE: Final = "export-job"


class ExportState(models.TextChoices):
    QUEUED = "queued", _("Waiting")
    RUNNING = "running", _("Reading")
    DONE = "done", _("Ready")
    FAILED = "failed", _("Not exported")
    ABANDONED = "abandoned", _("Interrupted")
    CANCELLED = "cancelled", _("Cancelled")


OPEN_STATES: Final = (ExportState.QUEUED, ExportState.RUNNING)


class ExportJobQuerySet(models.QuerySet["ExportJob"]):
    def for_person(self, user: Any) -> Self:
        return self.filter(user=user).select_related("vdn")


class ExportJob(models.Model):
    """One export of one person.

    `question` is encrypted, since it may contain a called number; after the run it also describes
    the file. `masked` and `all_agents` tell what the file contains: it can be downloaded only as
    long as the person may see that. `attempt` counts the runs; reports of an earlier run are
    ignored.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="export_jobs"
    )
    vdn = models.ForeignKey(Vdn, on_delete=models.CASCADE, related_name="+")
    source = models.CharField(max_length=40)
    kind = models.CharField(max_length=8)
    question = models.TextField()
    fingerprint = models.CharField(max_length=64)
    language = models.CharField(max_length=16)
    zone = models.CharField(max_length=64)
    masked = models.BooleanField()
    all_agents = models.BooleanField()
    state = models.CharField(
        max_length=12, choices=ExportState.choices, default=ExportState.QUEUED, db_index=True
    )
    attempt = models.PositiveIntegerField(default=0)
    rows = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    file_name = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=400, blank=True)
    asked_at = models.DateTimeField()
    reported_at = models.DateTimeField()
    ends_at = models.DateTimeField(db_index=True)

    objects = ExportJobQuerySet.as_manager()

    def __str__(self) -> str:
        return f"export {self.pk}"

    def set_question(self, text: str) -> None:
        self.question = encryption.encrypt(text, purpose=_PURPOSE)

    def get_question(self) -> str:
        """Return the question. Raises DecryptionFailed under another `SECRET_KEY`."""
        return encryption.decrypt(self.question, purpose=_PURPOSE)
