"""Recording of audit events: action, person, time, network address. No other module writes any."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from typing import Any, Final

from isales_proxy.access import Scope
from isales_proxy.audit import chain, event_data
from isales_proxy.core import encryption
from isales_proxy.models import AuditAction, AuditEvent, User

SYSTEM: Final = "system"
_LONGEST_ACTOR: Final = 150
_LONGEST_SUBJECT: Final = 120
_LONGEST_REASON: Final = 300
_LONGEST_ADDRESS: Final = 64

_address: ContextVar[Callable[[], str]] = ContextVar("callboard_audit_address", default=str)


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
    number, a customer's name, or a secret. Raises HoldsNumber where `AUDIT_STRICT` is set and there
    is a number in it all the same.
    """
    actor_id, actor = _identify_actor(by, claimed if person else event_data.mask_numbers(claimed))
    event = AuditEvent(
        action=action,
        actor_id=actor_id,
        actor=event_data.clean_line(actor, _LONGEST_ACTOR),
        address=current_address(),
        vdn_id=by.vdn.pk if isinstance(by, Scope) and vdn_id is None else vdn_id,
        subject=event_data.clean_line(
            event_data.clean_subject(str(subject), number), _LONGEST_SUBJECT
        ),
        reason=event_data.clean_line(event_data.mask_numbers(str(reason)), _LONGEST_REASON),
        detail=event_data.clean_detail(detail),
        number_key=fingerprint_number(number) if number else fingerprint,
        person_id=person.pk if person else None,
    )
    chain.append(event)
    return event


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
