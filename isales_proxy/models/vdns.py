"""VDNs, and the keys that a VDN may have of its own."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Final, Self
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from isales_proxy.core import encryption
from isales_proxy.core.settings import MAX_LATE_GRACE_S


def validate_time_zone(name: str) -> None:
    """Raise ValidationError for a name that is not an IANA time zone."""
    if name not in available_timezones():
        raise ValidationError(_("%(name)s is no IANA time zone."), params={"name": name})


class VdnQuerySet(models.QuerySet["Vdn"]):
    def enabled(self) -> Self:
        return self.filter(enabled=True)

    def managed_by(self, person: AbstractBaseUser | AnonymousUser) -> Self:
        """Select the VDNs whose people and access this person manages."""
        if getattr(person, "is_superuser", False):
            return self.all()
        return self.filter(accesses__user=person.pk, accesses__role="admin")


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
    # The vendor's subCCNo: which call centre of the operator the VDN belongs to.
    cc_id = models.PositiveIntegerField(
        _("call centre ID"),
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(65_535)],
        help_text=_("subCCNo in CC-iSales."),
    )
    late_grace_seconds = models.PositiveIntegerField(
        _("overdue after (seconds)"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(MAX_LATE_GRACE_S)],
        help_text=_(
            "How long after its due time an uncalled reservation becomes overdue. Leave empty "
            "to use LATE_GRACE_SECONDS of the environment."
        ),
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    # Incremented by every change of the code table, so that processes notice an outdated copy.
    codes_version = models.PositiveIntegerField(default=0, editable=False)
    codes_read_at = models.DateTimeField(null=True, editable=False)
    # Fingerprint of a vendor table that was rolled back: scheduled refreshes do not apply it.
    codes_held = models.CharField(max_length=64, blank=True, editable=False)
    # Incremented by every change of a note; 0: there never was one.
    notes_version = models.PositiveIntegerField(default=0, editable=False)
    # Incremented by every change of the VDN's own keys; 0: it never had any.
    keys_version = models.PositiveIntegerField(default=0, editable=False)

    objects = VdnQuerySet.as_manager()

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

    @property
    def late_grace(self) -> timedelta:
        """Time after its due time at which an uncalled reservation becomes late."""
        own = self.late_grace_seconds
        return timedelta(seconds=settings.LATE_GRACE_SECONDS if own is None else own)


class VdnCredentials(models.Model):
    """Keys of one VDN, each encrypted. For an empty one the key of the environment is used.

    `isales_proxy.vendor.vdn_keys` changes them.
    """

    NAMES: ClassVar[tuple[str, ...]] = (
        "access_key",
        "secret_key",
        "app_key",
        "app_secret",
        "token",
    )
    PURPOSE: Final = "vdn-credentials"

    vdn = models.OneToOneField(
        Vdn, on_delete=models.CASCADE, primary_key=True, related_name="credentials"
    )
    access_key = models.TextField(_("access key"), blank=True, editable=False)
    secret_key = models.TextField(_("secret key"), blank=True, editable=False)
    app_key = models.TextField(_("app key"), blank=True, editable=False)
    app_secret = models.TextField(_("app secret"), blank=True, editable=False)
    token = models.TextField(_("token"), blank=True, editable=False)
    changed_at = models.DateTimeField(_("changed at"), auto_now=True)
    changed_by = models.CharField(_("changed by"), max_length=150, blank=True, editable=False)

    class Meta:
        verbose_name = _("own credentials")
        verbose_name_plural = _("own credentials")

    def __str__(self) -> str:
        return f"VDN {self.vdn_id}"

    @property
    def names(self) -> tuple[str, ...]:
        """The keys that this VDN has of its own."""
        return tuple(name for name in self.NAMES if getattr(self, name))

    def set_key(self, name: str, value: str) -> None:
        """Encrypt and set one key; "" removes it."""
        setattr(self, name, encryption.encrypt(value, purpose=self.PURPOSE) if value else "")

    def get_key(self, name: str) -> str:
        """Return one key, decrypted; "" if it is not set. Raises DecryptionFailed."""
        kept = getattr(self, name)
        return encryption.decrypt(kept, purpose=self.PURPOSE) if kept else ""


class BearerToken(models.Model):
    """The token of one set of OBS credentials, encrypted and shared by all processes.

    `key` is a fingerprint of the credentials. The process `turn_of` has the lock for renewing the
    token until `turn_until` (UTC).
    """

    key = models.CharField(primary_key=True, max_length=64)
    sealed = models.TextField(blank=True)
    turn_of = models.CharField(max_length=32, blank=True)
    turn_until = models.DateTimeField(null=True)
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"token {self.key[:8]}"


class VendorUse(models.Model):
    """Vendors with which this database has been used, and since when (UTC): one row.

    See `isales_proxy.vendor.vendor_use`.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    simulated_since = models.DateTimeField(null=True)
    real_since = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return "real" if self.real_since else "simulated"
