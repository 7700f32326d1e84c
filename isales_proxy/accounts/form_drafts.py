"""Drafts of forms: kept sealed for some hours, a bounded number for each person, and marked as done
once their form was carried out, so that one form has one result.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import unquote_plus

from django.db import transaction
from django.forms import PasswordInput
from django.http import QueryDict
from django.utils import timezone

from isales_proxy.models import FormDraft, User
from isales_proxy.privacy import masking

MOST: Final = 20
# Characters of the encoded fields, and of a form's key and address.
LONGEST_BODY: Final = 32_768
LONGEST_KEY: Final = 64
LONGEST_ADDRESS: Final = 600
KEPT: Final = timedelta(hours=12)
# For so long the address of a form without its key offers what was typed there.
OFFERED: Final = timedelta(hours=2)
# For so long a secret waits for the page that shows it once.
SHOWN_WITHIN: Final = timedelta(minutes=10)
_SECRET: Final = ("password", "secret", "token")
# Django's choice whether a new person has a password.
_CHOICE: Final = "usable_password"
_LONGEST_NOTICE: Final = 400


def is_secret(name: str) -> bool:
    """Tell by its name whether a field holds a password, a key or a token, which no draft keeps.

    >>> [is_secret(name) for name in ("password1", "app_key", "usable_password", "key")]
    [True, True, False, False]
    """
    return name != _CHOICE and (name.endswith("_key") or any(part in name for part in _SECRET))


def list_secret_fields(form: Any) -> list[str]:
    """Return the names of the fields whose values are not shown, and not kept in a draft."""
    return [name for name, each in form.fields.items() if isinstance(each.widget, PasswordInput)]


def save(
    *,
    user: User,
    key: str,
    address: str,
    fields: QueryDict,
    judged: bool = False,
    notice: str = "",
    status: int = 200,
    undone: bool = False,
) -> bool:
    """Keep what was typed into a form that has not been carried out; secrets are left out.

    False when it is too long to be kept, or was carried out already.
    """
    kept = fields.copy()
    for name in [*kept]:
        if is_secret(name):
            del kept[name]
    text = kept.urlencode()
    if len(text) > LONGEST_BODY or len(address) > LONGEST_ADDRESS or len(key) > LONGEST_KEY:
        return False
    values = {
        "address": address,
        "body": FormDraft.encrypt(text),
        "judged": judged,
        "notice": notice[:_LONGEST_NOTICE],
        "status": status,
        "undone": undone,
        "saved_at": timezone.now(),
    }
    with transaction.atomic():
        row, created = FormDraft.objects.select_for_update().get_or_create(
            user=user, key=key, defaults=values
        )
        if row.done:
            return False
        if not created:
            FormDraft.objects.filter(pk=row.pk).update(**values)
        own = FormDraft.objects.for_person(user).pending()
        FormDraft.objects.filter(pk__in=list(own.values_list("pk", flat=True)[MOST:])).delete()
    return True


def find(*, user: User, key: str) -> FormDraft | None:
    """Find the draft of this key, or the outcome of its form; None once it is over."""
    own = FormDraft.objects.for_person(user).filter(saved_at__gt=timezone.now() - KEPT)
    return own.filter(key=key).first()


def find_latest(*, user: User, address: str) -> FormDraft | None:
    """Find the newest draft of the form at this address that was not carried out."""
    own = FormDraft.objects.for_person(user).filter(saved_at__gt=timezone.now() - OFFERED)
    return own.pending().filter(address=address).first()


def discard(*, user: User, key: str, address: str = "") -> None:
    """Forget the draft of this key, and every other one of the same address."""
    own = FormDraft.objects.for_person(user).pending()
    own.filter(key=key).delete()
    if address:
        own.filter(address=address).delete()


def once(*, user: User, key: str, make: Callable[[], tuple[str, str]]) -> tuple[str, bool]:
    """Carry a form out unless that was done before; gives the address of its outcome, and whether
    it was.

    `make` does it in the same transaction and gives that address, and a secret to be shown there
    once or "": the same form sent again, at the same time or later, waits for the first and gets
    the first one's address. What `make` raises undoes all.
    """
    with transaction.atomic():
        row, _created = FormDraft.objects.select_for_update().get_or_create(
            user=user, key=key[:LONGEST_KEY], defaults={"saved_at": timezone.now()}
        )
        if row.done:
            return row.outcome_address, True
        outcome, secret = make()
        _finish(row, outcome, secret)
    return outcome, False


def take_secret(*, user: User, key: str) -> str:
    """Return the secret that a form made, at the first call only; "" afterwards."""
    since = timezone.now() - SHOWN_WITHIN
    with transaction.atomic():
        own = FormDraft.objects.select_for_update().filter(user=user, key=key)
        row = own.filter(done_at__gt=since).exclude(body="").first()
        if row is None:
            return ""
        secret = row.body_text
        FormDraft.objects.filter(pk=row.pk).update(body="")
    return secret


def finish(*, user: User, key: str, outcome: str) -> None:
    """Mark the form as carried out by a service that has a unique key of its own."""
    if 0 < len(key) <= LONGEST_KEY:
        once(user=user, key=key, make=lambda: (outcome, ""))


def purge(now: datetime) -> int:
    """Delete the drafts that are over, and secrets that nobody came for; gives how many drafts."""
    unread = FormDraft.objects.filter(done_at__lte=now - SHOWN_WITHIN).exclude(body="")
    unread.update(body="")
    return FormDraft.objects.filter(saved_at__lte=now - KEPT).delete()[0]


def forget_number(digits: str) -> int:
    """Delete the drafts in which a number, given by its digits, was typed; return how many."""
    removed = 0
    for row in FormDraft.objects.iterator(chunk_size=100):
        addresses = (row.body_text, row.address, row.outcome_address)
        texts = (*map(unquote_plus, addresses), row.notice)
        if any(masking.remove_number(text, digits) != text for text in texts):
            removed += FormDraft.objects.filter(pk=row.pk).delete()[0]
    return removed


def _finish(row: FormDraft, outcome: str, secret: str) -> None:
    row.body, row.outcome = FormDraft.encrypt(secret), FormDraft.encrypt(outcome)
    row.notice, row.undone = "", False
    row.done_at = row.saved_at = timezone.now()
    row.save()
