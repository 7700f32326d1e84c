"""What real answers contain besides what the documents promise, one oddity a row at most.

Each function spoils one rendered row in place. The names are stable: tests ask for rows
by the name of their oddity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

RawRow = dict[str, object]

_TIMES: Final = ("appointTime", "beginTime", "endTime", "createTime")


def _to_number(row: RawRow, field: str) -> None:
    value = row.get(field)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        row[field] = int(value)


def _call_type_number(row: RawRow) -> None:
    _to_number(row, "callType")


def _user_account_number(row: RawRow) -> None:
    _to_number(row, "userAccount")


def _task_id_number(row: RawRow) -> None:
    _to_number(row, "taskId")


def _numbers_as_numbers(row: RawRow) -> None:
    # A leading zero would be lost, and then the row would show another number.
    for field in ("calledNo", "callerNo"):
        if not str(row.get(field)).startswith("0"):
            _to_number(row, field)


def _timeout_text(row: RawRow) -> None:
    row["timeout"] = "true" if row["timeout"] else "false"


def _timeout_digit(row: RawRow) -> None:
    row["timeout"] = "1" if row["timeout"] else "0"


def _timeout_number(row: RawRow) -> None:
    row["timeout"] = 1 if row["timeout"] else 0


def _timeout_flipped(row: RawRow) -> None:
    row["timeout"] = not row["timeout"]


def _times_text(row: RawRow) -> None:
    for field in _TIMES:
        if row[field] is not None:
            row[field] = str(row[field])


def _times_blank(row: RawRow) -> None:
    for field in ("beginTime", "endTime"):
        if row[field] is None:
            row[field] = ""


def _times_odd_milliseconds(row: RawRow) -> None:
    for field in _TIMES:
        value = row[field]
        if isinstance(value, int):
            row[field] = value + 417


def _missing_names(row: RawRow) -> None:
    for field in ("taskName", "userName", "busiResult"):
        row.pop(field, None)


def _missing_call(row: RawRow) -> None:
    for field in ("beginTime", "endTime", "callerNo", "callFlag"):
        row.pop(field, None)


def _missing_codes(row: RawRow) -> None:
    for field in ("failCode", "result", "timeout"):
        row.pop(field, None)


def _null_names(row: RawRow) -> None:
    for field in ("taskName", "userName", "taskStatus", "timeout"):
        row[field] = None


def _null_appoint_time(row: RawRow) -> None:
    row["appointTime"] = None


def _blank_texts(row: RawRow) -> None:
    for field in ("taskName", "busiResult", "callerNo", "result"):
        row[field] = ""


def _extra_fields(row: RawRow) -> None:
    row["remark"] = "<em>vip</em> 请下午联系"
    row["extInfo"] = {"channel": "app", "tags": ["a", 2, None], "score": 0.5}


def _call_type_unknown(row: RawRow) -> None:
    row["callType"] = "9"


def _task_status_unknown(row: RawRow) -> None:
    row["taskStatus"] = "7"


def _call_flag_unknown(row: RawRow) -> None:
    row["callFlag"] = "x"


def _code_unknown(row: RawRow) -> None:
    row["failCode"] = "99999"


def _code_zero(row: RawRow) -> None:
    row["failCode"] = "0"


def _code_number(row: RawRow) -> None:
    # The zeros in front are lost on the way, which is why a code is a string.
    _to_number(row, "failCode")


def _business_markup(row: RawRow) -> None:
    row["busiResult"] = "Escalated > <img src=x onerror=alert(1)> > 三级"


# These two are made while the row is generated, since they change what it is found by.
CALLED_BEFORE_CREATED: Final = "called_before_created"
NO_AGENT: Final = "no_agent"


def _no_agent(row: RawRow) -> None:
    row.pop("userAccount", None)
    row["userName"] = None


def _nothing(_row: RawRow) -> None:
    return


ODDITIES: Final[dict[str, Callable[[RawRow], None]]] = {
    "call_type_number": _call_type_number,
    "user_account_number": _user_account_number,
    "task_id_number": _task_id_number,
    "numbers_as_numbers": _numbers_as_numbers,
    "timeout_text": _timeout_text,
    "timeout_digit": _timeout_digit,
    "timeout_number": _timeout_number,
    "timeout_flipped": _timeout_flipped,
    "times_text": _times_text,
    "times_blank": _times_blank,
    "times_odd_milliseconds": _times_odd_milliseconds,
    "missing_names": _missing_names,
    "missing_call": _missing_call,
    "missing_codes": _missing_codes,
    "null_names": _null_names,
    "null_appoint_time": _null_appoint_time,
    "blank_texts": _blank_texts,
    "extra_fields": _extra_fields,
    "call_type_unknown": _call_type_unknown,
    "task_status_unknown": _task_status_unknown,
    "call_flag_unknown": _call_flag_unknown,
    "code_unknown": _code_unknown,
    "code_zero": _code_zero,
    "code_number": _code_number,
    "business_markup": _business_markup,
    CALLED_BEFORE_CREATED: _nothing,
    NO_AGENT: _no_agent,
}
