"""The right to be forgotten: removal of a called number from all stored data.

Outcomes of write-backs are kept without the number, and so are audit events, which contain only its
keyed fingerprint.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from isales_proxy.accounts import form_drafts
from isales_proxy.audit import services as audit
from isales_proxy.exports import services as exports
from isales_proxy.mirror import forgetting
from isales_proxy.models import AuditAction, CodeNote, TaskName
from isales_proxy.outbound import storage
from isales_proxy.privacy import erased_fields
from isales_proxy.privacy.phone_numbers import SearchedNumber
from isales_proxy.reservations import services as reservations
from isales_proxy.write_backs import leases
from isales_proxy.write_backs import services as write_backs

FEWEST_DIGITS: Final = 5


class NoNumber(ValueError):
    """The text is not a complete called number."""


KINDS: Final = {
    "reservations": "reservations",
    "call_data": "rows of call data",
    "write_backs": "write-backs",
    "exports": "exports",
    "drafts": "drafts",
    "texts": "texts of others",
}
"""Kind of row that is deleted or loses the number → its English name."""


def forget_number(
    *, number: str, vdn_ids: Collection[int], reason: str = "", now: datetime
) -> Counter[str]:
    """Remove a called number from these VDNs, and suppress it in later sweeps and in lists.

    Each part is one transaction: after a failure the command can be repeated. The number is
    suppressed first, so that it is not stored again meanwhile. `now` is aware UTC. Return the
    number of changed rows of each of `KINDS`. Raises NoNumber.
    """
    wanted = SearchedNumber.parse(number)
    digits = wanted.digits
    if len(digits) < FEWEST_DIGITS or wanted.text.removeprefix("+") != digits:
        raise NoNumber
    removed = Counter[str]()
    # Store the answers in the disk queue first.
    storage.recover(now)
    leases.recover()
    for vdn_id in sorted(vdn_ids):
        rows = forgetting.forget_number(vdn_id=vdn_id, digits=digits, now=now)
        data = storage.forget_number(vdn_id=vdn_id, digits=digits)
        notes = sum(
            erased_fields.remove_from_rows(table.objects.filter(vdn=vdn_id), digits)
            for table in (CodeNote, TaskName)
        )
        found = Counter(
            reservations=rows.deleted,
            call_data=data.deleted,
            write_backs=write_backs.forget_number(vdn_id=vdn_id, digits=digits, now=now),
            exports=exports.forget_number(vdn_id=vdn_id, digits=digits, now=now),
            texts=rows.cleaned + data.cleaned + notes,
        )
        facts: dict[str, Any] = {kind: count for kind, count in found.items() if count}
        audit.record(
            AuditAction.NUMBER_FORGOTTEN,
            by=None,
            vdn_id=vdn_id,
            number=digits,
            reason=reason,
            **facts,
        )
        removed.update(found)
    removed["drafts"] = form_drafts.forget_number(digits)
    reservations.clear_caches()
    return removed
