"""Advice about a batch, on pages and in the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from isales_proxy.models import BatchState, CallDataBatch

_ADVICE: Final[Mapping[str, str | Promise]] = {
    BatchState.ASKED: _(
        "CC-iSales was asked and has not answered yet. Check again in a moment; a new request "
        "would take other numbers."
    ),
    BatchState.UNKNOWN: _(
        "No answer arrived. Up to %(count)s numbers may have been released and lost. Before you "
        "try again, check in CC-iSales whether task %(task)s released numbers at %(time)s."
    ),
    BatchState.UNREADABLE: _(
        "The answer cannot be read. It is stored unchanged and may hold up to %(count)s numbers, "
        "which will not be released again. Ask an admin to check it before you try again."
    ),
    BatchState.LOST: _(
        "An answer of %(size)s bytes arrived and could not be stored, neither in the database nor "
        "on disk. Its numbers, up to %(count)s, were shown once to %(who)s and will not be "
        "released again."
    ),
    BatchState.REFUSED: _("No numbers were released. Try again once the cause is resolved."),
}


def get_advice(batch: CallDataBatch, *, when: str) -> str:
    """Return one or two sentences in the active language; "" for a complete batch.

    `when` is the time of the request in the reader's zone and format.
    """
    if batch.state in _ADVICE:
        return str(_ADVICE[batch.state]) % {
            "count": batch.batch_count,
            "task": batch.service_id,
            "time": when,
            "size": batch.answer_bytes or 0,
            "who": batch.asked_by_name,
        }
    if batch.received >= batch.batch_count:
        return ""
    return ngettext(
        "%(received)s row arrived, fewer than requested: the task has no more for now.",
        "%(received)s rows arrived, fewer than requested: the task has no more for now.",
        batch.received,
    ) % {"received": batch.received}
