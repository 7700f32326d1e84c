"""Second factors of people: of whom one is required, who has one, and the reset by an admin.

Setting up is allauth's."""

from __future__ import annotations

from typing import Any, Final

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from isales_proxy.access import get_scopes
from isales_proxy.accounts import sessions
from isales_proxy.accounts.locks import lock_people
from isales_proxy.audit import services as audit
from isales_proxy.models import AuditAction, Role, User

# Recovery codes stand in for one of these and are none themselves.
FACTORS: Final = (Authenticator.Type.TOTP.value, Authenticator.Type.WEBAUTHN.value)
WORDS: Final[dict[str, str | Promise]] = {
    Authenticator.Type.TOTP.value: _("authenticator app"),
    Authenticator.Type.WEBAUTHN.value: _("security key"),
    Authenticator.Type.RECOVERY_CODES.value: _("recovery codes"),
}


def has_second_factor(user: User, *, but: int | None = None) -> bool:
    """Tell whether the person has a second factor, beside the one with the number `but`."""
    found = Authenticator.objects.filter(user_id=user.pk, type__in=FACTORS)
    return bool(found.exclude(pk=but).exists())


def is_required_of(user: Any) -> bool:
    """Tell whether `SECOND_FACTOR_FOR` demands a second factor of any role that this person has.

    Whoever enters Django's admin counts as an admin.
    """
    wanted: frozenset[str] = settings.SIGN_IN.second_factor_for
    if not wanted or not user.is_authenticated:
        return False
    if user.is_staff and Role.ADMIN in wanted:
        return True
    return any(scope.role in wanted for scope in get_scopes(user))


def prefetch_kinds(people: QuerySet[User]) -> QuerySet[User]:
    """The same people, for `kinds_of` without another query."""
    factors = Authenticator.objects.filter(user_id=OuterRef("pk"))
    return people.annotate(**{f"has_{kind}": Exists(factors.filter(type=kind)) for kind in FACTORS})


def list_kinds(person: User) -> list[str]:
    """The kinds of second factor that a person out of `with_kinds` has."""
    return [kind for kind in FACTORS if getattr(person, f"has_{kind}", False)]


def reset_second_factors(*, person: User, by: User) -> int:
    """Take away all second factors and recovery codes and end the person's sessions and API tokens,
    also of somebody who has none: who presses this wants them out.

    Gives how many second factors there were; without any that part is not recorded.
    """
    with transaction.atomic():
        lock_people([person.pk])
        rows = Authenticator.objects.filter(user_id=person.pk)
        kinds = sorted(rows.values_list("type", flat=True))
        if kinds:
            rows.delete()
            record_change(person=person, by=by, change="reset", kinds=kinds)
        sessions.end_sessions_and_tokens(person=person, by=by, reason="second factor reset")
    return sum(kind in FACTORS for kind in kinds)


def record_change(*, person: User, by: User, change: str, kinds: list[str]) -> None:
    """Record what became of a person's second factors: `added`, `removed`, `renewed`, `reset`."""
    audit.record(
        AuditAction.SECOND_FACTOR_CHANGED,
        by=by,
        person=person,
        subject=person.get_username(),
        change=change,
        kinds=kinds,
    )
