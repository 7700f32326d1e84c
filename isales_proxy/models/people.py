"""People and their access to VDNs."""

from __future__ import annotations

import re
import unicodedata
from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from isales_proxy.client.queries import MAX_TEXT
from isales_proxy.models.vdns import Vdn, validate_time_zone


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
    # Set by somebody else: to be changed before anything else is done.
    password_is_temporary = models.BooleanField(default=False, editable=False)


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
    # Granted by single sign-on, which takes it away again; people's own grants it leaves alone.
    from_claims = models.BooleanField(default=False, editable=False)

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
