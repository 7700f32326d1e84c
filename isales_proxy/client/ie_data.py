"""Parser of the ``ieData`` of a row of call data.

Vendor page: "Interface for Reading Outbound Call Data"::

    RedInfo:RedInd=1,OldRes=1;RedNumber:NumPlan=0,Number=9558800
    …then, last of all:   sipdatahead:name:value#%#%name:value#$#$

The page asks for full-width commas, semicolons and colons and shows half-width ones, so both
separate. The names are case insensitive. Within the SIP part those characters belong to the values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_SIP_HEAD = re.compile("sipdatahead[:：]", re.IGNORECASE)
_SIP_END = "#$#$"
_SIP_BETWEEN = "#%#%"
_COLON = re.compile("[:：]")
_COMMA = re.compile("[,，]")
_SEMICOLON = re.compile("[;；]")


@dataclass(frozen=True, slots=True)
class IeElement:
    """One information element, its fields in order. The repr shows no value."""

    name: str
    fields: tuple[tuple[str, str], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class IeData:
    """The elements and the SIP header fields; ``rest`` is what has neither form."""

    elements: tuple[IeElement, ...] = ()
    sip_headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    rest: str = field(default="", repr=False)


def parse_ie_data(text: str) -> IeData:
    """Parse any text. Never raises; what does not fit is in ``rest``."""
    head = _SIP_HEAD.search(text)
    plain, sip, after = text, "", ""
    if head is not None:
        plain = text[: head.start()]
        sip, _, after = text[head.end() :].partition(_SIP_END)
    elements: list[IeElement] = []
    rest: list[str] = []
    for piece in _SEMICOLON.split(plain):
        name, colon, fields = _pair(_COLON, piece)
        if colon and name:
            elements.append(IeElement(name, _fields(fields)))
        else:
            rest.append(piece.strip())
    headers = [_pair(_COLON, piece) for piece in sip.split(_SIP_BETWEEN)]
    rest.append(after.strip())
    return IeData(
        elements=tuple(elements),
        sip_headers=tuple((name, value) for name, _, value in headers if name or value),
        rest=";".join(filter(None, rest)),
    )


def _fields(text: str) -> tuple[tuple[str, str], ...]:
    found = []
    for piece in _COMMA.split(text):
        name, _, value = piece.partition("=")
        if name.strip() or value.strip():
            found.append((name.strip(), value.strip()))
    return tuple(found)


def _pair(separator: re.Pattern[str], text: str) -> tuple[str, str, str]:
    """Return the texts before and after the first separator, with the separator between."""
    found = separator.search(text)
    if found is None:
        return text.strip(), "", ""
    return text[: found.start()].strip(), found.group(), text[found.end() :].strip()
