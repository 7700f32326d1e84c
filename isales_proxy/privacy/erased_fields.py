"""Fields that may contain a phone number, and how they are changed when it is forgotten.

`tests/privacy/test_erased_fields.py` checks that every text field of every table is listed here or
exempt with a reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, Final

from django.db import models, transaction

from isales_proxy.privacy import masking
from isales_proxy.privacy.phone_numbers import get_digits


class Erasure(Enum):
    """Treatment of a field that contains the number."""

    NUMBER = auto()
    """Emptied if its digits are those of the number."""
    TEXT = auto()
    """Text, JSON or bytes from which the number is removed."""
    ROW = auto()
    """The module of the table deletes the row; some fields are encrypted."""


_CONTENTS: Final[Mapping[str, Erasure]] = {
    "called_no": Erasure.NUMBER,
    "caller_no": Erasure.NUMBER,
    "call_type": Erasure.TEXT,
    "call_flag": Erasure.TEXT,
    "fail_code": Erasure.TEXT,
    "result": Erasure.TEXT,
    "busi_result": Erasure.TEXT,
}

ERASED: Final[Mapping[str, Mapping[str, Erasure]]] = {
    "MirrorRow": {**_CONTENTS, "called_no": Erasure.ROW},
    "MirrorVersion": _CONTENTS,
    "MirrorBusinessResult": {"text": Erasure.TEXT},
    "MirrorAgent": {"name": Erasure.TEXT},
    "MirrorTask": {"name": Erasure.TEXT, "status": Erasure.TEXT},
    "MirrorName": {"name": Erasure.TEXT, "status": Erasure.TEXT},
    "TaskName": {"name": Erasure.TEXT},
    "CallDatum": {
        "phone_numbers": Erasure.ROW,
        "caller_number": Erasure.NUMBER,
        "call_data": Erasure.TEXT,
        "ie_data": Erasure.TEXT,
        "raw": Erasure.TEXT,
    },
    "CallDataBatch": {
        "reason": Erasure.TEXT,
        "problem": Erasure.TEXT,
        "raw": Erasure.TEXT,
    },
    "WriteBack": {
        "phone_number": Erasure.NUMBER,
        "body": Erasure.TEXT,
        "problem": Erasure.TEXT,
    },
    "WriteBackAttempt": {"problem": Erasure.TEXT},
    "ExportJob": {"question": Erasure.ROW, "reason": Erasure.ROW},
    "FormDraft": {
        "body": Erasure.ROW,
        "address": Erasure.ROW,
        "notice": Erasure.ROW,
        "outcome": Erasure.ROW,
    },
    "CodeNote": {
        "meaning_en": Erasure.TEXT,
        "meaning_zh": Erasure.TEXT,
        "step_en": Erasure.TEXT,
        "step_zh": Erasure.TEXT,
    },
}
"""Table → field → treatment."""


def find_rows(rows: models.QuerySet[Any], digits: str, *, chunk: int = 500) -> list[Any]:
    """List the primary keys of the rows from which a number, given by its digits, is to be removed,
    except those to be deleted."""
    fields = _list_fields(rows.model)
    found = rows.order_by().values_list("pk", *fields).iterator(chunk_size=chunk)
    return [
        key
        for key, *values in found
        if any(
            _erase(how, value, digits) != value
            for how, value in zip(fields.values(), values, strict=True)
        )
    ]


def remove_number(row: models.Model, digits: str) -> list[str]:
    """Remove a number from the fields of a row, without saving it; return the changed fields."""
    changed = []
    for name, how in _list_fields(type(row)).items():
        value = getattr(row, name)
        if (without := _erase(how, value, digits)) != value:
            is_null = row._meta.get_field(name).null  # noqa: SLF001 - public in all but name
            setattr(row, name, None if not without and is_null else without)
            changed.append(name)
    return changed


def remove_from_rows(rows: models.QuerySet[Any], digits: str, *, chunk: int = 500) -> int:
    """Remove a number from all rows, one transaction each; return how many changed."""
    changed = 0
    for key in find_rows(rows, digits, chunk=chunk):
        with transaction.atomic():
            row = rows.model._default_manager.select_for_update().filter(pk=key).first()  # noqa: SLF001
            if row is not None and (names := remove_number(row, digits)):
                row.save(update_fields=names)
                changed += 1
    return changed


def _list_fields(model: type[models.Model]) -> dict[str, Erasure]:
    fields = ERASED[model.__name__]
    return {name: how for name, how in fields.items() if how is not Erasure.ROW}


def _erase(how: Erasure, value: Any, digits: str) -> Any:
    if isinstance(value, memoryview):
        value = bytes(value)
    if how is Erasure.NUMBER:
        return "" if value and get_digits(value) == digits else value
    return masking.remove_number(value, digits)
