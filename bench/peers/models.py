"""The peers' tables: reservations as the vendor sends them, and the names of result codes."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil


class CallType(models.TextChoices):
    """How a reserved call is made."""

    MANUAL = "1", "Manual"
    AUTOMATIC = "2", "Automatic"


class TaskStatus(models.TextChoices):
    """Status of the outbound task."""

    WAITING = "1", "Not started"
    RUNNING = "2", "Running"
    PAUSED = "3", "Paused"
    ENDED = "4", "Ended"


class CallFlag(models.TextChoices):
    """Status of the call."""

    WAITING = "0", "Waiting"
    DIALLING = "1", "Dialling"
    CALLED = "2", "Called"


class ResultCode(models.Model):
    """A result code and its name."""

    code = models.CharField(max_length=20, primary_key=True)
    description = models.CharField(max_length=300)

    objects: ClassVar[models.Manager[ResultCode]] = models.Manager()

    class Meta:
        app_label = "peers"

    def __str__(self) -> str:
        return self.code


class Reservation(models.Model):
    """One reserved call."""

    appoint_id = models.CharField(max_length=40, unique=True)
    appoint_time = models.DateTimeField(null=True, db_index=True)
    called_no = models.CharField(max_length=40)
    user_account = models.CharField(max_length=40, blank=True)
    user_name = models.CharField(max_length=200, blank=True)
    task_id = models.CharField(max_length=40, blank=True)
    task_name = models.CharField(max_length=200, blank=True)
    call_type = models.CharField(max_length=4, choices=CallType.choices, blank=True)
    task_status = models.CharField(max_length=4, choices=TaskStatus.choices, blank=True)
    call_flag = models.CharField(max_length=4, choices=CallFlag.choices, blank=True)
    timeout = models.BooleanField(default=False)
    begin_time = models.DateTimeField(null=True)
    end_time = models.DateTimeField(null=True)
    create_time = models.DateTimeField(null=True)
    caller_no = models.CharField(max_length=40, blank=True)
    fail_code = models.CharField(max_length=20, blank=True)
    result = models.CharField(max_length=20, blank=True)
    busi_result = models.CharField(max_length=200, blank=True)

    objects: ClassVar[models.Manager[Reservation]] = models.Manager()

    class Meta:
        app_label = "peers"
        ordering = ("appoint_time",)

    def __str__(self) -> str:
        return self.appoint_id

    def format_due(self) -> SafeString:
        """Format the due time over the distance to it."""
        time = self.appoint_time
        if time is None:
            return format_html("{}", "-")
        ahead = time > timezone.now()
        distance = f"in {timeuntil(time)}" if ahead else f"{timesince(time)} ago"
        return format_html("{}<br><small>{}</small>", date_format(time, "j M H:i"), distance)

    def format_agent(self) -> SafeString:
        """Format the agent's name over the account."""
        return format_html("{}<br><small>{}</small>", self.user_name, self.user_account)

    def format_task(self) -> SafeString:
        """Format the task's name over its ID."""
        return format_html("{}<br><small>{}</small>", self.task_name, self.task_id)

    def format_result(self) -> SafeString:
        """Format the result code over the cause."""
        return format_html("{}<br><small>{}</small>", self.fail_code, self.result)
