"""Masked copies of our own rows; they cannot be saved."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, TypeVar

from django.db import models

from isales_proxy.access import Permission, Scope
from isales_proxy.models import CallDataBatch, CallDatum, WriteBack, WriteBackAttempt
from isales_proxy.privacy import masking
from isales_proxy.privacy.field_policies import CALL_DATUM, Content

M = TypeVar("M", bound=models.Model)


def mask_datum(row: CallDatum) -> CallDatum:
    """Copy a row of call data together with its batch, both masked."""
    own = masking.get_own_numbers((*row.numbers, row.caller_number))
    return _copy(
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


def mask_data_for(scope: Scope, rows: Iterable[CallDatum]) -> Iterable[CallDatum]:
    """Return rows of call data as this person may see them."""
    return rows if scope.can(Permission.SEE_NUMBERS) else map(mask_datum, rows)


def mask_batch(row: CallDataBatch) -> CallDataBatch:
    """Copy a batch, masked: its reason was typed and may hold a number."""
    return _copy(row, reason=masking.mask_text(row.reason), problem=masking.mask_text(row.problem))


def mask_batch_for(scope: Scope, row: CallDataBatch) -> CallDataBatch:
    """Return the batch as this person may see it."""
    return row if scope.can(Permission.SEE_NUMBERS) else mask_batch(row)


def mask_write_back(row: WriteBack, policies: Mapping[str, Content]) -> WriteBack:
    """Copy a write-back with its request, both masked; `policies` are those of the request."""
    return _copy(
        row,
        phone_number=masking.mask_number(row.phone_number),
        body=masking.mask_fields(row.body, policies),
        problem=masking.mask_text(row.problem, masking.get_own_numbers((row.phone_number,))),
    )


def mask_attempt(row: WriteBackAttempt, number: str) -> WriteBackAttempt:
    """Copy an attempt of a write-back of this number, masked: it may quote the vendor."""
    return _copy(row, problem=masking.mask_text(row.problem, masking.get_own_numbers((number,))))


def _copy(row: M, **changed: Any) -> M:
    masked = copy.copy(row)
    for name, value in changed.items():
        setattr(masked, name, value)
    masked.save = masked.delete = _refuse_change  # type: ignore[method-assign]
    return masked


def _refuse_change(*_args: Any, **_kwargs: Any) -> NoReturn:
    raise TypeError("A masked row cannot be saved or deleted.")
