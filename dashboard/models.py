"""What the face remembers of its readers."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from isales_proxy.models import validate_time_zone


class Preferences(models.Model):
    """One reader's own choices. An empty time zone stands for that of the VDN looked at."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="preferences"
    )
    time_zone = models.CharField(max_length=64, blank=True, validators=[validate_time_zone])

    def __str__(self) -> str:
        return f"{self.user_id}: {self.time_zone or '-'}"
