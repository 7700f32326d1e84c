"""Rows of ours as those see them who may not see numbers: copies that cannot be saved."""

from __future__ import annotations

import copy
from typing import Any, NoReturn, TypeVar

from django.db import models

from isales_proxy.access import Permission, Scope
from isales_proxy.models import CallDataBatch, CallDatum, WriteBack, WriteBackAttempt
from isales_proxy.privacy import masking
from isales_proxy.privacy.field_policies import CALL_DATUM, MID_RESULT

M = TypeVar("M", bound=models.Model)


def mask_datum(row: CallDatum) -> CallDatum:
    """A row of call data, its batch with it."""
    own = masking.get_own_numbers((*row.numbers, row.caller_number))
    return _twin(
        row,
        phone_numbers="\n".join(map(masking.mask_number, row.numbers)),
        caller_number=masking.mask_number(row.caller_number),
        call_data=masking.mask_text(row.call_data, own),
        ie_data=masking.mask_text(row.ie_data, own),
        raw=masking.mask_fields(row.raw, CALL_DATUM, own)
        if isinstance(row.raw, dict)
        else masking.mask_value(row.raw, own),
        batch=mask_batch(row.batch),
    )


def mask_batch(row: CallDataBatch) -> CallDataBatch:
    """A batch: the reason was typed by somebody who may have had a number before them."""
    return _twin(row, reason=masking.mask_text(row.reason), problem=masking.mask_text(row.problem))


def mask_batch_for(scope: Scope, row: CallDataBatch) -> CallDataBatch:
    """A batch as this person sees it."""
    return row if scope.can(Permission.SEE_NUMBERS) else mask_batch(row)


def mask_write_back(row: WriteBack) -> WriteBack:
    """A write-back with its request."""
    return _twin(
        row,
        phone_number=masking.mask_number(row.phone_number),
        body=mask_body(row.body),
        problem=masking.mask_text(row.problem, masking.get_own_numbers((row.phone_number,))),
    )


def mask_attempt(row: WriteBackAttempt, number: str) -> WriteBackAttempt:
    """A line in the journal of a write-back of this number, on which the vendor may be quoted."""
    return _twin(row, problem=masking.mask_text(row.problem, masking.get_own_numbers((number,))))


def mask_body(request: dict[str, Any]) -> dict[str, Any]:
    """The request of a write-back."""
    return masking.mask_fields(request, MID_RESULT)


def _twin(row: M, **shown: Any) -> M:
    twin = copy.copy(row)
    for name, value in shown.items():
        setattr(twin, name, value)
    twin.save = twin.delete = _never  # type: ignore[method-assign]
    return twin


def _never(*_args: Any, **_kwargs: Any) -> NoReturn:
    raise TypeError("A masked row is to be looked at alone.")
