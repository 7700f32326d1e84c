"""Recording of audit events: action, person, time, network address. No other module writes any.

The data of an event are plain JSON that every database gives back alike, and hold no number.
Callers hand over masked texts. What people type (a reason) may hold a number all the same, and is
masked here; what holds one elsewhere is a mistake of ours: refused where `AUDIT_STRICT` is set (in
tests), masked otherwise. What is taken for a number says `client.number_rules`.
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

# Names of facts that hold numbers of things, not of people; these may be long.
_IDS: Final = frozenset(
    {"agent_account", "batch", "code", "ids", "key", "reservation", "result_code", "session",
     "task", "token", "username", "write_back"}
)  # fmt: skip

_address: ContextVar[Callable[[], str]] = ContextVar("callboard_audit_address", default=str)


class ContainsNumber(ValueError):
    """Text of the audit that looks like a number; the message names the field only."""


@contextmanager
def use_address(find_address: Callable[[], str]) -> Iterator[None]:
    """Attribute what is recorded inside the block to this network address, looked up for that."""
    token = _address.set(find_address)
    try:
        yield
    finally:
        _address.reset(token)


def current_address() -> str:
    """Return the network address that is recorded at present; "" where there is none."""
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
    """Write one event at the end of the chain. Do it last in a transaction: see `chain`.

    `by` None is the system itself, or with `claimed` somebody who gave that name and could not
    prove it; a scope brings its VDN along. `person` is the user whom the event is about,
    where that is not the actor. `number` is the called number that it is about, of which only the
    `fingerprint` is kept, or that where no more is known. `detail` holds facts: never a called
    number, a customer's name, or a secret. Raises ContainsNumber where `AUDIT_STRICT` is set and
    there is a number in it all the same.
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
    """Return what somebody typed, without the numbers in it."""
    return number_rules.mask(text, number_rules.TYPED)


def fingerprint_number(number: str) -> str:
    """Return the fingerprint by which events about one called number (digits) are found.

    It is keyed with this installation's secret: without that, nobody can try numbers against it.
    """
    return fingerprint_number_with_all_keys(number)[0]


def fingerprint_number_with_all_keys(number: str) -> list[str]:
    """Return that fingerprint, then those with the keys of before `SECRET_KEY` was changed."""
    digits = "".join(character for character in number if character.isdigit())
    keys = encryption.derive_all_keys("audit-number")
    return [hmac.new(key, digits.encode(), sha256).hexdigest() for key in keys]


def get_last_number_fingerprint(action: AuditAction, *, vdn_id: int, subject: str) -> str:
    """Return the fingerprint of the last such event of this subject; "" where there is none."""
    found = AuditEvent.objects.filter(vdn_id=vdn_id, action=action, subject=subject)
    return found.order_by("-pk").values_list("number_key", flat=True).first() or ""


def _identify_actor(by: Scope | User | None, claimed: str) -> tuple[int | None, str]:
    if by is None:
        return None, claimed or SYSTEM
    if isinstance(by, Scope):
        return by.user_id, by.username
    return by.pk, by.get_username()


def _clean_line(text: str, longest: int) -> str:
    """Return what every database can hold of it, at most so many characters."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")[:longest]


def _clean_subject(text: str, number: str) -> str:
    """Return the subject (an ID or a name, which may be long) without the number itself."""
    told = re.sub(r"\D", "", number)
    whole = re.compile(rf"(?<!\d){told}(?!\d)")
    # A short one may well be that of a task, too.
    if len(told) < number_rules.WRITTEN.fewest or not whole.search(text):
        return text
    _refuse("subject")
    return whole.sub(number_rules.keep_last_two(told), text)


def _clean_detail(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Return the detail as JSON that every database gives back alike."""
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
