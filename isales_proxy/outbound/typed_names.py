"""Agents and tasks as people type them: by account or ID, by name, or by a part of a name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from isales_proxy.client.queries import MAX_AGENTS, MAX_TEXT
from isales_proxy.outbound import directory

MOST_CANDIDATES: Final = 8

_COMMAS: Final = re.compile(r"[,;，；]")
# What the vendor refuses as "invalid characters": said here before it is asked.
_NEVER_IN_ACCOUNTS: Final = re.compile(r"[<>\"'&\\]")
_FIGURE: Final = re.compile(r"[0-9]")


@dataclass(frozen=True)
class Candidate:
    """One of several that a typed text can mean."""

    text: str
    ident: str
    name: str


class Ambiguous(ValidationError):
    """A text can mean several; `candidates` are the first of them, by name."""

    def __init__(self, text: str, match: directory.Match) -> None:
        pairs = sorted(match.found.items(), key=lambda pair: (pair[1].casefold(), pair[0]))
        self.candidates = [Candidate(text, *pair) for pair in pairs[:MOST_CANDIDATES]]
        told = [f"{each.name} ({each.ident})" for each in self.candidates]
        if len(pairs) > len(told):
            told.append("…")
        super().__init__(
            _("“%(text)s” can mean several. Choose one: %(found)s"),
            params={"text": text, "found": ", ".join(told)},
        )


def only(match: directory.Match, text: str) -> str:
    """The one ID that is meant; "" where none is known. Raises Ambiguous."""
    if len(match.found) > 1:
        raise Ambiguous(text, match)
    return match.only


def accounts(known: Mapping[str, str], text: str) -> list[str]:
    """The accounts that are meant, among those known (account → name), or one not seen yet.

    Raises ValidationError.
    """
    if account := only(directory.match(known, text), text):
        return [account]
    parts = text.split()
    refuse_too_many(parts)
    if len(parts) > 1 and all(part in known or _FIGURE.search(part) for part in parts):
        return [account for part in parts for account in accounts(known, part)]
    if len(text) > MAX_TEXT:
        raise ValidationError(
            _("An agent account has at most %(most)s characters."), params={"most": MAX_TEXT}
        )
    if _NEVER_IN_ACCOUNTS.search(text):
        raise ValidationError(_("An agent account holds none of < > \" ' & \\."))
    if len(parts) > 1:
        raise ValidationError(_("No agent of this name has been seen yet. Give the account."))
    return parts


def split_agents(texts: Iterable[str]) -> list[str]:
    """The accounts and names in these texts, each once, parted by commas."""
    parts = (" ".join(part.split()) for text in texts for part in _COMMAS.split(text))
    return [part for part in dict.fromkeys(parts) if part]


def refuse_too_many(agents: Sequence[str]) -> None:
    """Raise ValidationError for more agents than one question may name."""
    if len(agents) > MAX_AGENTS:
        raise ValidationError(_("At most %(most)s agents at once."), params={"most": MAX_AGENTS})
