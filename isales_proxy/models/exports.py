"""Exports that are too long for one request: jobs, each with a file that its person fetches."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, Self

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from isales_proxy.core import encryption
from isales_proxy.models.vdns import Vdn

# A running job reports every second; the slowest call of the vendor takes less than this.
SILENCE: Final = timedelta(seconds=90)
_PURPOSE: Final = "export-job"


class ExportState(models.TextChoices):
    """Progress of an export."""

    QUEUED = "queued", _("Waiting")
    RUNNING = "running", _("Reading")
    DONE = "done", _("Ready")
    FAILED = "failed", _("Not exported")
    ABANDONED = "abandoned", _("Interrupted")
    CANCELLED = "cancelled", _("Cancelled")


OPEN_STATES: Final = (ExportState.QUEUED, ExportState.RUNNING)


class ExportJobQuerySet(models.QuerySet["ExportJob"]):
    """Queries of export jobs."""

    def of_person(self, user: Any) -> Self:
        """Select the jobs of one person."""
        return self.filter(user=user).select_related("vdn")

    def silent(self, now: datetime) -> Self:
        """Select running jobs whose worker has not reported for `SILENCE` at `now` (aware)."""
        return self.filter(state=ExportState.RUNNING, reported_at__lt=now - SILENCE)

    def over(self, now: datetime) -> Self:
        """Select the jobs whose day is over at `now` (aware)."""
        return self.filter(ends_at__lte=now)


class ExportJob(models.Model):
    """One export of one person.

    `question` is encrypted, since it may contain a called number; after the run it also has the
    facts about the file. `masked` and `all_agents` tell what the file contains, so that it is given
    only to who still may see that. `attempt` counts the runs: one that was replaced by a later one
    reports in vain.
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
        """Encrypt the question of the export."""
        self.question = encryption.encrypt(text, purpose=_PURPOSE)

    def get_question(self) -> str:
        """Return the question. Raises DecryptionFailed under another `SECRET_KEY`."""
        return encryption.decrypt(self.question, purpose=_PURPOSE)
