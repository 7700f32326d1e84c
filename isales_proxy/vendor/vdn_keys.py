"""A VDN's own keys: stored encrypted and never shown again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils.translation import gettext as _

from isales_proxy.audit import services as audit
from isales_proxy.core.settings import CLIENT_CHECKS
from isales_proxy.models import AuditAction, User, Vdn, VdnCredentials

# Keys that are used together.
PAIRS: Final = (("access_key", "secret_key"), ("app_key", "app_secret"))


def list_own_keys(vdn: Vdn) -> frozenset[str]:
    row = VdnCredentials.objects.filter(vdn=vdn).first()
    return frozenset(row.names if row else ())


def validate_key(name: str, value: str) -> None:
    """Raise ValidationError, without the value, for a key that the client cannot use."""
    try:
        if check := CLIENT_CHECKS.get(name):
            check(value)
        elif not value.isprintable():
            raise ValueError
    except ValueError:
        raise ValidationError(
            _("This cannot be a key: it has spaces or unusual characters.")
        ) from None


def change_keys(*, vdn: Vdn, by: User, put: Mapping[str, str], take: frozenset[str]) -> None:
    """Store the keys in `put`, encrypted, and remove those in `take`; audited.

    Raises ValidationError when half of a pair would be left.
    """
    with transaction.atomic():
        row, _created = VdnCredentials.objects.select_for_update().get_or_create(vdn=vdn)
        for name in take:
            row.set_key(name, "")
        for name, value in put.items():
            validate_key(name, value)
            row.set_key(name, value)
        for pair in PAIRS:
            if len({bool(getattr(row, name)) for name in pair}) == 2:
                raise ValidationError(
                    _("Enter both or neither: %(names)s."), params={"names": ", ".join(pair)}
                )
        row.changed_by = by.get_username()
        row.save()
        Vdn.objects.filter(pk=vdn.pk).update(keys_version=models.F("keys_version") + 1)
        audit.record(
            AuditAction.CREDENTIALS_CHANGED,
            by=by,
            vdn_id=vdn.pk,
            subject=f"VDN {vdn.pk}",
            put=sorted(put),
            taken=sorted(take),
        )
