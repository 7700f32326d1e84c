"""Making the call data of one task from a seed: what "Reading Outbound Call Data" hands out.

The page is at odds with itself: its table says `uniqueId`, its example `uiqueId`. Both occur here.
The task is `seviceId` in both. A uniqueId has twenty digits, of which the 2nd to the 14th look like
the time of the import in milliseconds, as in the example of the write-back page.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Final

from isales_proxy.simulator.cast import CALLER_NUMBERS, called_number

RawRow = dict[str, object]

VERSION: Final = "311"
MISSPELT_SHARE: Final = 0.3
"""Share of rows in which the customer's ID is spelt as in the vendor's example."""

_DAY_MS: Final = 24 * 60 * 60 * 1000
_ODD_EVERY: Final = 12

_NOTES: Final = (
    "Prefers the morning",
    "Second attempt; a message was left on Monday",
    "客户张女士，下午三点后方便",
    "老客户，由朋友介绍",
    "Renovação em curso, falar com a Sra. Antónia",
    "Wants the brochure by e-mail",
    "Đã xác nhận địa chỉ, gọi lại buổi chiều",
    "يفضل الاتصال مساءً",
    '<b>VIP</b> & "family" plan',
    "=SUM(1,2) typed into the import sheet",
    "1s56fas68dasf",
    "",
)
_PRODUCTS: Final = (
    "Fibre 500",
    "车险",
    "Tarifa Família",
    "Dental check-up",
    "宽带续约",
    "Card <Gold>",
)
_LANGUAGES: Final = ("zh", "en", "pt", "vi", "ar")
_REGIONS: Final = ("north", "harbour", "西区", "centro")


def generate_call_rows(
    *, vdn: int, service_id: str, rows: int, seed: int, anchor_ms: int
) -> list[RawRow]:
    """`rows` rows of call data, imported some days before `anchor_ms`.

    The same arguments give the same rows. One in twelve is odd in one way.
    """
    rng = random.Random(f"callboard/{seed}/{vdn}/call-data/{service_id}")  # noqa: S311  (demo data)
    imported_ms = anchor_ms - int(rng.uniform(1, 9) * _DAY_MS)
    made: list[RawRow] = []
    for i in range(rows):
        imported_ms += rng.randint(1, 40)
        row = _row(rng, service_id, f"2{imported_ms:013d}{rng.randrange(10**6):06d}")
        turn, rest = divmod(i, _ODD_EVERY)
        if rest == 5:
            list(ODDITIES.values())[turn % len(ODDITIES)](row)
        made.append(row)
    return made


def _row(rng: random.Random, service_id: str, unique_id: str) -> RawRow:
    caller = rng.choice(CALLER_NUMBERS)
    wanted = rng.choices((1, 2, 3), (70, 20, 10))[0]
    numbers: list[str] = []
    while len(numbers) < wanted:
        number = called_number(rng)
        if number not in numbers:
            numbers.append(number)
    return {
        "version": VERSION,
        "seviceId": service_id,
        "uiqueId" if rng.random() < MISSPELT_SHARE else "uniqueId": unique_id,
        "phoneNumber": numbers,
        "callData": _call_data(rng),
        "callerNumber": caller,
        "ieData": _ie_data(rng, caller),
    }


def _call_data(rng: random.Random) -> str:
    """What the agent gets to read: a note, or JSON in a text."""
    if rng.random() < 0.55:
        return rng.choice(_NOTES)
    facts: dict[str, object] = {"customer": f"C-{rng.randint(1, 99_999):07d}"}
    facts["product"] = rng.choice(_PRODUCTS)
    if rng.random() < 0.6:
        facts["language"] = rng.choice(_LANGUAGES)
    if rng.random() < 0.4:
        facts["amountDue"] = f"{rng.randint(500, 250_000) / 100:.2f}"
    if rng.random() < 0.3:
        facts["tags"] = rng.sample(_REGIONS, k=2)
    return json.dumps(facts, ensure_ascii=False)


def _ie_data(rng: random.Random, caller: str) -> str:
    """Information elements, and perhaps SIP headers after them, in the documented format."""
    kind = rng.random()
    if kind < 0.25:
        return ""
    elements = [f"callerno:callernumber={caller}"]
    if kind >= 0.5:
        elements = [
            f"RedInfo:RedInd={rng.randint(0, 2)},OldRes=1,Res=1,Count={rng.randint(1, 3)}",
            f"RedNumber:NumPlan=0,NumType=0,NumSi=0,NumPi=0,Number=9558{rng.randint(800, 899)}",
        ]
    if kind >= 0.7:
        elements.append(f"callerno:callernumber={caller}")
    if kind >= 0.8:
        desk = rng.randint(1, 40)
        tag = f"{rng.randrange(16**6):06x}"
        elements.append(
            f"sipdatahead:x-charge:Desk {desk} sip:desk{desk}@example.com;tag={tag},85cf"
            f"#%#%x-vdf:{rng.choice(_REGIONS)} trunk#$#$"
        )
    return ";".join(elements)


def _phone_as_text(row: RawRow) -> None:
    numbers = row["phoneNumber"]
    if isinstance(numbers, list):
        row["phoneNumber"] = numbers[0]


def _phones_as_numbers(row: RawRow) -> None:
    # A leading zero or plus would be lost, and then the row would show another number.
    numbers = row["phoneNumber"]
    if isinstance(numbers, list):
        row["phoneNumber"] = [int(n) if n.isdigit() and n[0] != "0" else n for n in numbers]


def _ie_full_width(row: RawRow) -> None:
    row["ieData"] = "RedInfo：RedInd=1，OldRes=1，Res=1，Count=2；callerno：callernumber=710001"


def _ie_in_no_format(row: RawRow) -> None:
    row["ieData"] = "xxx"


def _ie_absent(row: RawRow) -> None:
    del row["ieData"]


def _nulls(row: RawRow) -> None:
    for field in ("version", "callData", "callerNumber", "ieData"):
        row[field] = None


def _version_number(row: RawRow) -> None:
    row["version"] = int(VERSION)


def _extra_fields(row: RawRow) -> None:
    row["priority"] = 3
    row["extInfo"] = {"batch": "2025-06", "tags": ["a", None]}


ODDITIES: Final[dict[str, Callable[[RawRow], None]]] = {
    "phone_as_text": _phone_as_text,
    "phones_as_numbers": _phones_as_numbers,
    "ie_full_width": _ie_full_width,
    "ie_in_no_format": _ie_in_no_format,
    "ie_absent": _ie_absent,
    "nulls": _nulls,
    "version_number": _version_number,
    "extra_fields": _extra_fields,
}
