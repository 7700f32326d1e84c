"""Second factors of people: requirement, presence, and reset by an admin. Set-up is allauth's."""

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
from isales_proxy.audit import services as audit
from isales_proxy.models import AuditAction, Role, User

# Recovery codes replace one of these, but are no second factor.
FACTORS: Final = (Authenticator.Type.TOTP.value, Authenticator.Type.WEBAUTHN.value)
LABELS: Final[dict[str, str | Promise]] = {
    Authenticator.Type.TOTP.value: _("authenticator app"),
    Authenticator.Type.WEBAUTHN.value: _("security key"),
    Authenticator.Type.RECOVERY_CODES.value: _("recovery codes"),
}


def has_second_factor(user: User, *, except_pk: int | None = None) -> bool:
    """Return True if the person has a second factor other than `except_pk`."""
    found = Authenticator.objects.filter(user_id=user.pk, type__in=FACTORS)
    return bool(found.exclude(pk=except_pk).exists())


def is_required_of(user: Any) -> bool:
    """Return True if `SECOND_FACTOR_FOR` names a role of this person; staff counts as admin."""
    wanted: frozenset[str] = settings.SIGN_IN.second_factor_for
    if not wanted or not user.is_authenticated:
        return False
    if user.is_staff and Role.ADMIN in wanted:
        return True
    return any(scope.role in wanted for scope in get_scopes(user))


def prefetch_kinds(people: QuerySet[User]) -> QuerySet[User]:
    """Annotate people with what `list_kinds` reads."""
    factors = Authenticator.objects.filter(user_id=OuterRef("pk"))
    return people.annotate(**{f"has_{kind}": Exists(factors.filter(type=kind)) for kind in FACTORS})


def list_kinds(person: User) -> list[str]:
    """Return the kinds of second factor of a person annotated by `prefetch_kinds`."""
    return [kind for kind in FACTORS if getattr(person, f"has_{kind}", False)]


def reset_second_factors(*, person: User, by: User) -> int:
    """Delete all second factors and recovery codes, and end the person's sessions and API tokens,
    even without a second factor.

    Return how many second factors there were; only a deletion is recorded.
    """
    with transaction.atomic():
        User.objects.lock([person.pk])
        rows = Authenticator.objects.filter(user_id=person.pk)
        kinds = sorted(rows.values_list("type", flat=True))
        if kinds:
            rows.delete()
            record_change(person=person, by=by, change="reset", kinds=kinds)
        sessions.end_sessions_and_tokens(person=person, by=by, reason="second factor reset")
    return sum(kind in FACTORS for kind in kinds)


def record_change(*, person: User, by: User, change: str, kinds: list[str]) -> None:
    """Record a change of a person's second factors: `added`, `removed`, `renewed`, `reset`."""
    audit.record(
        AuditAction.SECOND_FACTOR_CHANGED,
        by=by,
        person=person,
        subject=person.get_username(),
        change=change,
        kinds=kinds,
    )
