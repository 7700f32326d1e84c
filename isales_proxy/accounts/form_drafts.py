"""Drafts of forms: encrypted, kept for some hours, limited in number per person, and marked as done
when the form is carried out, so that it is carried out once.
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

MAX_DRAFTS: Final = 20
# Characters of the encoded fields, and of a form's key and address.
LONGEST_BODY: Final = 32_768
LONGEST_KEY: Final = 64
LONGEST_ADDRESS: Final = 600
KEPT: Final = timedelta(hours=12)
# How long the draft is offered at the form's address without its key.
OFFERED: Final = timedelta(hours=2)
# How long a secret is kept for the page that shows it once.
SHOWN_WITHIN: Final = timedelta(minutes=10)
_SECRET: Final = ("password", "secret", "token")
# Django's field that chooses whether a new person has a password.
_NO_SECRET: Final = "usable_password"  # noqa: S105 - the name of a field
_LONGEST_NOTICE: Final = 400


def is_secret(name: str) -> bool:
    """Return True if the name is that of a password, key or token, which drafts must not contain.

    >>> [is_secret(name) for name in ("password1", "app_key", "usable_password", "key")]
    [True, True, False, False]
    """
    return name != _NO_SECRET and (name.endswith("_key") or any(part in name for part in _SECRET))


def list_secret_fields(form: Any) -> list[str]:
    """Return the names of the fields whose values are neither shown nor saved in a draft."""
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
    """Save the typed fields of a form, without secrets.

    Return False if they are too long or the form has been carried out.
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
        FormDraft.objects.filter(
            pk__in=list(own.values_list("pk", flat=True)[MAX_DRAFTS:])
        ).delete()
    return True


def find(*, user: User, key: str) -> FormDraft | None:
    """Return the draft with this key, whether carried out or not; None if it has expired."""
    own = FormDraft.objects.for_person(user).filter(saved_at__gt=timezone.now() - KEPT)
    return own.filter(key=key).first()


def find_latest(*, user: User, address: str) -> FormDraft | None:
    """Return the newest draft of the form at this address that was not carried out."""
    own = FormDraft.objects.for_person(user).filter(saved_at__gt=timezone.now() - OFFERED)
    return own.pending().filter(address=address).first()


def discard(*, user: User, key: str, address: str = "") -> None:
    """Delete the draft with this key, and the others of the same address."""
    own = FormDraft.objects.for_person(user).pending()
    own.filter(key=key).delete()
    if address:
        own.filter(address=address).delete()


def once(*, user: User, key: str, make: Callable[[], tuple[str, str]]) -> tuple[str, bool]:
    """Carry a form out once; return the address of its outcome, and True if it was done before.

    `make` carries it out in the same transaction and returns that address, and a secret to be shown
    there once or "". The same form submitted again, simultaneously or later, waits for the first
    and gets its address. Exceptions of `make` roll everything back.
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
    """Return the secret that a form created, at the first call only; "" afterwards."""
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
    """Delete expired drafts and secrets; return the number of drafts."""
    unread = FormDraft.objects.filter(done_at__lte=now - SHOWN_WITHIN).exclude(body="")
    unread.update(body="")
    return FormDraft.objects.filter(saved_at__lte=now - KEPT).delete()[0]


def forget_number(digits: str) -> int:
    """Delete the drafts that contain a number, given by its digits; return how many."""
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
