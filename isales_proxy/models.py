"""What we keep: people and their access, VDNs, and the OBS result codes of each VDN."""

from __future__ import annotations

import re
import unicodedata
from typing import ClassVar
from zoneinfo import ZoneInfo, available_timezones

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from isales_proxy.client.queries import MAX_TEXT


def validate_time_zone(name: str) -> None:
    """Refuse what is no IANA time zone."""
    if name not in available_timezones():
        raise ValidationError(_("%(name)s is no IANA time zone."), params={"name": name})


def validate_agent_account(account: str) -> None:
    """Refuse what nobody could filter by: the filter parts accounts at blanks and commas."""
    parted = re.search(r"[\s,;，；]", account.strip())
    if parted or any(unicodedata.category(character) in {"Cc", "Cs"} for character in account):
        raise ValidationError(_("An agent account holds no blanks, commas or control characters."))


class User(AbstractUser):
    """A person who may log in. What they may see is said by their `Access` rows.

    An empty time zone stands for that of the VDN looked at.
    """

    time_zone = models.CharField(
        _("time zone"), max_length=64, blank=True, validators=[validate_time_zone]
    )
    # Made by `demo`, which may set the passwords of its own people and of nobody else.
    is_demo = models.BooleanField(default=False, editable=False)


class Vdn(models.Model):
    """One virtual call centre (VDN, also VCC). The primary key is the vendor's own number."""

    id = models.PositiveIntegerField(
        primary_key=True,
        verbose_name=_("VDN"),
        validators=[MinValueValidator(1), MaxValueValidator(9999)],
    )
    name = models.CharField(_("name"), max_length=80)
    time_zone = models.CharField(
        _("time zone"), max_length=64, default="UTC", validators=[validate_time_zone]
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    # Raised by every change of the code table, so that a process knows when its copy is old.
    codes_version = models.PositiveIntegerField(default=0, editable=False)
    codes_read_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ("id",)
        verbose_name = _("VDN")
        verbose_name_plural = _("VDNs")

    def __str__(self) -> str:
        return f"VDN {self.id} · {self.name}"

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which this VDN's day begins and ends."""
        return ZoneInfo(self.time_zone)


class Role(models.TextChoices):
    """What a person is in one VDN."""

    AGENT = "agent", _("Agent")
    SUPERVISOR = "supervisor", _("Supervisor")
    AUDITOR = "auditor", _("Auditor")
    ADMIN = "admin", _("Admin")


class Access(models.Model):
    """One person's role in one VDN. Who has no row does not learn that the VDN exists."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="accesses")
    vdn = models.ForeignKey(Vdn, on_delete=models.CASCADE, related_name="accesses")
    role = models.CharField(_("role"), max_length=16, choices=Role.choices)
    agent_account = models.CharField(
        _("agent account"),
        max_length=MAX_TEXT,
        blank=True,
        validators=[validate_agent_account],
        help_text=_("The business account or agent ID that the reservations carry."),
    )

    class Meta:
        verbose_name = _("access")
        verbose_name_plural = _("access rights")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "vdn"], name="one_access_per_person_and_vdn"),
            models.CheckConstraint(
                condition=~models.Q(role=Role.AGENT) | ~models.Q(agent_account=""),
                name="agents_have_an_agent_account",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.vdn_id} · {self.role}"

    def clean(self) -> None:
        """Say at the field what the database would refuse as a whole."""
        if self.role == Role.AGENT and not self.agent_account:
            raise ValidationError({"agent_account": _("An agent needs an agent account.")})


class ResultCode(models.Model):
    """One OBS result code of one VDN, in the vendor's words.

    A code that the vendor no longer lists stays, marked by `gone_at`, for the old rows that bear
    it.
    """

    vdn = models.ForeignKey(Vdn, on_delete=models.CASCADE, related_name="result_codes")
    code = models.CharField(_("code"), max_length=32)
    text_zh = models.TextField(_("description (Chinese)"), blank=True)
    text_en = models.TextField(_("description (English)"), blank=True)
    category = models.CharField(_("category"), max_length=80, blank=True)
    first_seen = models.DateTimeField(_("first seen"))
    last_seen = models.DateTimeField(_("last seen"))
    gone_at = models.DateTimeField(_("gone since"), null=True, blank=True)

    class Meta:
        ordering = ("code",)
        verbose_name = _("OBS result code")
        verbose_name_plural = _("OBS result codes")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["vdn", "code"], name="one_row_per_vdn_and_code")
        ]

    def __str__(self) -> str:
        return f"{self.vdn_id}:{self.code}"
