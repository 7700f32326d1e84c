"""Recording of audit events: action, person, time, network address. Only this module writes them.

The details of an event are JSON that all databases return alike, and contain no called number.
Callers pass masked texts. Texts that people type (a reason) are masked here. A number in any other
text is a programming error: it is refused with `AUDIT_STRICT` (in tests) and masked without.
`client.number_rules` defines what looks like a number.
"""

from __future__ import annotations

import hmac
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime, time
from hashlib import sha256
from typing import Any, Final

from django.conf import settings

from isales_proxy.access import Scope
from isales_proxy.audit import chain
from isales_proxy.client import number_rules
from isales_proxy.core import encryption
from isales_proxy.models import AuditAction, AuditEvent, User

SYSTEM: Final = "system"
_LONGEST_ACTOR: Final = 150
_LONGEST_SUBJECT: Final = 120
_LONGEST_REASON: Final = 300
_LONGEST_ADDRESS: Final = 64

# Names of details that are IDs, which may look like a called number.
_IDS: Final = frozenset(
    {"agent_account", "batch", "code", "ids", "key", "reservation", "result_code", "session",
     "task", "token", "username", "write_back"}
)  # fmt: skip

_address: ContextVar[Callable[[], str]] = ContextVar("callboard_audit_address", default=str)


class ContainsNumber(ValueError):
    """Text of an event that contains what looks like a number; the message only names the field."""


@contextmanager
def use_address(find_address: Callable[[], str]) -> Iterator[None]:
    """Record the network address that `find_address` returns with each event inside the block."""
    token = _address.set(find_address)
    try:
        yield
    finally:
        _address.reset(token)


def current_address() -> str:
    """Return the network address for events; "" outside of a request."""
    return _address.get()()[:_LONGEST_ADDRESS]


def record(
    action: AuditAction,
    *,
    by: Scope | User | None,
    vdn_id: int | None = None,
    subject: str = "",
    reason: str = "",
    number: str = "",
    fingerprint: str = "",
    person: User | None = None,
    claimed: str = "",
    **detail: Any,
) -> AuditEvent:
    """Append one event to the chain; last in a transaction, see `chain.append`.

    `by` None is the system, or with `claimed` an unauthenticated person who gave that user name; a
    scope also gives the VDN. `person` is the user whom the event is about if not the actor. Of the
    called `number` that it is about only the fingerprint is stored; `fingerprint` is given where
    the number is not known. `detail` must not contain called numbers, names of customers or
    secrets. Raises ContainsNumber for one with `AUDIT_STRICT`.
    """
    actor_id, actor = _identify_actor(by, claimed if person else mask_numbers(claimed))
    event = AuditEvent(
        action=action,
        actor_id=actor_id,
        actor=_clean_line(actor, _LONGEST_ACTOR),
        address=current_address(),
        vdn_id=by.vdn.pk if isinstance(by, Scope) and vdn_id is None else vdn_id,
        subject=_clean_line(_clean_subject(str(subject), number), _LONGEST_SUBJECT),
        reason=_clean_line(mask_numbers(str(reason)), _LONGEST_REASON),
        detail=_clean_detail(detail),
        number_key=fingerprint_number(number) if number else fingerprint,
        person_id=person.pk if person else None,
    )
    chain.append(event)
    return event


def mask_numbers(text: str) -> str:
    """Mask the numbers in a typed text."""
    return number_rules.mask(text, number_rules.TYPED)


def fingerprint_number(number: str) -> str:
    """Return the fingerprint by which events about one called number (digits) are found.

    It is keyed with the secret of this installation, so that nobody else can test numbers on it.
    """
    return fingerprint_number_with_all_keys(number)[0]


def fingerprint_number_with_all_keys(number: str) -> list[str]:
    """Return that fingerprint, then those with the keys of earlier values of `SECRET_KEY`."""
    digits = "".join(character for character in number if character.isdigit())
    keys = encryption.derive_all_keys("audit-number")
    return [hmac.new(key, digits.encode(), sha256).hexdigest() for key in keys]


def get_last_number_fingerprint(action: AuditAction, *, vdn_id: int, subject: str) -> str:
    """Return the number's fingerprint in the last such event of this subject, else ""."""
    found = AuditEvent.objects.filter(vdn_id=vdn_id, action=action, subject=subject)
    return found.order_by("-pk").values_list("number_key", flat=True).first() or ""


def _identify_actor(by: Scope | User | None, claimed: str) -> tuple[int | None, str]:
    if by is None:
        return None, claimed or SYSTEM
    if isinstance(by, Scope):
        return by.user_id, by.username
    return by.pk, by.get_username()


def _clean_line(text: str, longest: int) -> str:
    """Replace what a database cannot store, and cut the text to `longest` characters."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")[:longest]


def _clean_subject(text: str, number: str) -> str:
    """Mask the called number in a subject, which is an ID or a name with any digits."""
    digits = re.sub(r"\D", "", number)
    whole = re.compile(rf"(?<!\d){digits}(?!\d)")
    # A short number may also be the ID of a task.
    if len(digits) < number_rules.WRITTEN.min_numerals or not whole.search(text):
        return text
    _refuse("subject")
    return whole.sub(number_rules.keep_last_two(digits), text)


def _clean_detail(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Return the details as JSON that all databases return alike."""
    return {_clean_line(str(key), 100): _convert(value, str(key)) for key, value in detail.items()}


def _convert(value: Any, name: str) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return _clean_detail(value)
    if isinstance(value, list | tuple):
        return [_convert(each, name) for each in value]
    if isinstance(value, set | frozenset):
        return sorted(str(_convert(each, name)) for each in value)
    text = str(value)
    if (
        name not in _IDS
        and not name.endswith("_id")
        and number_rules.contains_number(text, number_rules.WRITTEN)
    ):
        _refuse(name)
        text = number_rules.mask(text, number_rules.WRITTEN)
    return _clean_line(text, len(text))


def _refuse(name: str) -> None:
    if getattr(settings, "AUDIT_STRICT", False):
        raise ContainsNumber(f"{name} holds what looks like a number")
