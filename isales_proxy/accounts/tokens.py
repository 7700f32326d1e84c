"""API tokens: created by their owner, stored as hashes, ended by expiry or revocation."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from knox.crypto import hash_token

from isales_proxy import access
from isales_proxy.access import Permission
from isales_proxy.accounts import second_factors
from isales_proxy.audit import services as audit
from isales_proxy.core.database import optional_write
from isales_proxy.models import ApiToken, AuditAction, TokenScope, User
from isales_proxy.models.tokens import ApiTokenQuerySet

MAX_TOKENS: Final = 20
DAYS: Final = (1, 7, 30, 90, 365)

# Our prefix and knox's 32 random bytes.
_TOKEN: Final = re.compile(r"cb_[0-9a-f]{64}")
_USE_RECORDED_EVERY: Final = timedelta(minutes=1)
# Scope → permissions, one of which a person needs in any VDN to use it.
_NEEDED: Final[dict[TokenScope, tuple[Permission, ...]]] = {
    TokenScope.READ: (),
    TokenScope.WRITE: (
        Permission.WRITE_BACK, Permission.TAKE_CALL_DATA, Permission.REVEAL_NUMBERS,
    ),
    TokenScope.ADMIN: (Permission.REFRESH_RESULT_CODES, Permission.EDIT_RESULT_CODES),
}  # fmt: skip
_RANK: Final = {scope: rank for rank, scope in enumerate(TokenScope)}


class TooManyTokens(RuntimeError):
    """The person has `MAX_TOKENS` tokens."""


def includes_scope(token: ApiToken, needed: TokenScope) -> bool:
    return _RANK[TokenScope(token.scope)] >= _RANK[needed]


def get_usable_scopes(user: User) -> tuple[TokenScope, ...]:
    """Return the scopes that this person can use: `read`, and those that their roles allow."""
    scopes = access.get_scopes(user)
    return tuple(
        token_scope
        for token_scope, needed in _NEEDED.items()
        if not needed or any(scope.can(permission) for scope in scopes for permission in needed)
    )


def record_own_export(*, user: User, kind: str, rows: int) -> None:
    """Record an export of a person's own tokens in the audit; `kind` is the file format."""
    audit.record(AuditAction.TOKENS_EXPORTED, by=user, person=user, kind=kind, rows=rows)


def create_token(
    *, user: User, name: str, scope: TokenScope, days: int, second_factor: bool = False
) -> tuple[ApiToken, str]:
    """Create a token; return it with its text, which is not stored.

    `second_factor` says that the person passed one in the session that creates it.

    Raises TooManyTokens, and PermissionMissing for a scope that the person cannot use.
    """
    if scope not in get_usable_scopes(user):
        raise access.PermissionMissing
    with transaction.atomic():
        # Serialises concurrent creations, so that the limit holds.
        User.objects.lock([user.pk])
        if ApiToken.objects.for_person(user).valid(timezone.now()).count() >= MAX_TOKENS:
            raise TooManyTokens
        token, text = ApiToken.objects.create(
            user=user,
            name=name,
            scope=scope,
            expiry=timedelta(days=days),
            second_factor=second_factor,
        )
        _record(AuditAction.TOKEN_CREATED, user, token)
    return token, text


def revoke(*, by: User | None, token: ApiToken) -> None:
    """Revoke a token; the caller has checked that `by` may do so."""
    with transaction.atomic():
        User.objects.lock([token.user_id])
        deleted, _by_model = ApiToken.objects.filter(pk=token.pk).delete()
        if deleted:
            _record(AuditAction.TOKEN_REVOKED, by, token)


def revoke_all(*, person: User, by: User | None) -> int:
    """Revoke all tokens of a person; return how many."""
    found = list(ApiToken.objects.for_person(person))
    for token in found:
        revoke(by=by, token=token)
    return len(found)


def authenticate(text: str) -> ApiToken | None:
    """Return the valid token of this text with its active person, or None."""
    if not _TOKEN.fullmatch(text):
        return None
    found: ApiTokenQuerySet = ApiToken.objects.valid(timezone.now()).select_related("user")
    return found.filter(pk=hash_token(text), user__is_active=True).first()


def is_without_second_factor(token: ApiToken) -> bool:
    """Return True if the token's person needs a second factor, but it was created without one."""
    return not token.second_factor and second_factors.is_required_of(token.user)


def record_use(token: ApiToken) -> None:
    """Record when and from where the token was used, at most once a minute; may fail."""
    now = timezone.now()
    before = now - _USE_RECORDED_EVERY
    if token.last_used_at is not None and token.last_used_at > before:
        return
    due = Q(last_used_at=None) | Q(last_used_at__lte=before)
    optional_write(
        lambda: ApiToken.objects.filter(due, pk=token.pk).update(
            last_used_at=now, last_used_from=audit.current_address()
        ),
        "token_use_not_noted",
    )


def purge(now: datetime) -> int:
    """Delete expired tokens; return how many."""
    deleted: int = ApiToken.objects.filter(expiry__lt=now).delete()[0]
    return deleted


def _record(action: AuditAction, by: User | None, token: ApiToken) -> None:
    audit.record(
        action,
        by=by,
        subject=f"token {token.token_key}",
        person=token.user,
        username=token.user.get_username(),
        scope=token.scope,
        ends=token.expiry.isoformat(timespec="seconds") if token.expiry else "",
    )
