"""The filter of the reservations list, for its page and the API: bounds on every field, a frozen
query out. Times are read in the zone in force and returned in UTC.
"""

from __future__ import annotations

import re
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from isales_proxy.access import Permission, Scope
from isales_proxy.client.queries import ReservationQuery
from isales_proxy.core.form_fields import (
    CalledNumberField,
    LocalTimeField,
    PageFilter,
    PlainTextField,
    refuse_control_characters,
)
from isales_proxy.outbound import directory, tasks
from isales_proxy.outbound.typed_names import (
    Ambiguous,
    Candidate,
    accounts,
    only,
    refuse_too_many,
    split_agents,
)
from isales_proxy.privacy.phone_numbers import FEWEST_DIGITS, SearchedNumber

_TASK_ID: Final = re.compile(r"[0-9A-Za-z_-]*")


class AgentsField(forms.Field):
    """Agents by account or name: the parameter repeated, or several in one, comma-separated."""

    widget = forms.SelectMultiple

    def __init__(self) -> None:
        super().__init__(required=False, label=_("Agents"))

    def clean(self, value: Any) -> tuple[str, ...]:
        texts = tuple(split_agents(value or ()))
        refuse_too_many(texts)
        for text in texts:
            refuse_control_characters(text)
        return texts


class ReservationFilter(PageFilter):
    """Filter of the reservations list. `candidates` are the choices for an ambiguous name."""

    called_no = CalledNumberField()
    agent = AgentsField()
    task = PlainTextField(_("Task"))
    begin = LocalTimeField(_("From"), later=False)
    end = LocalTimeField(_("To"), later=True)

    data: QueryDict

    def __init__(self, data: QueryDict, *, scope: Scope) -> None:
        super().__init__(data)
        self.scope = scope
        self.candidates: dict[str, list[Candidate]] = {}
        self.refused_agent = ""
        if not scope.can(Permission.SEE_ALL_AGENTS):
            del self.fields["agent"]

    def clean_called_no(self) -> str:
        """Refuse partial numbers without SEE_NUMBERS: they would reveal the rest bit by bit."""
        number = str(self.cleaned_data["called_no"])
        if (
            number
            and not self.scope.can(Permission.SEE_NUMBERS)
            and not SearchedNumber.parse(number).is_complete
        ):
            raise ValidationError(
                _("Give the whole number, at least %(fewest)s digits."),
                params={"fewest": FEWEST_DIGITS},
            )
        return number

    def clean_agent(self) -> tuple[str, ...]:
        """Resolve names to accounts; an ambiguous one is refused and its candidates are offered."""
        texts = self.cleaned_data["agent"]
        if not texts:
            return ()
        known = directory.get_known_names(scope=self.scope).agents
        found: list[str] = []
        for text in texts:
            try:
                found += accounts(known, text)
            except ValidationError as error:
                self.refused_agent = text
                self._offer("agent", error)
                raise
        refuse_too_many(unique := tuple(dict.fromkeys(found)))
        return unique

    def clean_task(self) -> str:
        """Resolve a task's name, or a part that only one name contains, to its ID."""
        text = str(self.cleaned_data["task"])
        if not text:
            return ""
        try:
            found = only(tasks.match(scope=self.scope, text=text), text) or text
        except ValidationError as error:
            self._offer("task", error)
            raise
        if not _TASK_ID.fullmatch(found):
            raise ValidationError(_("No task of this name has been seen yet. Give its ID."))
        return found

    def _offer(self, name: str, error: ValidationError) -> None:
        if isinstance(error, Ambiguous):
            self.candidates[name] = error.candidates

    def clean(self) -> dict[str, Any]:
        """Refuse a range that ends before it begins."""
        found = self.cleaned_data
        begin, end = found.get("begin"), found.get("end")
        if begin and end and begin > end:
            self.add_error("end", _("“To” is earlier than “From”."))
        return found

    def list_asked_agents(self) -> list[str]:
        """List the agents as asked for, valid or not, so that a page can show and remove them."""
        if "agent" not in self.fields:
            return []
        self.is_valid()
        if "agent" in self.cleaned_data:
            return list(self.cleaned_data["agent"])
        return split_agents(self.data.getlist("agent"))

    def has_resolved_names(self) -> bool:
        """Return True if the query holds IDs where names or parts of them were typed."""
        if not self.is_valid():
            return False
        typed = split_agents(self.data.getlist("agent")) if "agent" in self.fields else []
        found = self.cleaned_data
        return set(typed) != set(found.get("agent", ())) or (
            str(self.data.get("task", "")).strip() != found["task"]
        )

    def find_unknown(self) -> dict[str, str]:
        """Map field names to the accounts or task that no answer has contained so far.

        Only after `is_valid()`.
        """
        found, task = {}, self.cleaned_data["task"]
        if agents := self.cleaned_data.get("agent", ()):
            known = directory.get_known_names(scope=self.scope).agents
            if unseen := [account for account in agents if account not in known]:
                found["agent"] = ", ".join(unseen)
        if task and task not in tasks.get_known_tasks(scope=self.scope):
            found["task"] = task
        return found

    def query(self) -> ReservationQuery:
        """Return the frozen query; only after `is_valid()`."""
        found = self.cleaned_data
        return ReservationQuery(
            called_no=found["called_no"],
            agents=found.get("agent", ()),
            begin=found["begin"],
            end=found["end"],
            task_id=found["task"],
            page=found["page"],
            size=found["size"],
        )
