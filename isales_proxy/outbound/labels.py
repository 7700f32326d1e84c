"""What became of a batch and what to do about it, in plain words."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from isales_proxy.models import BatchState, CallDataBatch


def get_advice(batch: CallDataBatch, *, when: str) -> str:
    """A sentence or two in the language in force; "" where all went as asked.

    `when` is the time of asking as the reader reads times.
    """
    facts = {
        "count": batch.batch_count,
        "task": batch.service_id,
        "time": when,
        "size": batch.answer_bytes or 0,
        "who": batch.asked_by_name,
    }
    match BatchState(batch.state):
        case BatchState.ASKED:
            return _(
                "CC-iSales was asked and its answer is not read yet. Look again in a moment; "
                "asking again would take other numbers."
            )
        case BatchState.UNKNOWN:
            return (
                _(
                    "The answer never came, so up to %(count)s numbers may have been handed out "
                    "that nobody has. Do not simply ask again: look up in CC-iSales whether "
                    "task %(task)s handed out rows at %(time)s."
                )
                % facts
            )
        case BatchState.UNREADABLE:
            return (
                _(
                    "An answer came that cannot be read. It is kept byte for byte and may hold up "
                    "to %(count)s numbers, which will not come again: let an administrator look "
                    "at it before you ask again."
                )
                % facts
            )
        case BatchState.LOST:
            return (
                _(
                    "An answer of %(size)s bytes came and could not be stored: neither the "
                    "database nor the disk took it. What could be read of its numbers, up to "
                    "%(count)s, was shown once to %(who)s and will not come again."
                )
                % facts
            )
        case BatchState.REFUSED:
            return _("No number was handed out. You may ask again once the reason is gone.")
    if batch.received >= batch.batch_count:
        return ""
    return ngettext(
        "%(received)s row came, fewer than asked for: the task has no more for now.",
        "%(received)s rows came, fewer than asked for: the task has no more for now.",
        batch.received,
    ) % {"received": batch.received}
