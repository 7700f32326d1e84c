"""Forms of tasks and call data, and parsing of typed names of agents and tasks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from isales_proxy.client.queries import MAX_AGENTS, MAX_BATCH, MAX_TEXT
from isales_proxy.core.form_fields import CountField, PageFilter, PlainTextField, SearchTextField
from isales_proxy.core.input_cleaning import CleanedInput, ProseField
from isales_proxy.outbound.directory import match
from isales_proxy.outbound.queries import RowQuery

_MOST_CANDIDATES: Final = 8

_COMMAS: Final = re.compile(r"[,;，；]")
# The vendor refuses these as "invalid characters".
_NEVER_IN_ACCOUNTS: Final = re.compile(r"[<>\"'&\\]")
_DIGIT: Final = re.compile(r"[0-9]")
# Larger numbers fit into no column.
_LAST_BATCH: Final = 2**31 - 1
_INCOMPLETE: Final = _("This form is incomplete. Reload the page.")


class BatchFilter(PageFilter):
    """Filter of the API's list of batches."""

    task = PlainTextField(_("Task"))


class TaskFilter(CleanedInput, forms.Form):
    """Search for tasks by name or ID."""

    q = SearchTextField(_("Name or ID"))


class CallDataFilter(PageFilter):
    """Filter of the rows of one task: by text and by batch."""

    fieldless = ("page", "size", "batch")

    q = SearchTextField(_("Search"))
    batch = CountField(_("Batch"), default=0, most=_LAST_BATCH)

    def query(
        self, *, service_id: str, batch_id: int | None = None, order: tuple[str, ...] = ()
    ) -> RowQuery:
        """Create the query within the task or batch of the path; only after `is_valid()`."""
        found = self.cleaned_data
        return RowQuery(
            service_id=service_id,
            batch_id=batch_id if batch_id is not None else found["batch"] or None,
            text=found["q"],
            page=found["page"],
            size=found["size"],
            order=order,
        )


class CallDataRequestForm(CleanedInput, forms.Form):
    """Request for call data. The `key` makes it one request, however often the form is sent."""

    batch_count = CountField(_("Rows to take"), default=0, most=MAX_BATCH)
    reason = ProseField(required=False, max_length=300, label=_("Reason"))
    confirmed = forms.BooleanField(error_messages={"required": _("Tick the box to confirm.")})
    key = forms.UUIDField(error_messages=dict.fromkeys(("required", "invalid"), _INCOMPLETE))

    def clean_batch_count(self) -> int:
        """Refuse a form without a number of rows, which has no default."""
        count = int(self.cleaned_data["batch_count"])
        if not count:
            raise ValidationError(_("Enter how many rows to take."))
        return count


@dataclass(frozen=True)
class Candidate:
    """One of several agents or tasks that match a typed text."""

    text: str
    ident: str
    name: str


class Ambiguous(ValidationError):
    """Refusal of a text that matches several agents or tasks; `candidates` are the first of them,
    by name."""

    def __init__(self, text: str, found: Mapping[str, str]) -> None:
        pairs = sorted(found.items(), key=lambda pair: (pair[1].casefold(), pair[0]))
        self.candidates = [Candidate(text, *pair) for pair in pairs[:_MOST_CANDIDATES]]
        names = [f"{each.name} ({each.ident})" for each in self.candidates]
        if len(pairs) > len(names):
            names.append("…")
        super().__init__(
            _("“%(text)s” can mean several. Choose one: %(found)s"),
            params={"text": text, "found": ", ".join(names)},
        )


def get_only_match(found: Mapping[str, str], text: str) -> str:
    """Return the only ID in `found`, "" for none. Raises Ambiguous for several."""
    if len(found) > 1:
        raise Ambiguous(text, found)
    return next(iter(found), "")


def parse_accounts(known: Mapping[str, str], text: str) -> list[str]:
    """Return the accounts of an agent's name or account, or of several accounts.

    `known` maps accounts to names. An unknown account is returned unchanged. Raises
    ValidationError.
    """
    if account := get_only_match(match(known, text), text):
        return [account]
    parts = text.split()
    refuse_too_many(parts)
    if len(parts) > 1 and all(part in known or _DIGIT.search(part) for part in parts):
        return [account for part in parts for account in parse_accounts(known, part)]
    if len(text) > MAX_TEXT:
        raise ValidationError(
            _("An agent account has at most %(most)s characters."), params={"most": MAX_TEXT}
        )
    if _NEVER_IN_ACCOUNTS.search(text):
        raise ValidationError(_("An agent account has none of < > \" ' & \\."))
    if len(parts) > 1:
        raise ValidationError(_("No agent with this name has been seen yet. Enter the account."))
    return parts


def split_agents(texts: Iterable[str]) -> list[str]:
    """Split texts at commas into accounts and names, without duplicates."""
    parts = (" ".join(part.split()) for text in texts for part in _COMMAS.split(text))
    return [part for part in dict.fromkeys(parts) if part]


def refuse_too_many(agents: Sequence[str]) -> None:
    """Raise ValidationError for more agents than one query may name."""
    if len(agents) > MAX_AGENTS:
        raise ValidationError(_("At most %(most)s agents at once."), params={"most": MAX_AGENTS})
