"""The filter: what a reader of the page or of its JSON twin may ask, with a bound on every field,
as a frozen query.

Times are read in the zone in force (the reader's, or that of the VDN) and handed over in UTC.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from isales_proxy.access import Permission, Scope
from isales_proxy.client.queries import (
    CALLED_NUMBER,
    MAX_PAGE,
    MAX_PAGE_SIZE,
    MAX_TEXT,
    ReservationQuery,
)
from isales_proxy.core.input_cleaning import CleanedInput, ProseField
from isales_proxy.core.settings import get_isales_settings
from isales_proxy.outbound import directory, tasks
from isales_proxy.outbound.typed_names import (
    Ambiguous,
    Candidate,
    accounts,
    only,
    refuse_too_many,
    split_agents,
)
from isales_proxy.reservations import number_search

Row = TypeVar("Row")

DEFAULT_SIZE: Final = 25
LONGEST_NUMBER: Final = 32
FEWEST_DIGITS: Final = number_search.FEWEST_DIGITS

_MOMENT: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d))?", re.ASCII)
_TASK_ID: Final = re.compile(r"[0-9A-Za-z_-]*")
_FIRST_YEAR, _LAST_YEAR = 2000, 2099


class CalledNumberField(forms.CharField):
    """A whole or partial called number; blanks, dashes and brackets of a pasted one are dropped."""

    def __init__(self) -> None:
        super().__init__(required=False, max_length=200, label=_("Called number"))

    def clean(self, value: Any) -> str:
        text = number_search.typed(str(value or ""))
        if len(text) > LONGEST_NUMBER:
            raise ValidationError(
                ngettext_lazy(
                    "A called number has at most %d digit.",
                    "A called number has at most %d digits.",
                    LONGEST_NUMBER,
                )
                % LONGEST_NUMBER
            )
        if text and not CALLED_NUMBER.fullmatch(text):
            raise ValidationError(_("A called number has only digits, and perhaps a + in front."))
        return text


class PlainTextField(forms.CharField):
    """One line of text without control characters."""

    def __init__(self, label: Any) -> None:
        super().__init__(required=False, max_length=MAX_TEXT, label=label)

    def clean(self, value: Any) -> str:
        text = str(super().clean(value))
        _refuse_control_characters(text)
        return text


class SearchTextField(PlainTextField, ProseField):
    """One line that is looked for in texts of others: where it is, its form may be either."""


class AgentsField(forms.Field):
    """Agents by account or name: the parameter repeated, or several in one, parted by commas."""

    widget = forms.SelectMultiple

    def __init__(self) -> None:
        super().__init__(required=False, label=_("Agents"))

    def clean(self, value: Any) -> tuple[str, ...]:
        texts = tuple(split_agents(value or ()))
        refuse_too_many(texts)
        for text in texts:
            _refuse_control_characters(text)
        return texts


class LocalTimeField(forms.Field):
    """`YYYY-MM-DDTHH:MM` in the zone in force, as an aware UTC datetime.

    When clocks are put back an hour exists twice: a beginning takes the first, an end the second,
    so that no row falls out. When they are put forward an hour is missing, which is said.
    """

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")

    def __init__(self, label: Any, *, later: bool) -> None:
        super().__init__(required=False, label=label)
        self.fold = int(later)

    def clean(self, value: Any) -> datetime | None:
        text = str(value or "").strip()
        if not text:
            return None
        match = _MOMENT.fullmatch(text)
        if match is None:
            raise ValidationError(_("Give date and time as 2025-05-31T14:30."))
        try:
            naive = datetime(*(int(part or 0) for part in match.groups()))  # type: ignore[arg-type]  # noqa: DTZ001
        except ValueError:
            raise ValidationError(_("There is no such date or time.")) from None
        if not _FIRST_YEAR <= naive.year <= _LAST_YEAR:
            raise ValidationError(
                _("The year must be from %(first)s to %(last)s."),
                params={"first": _FIRST_YEAR, "last": _LAST_YEAR},
            )
        zone = timezone.get_current_timezone()
        moment = naive.replace(tzinfo=zone, fold=self.fold).astimezone(UTC)
        if moment.astimezone(zone).replace(tzinfo=None) != naive:
            raise ValidationError(_("This time does not exist: the clocks go forward past it."))
        return moment


class CountField(forms.Field):
    """A whole number from 1 to `most`; empty stands for `default`.

    A `bound` that is less than `most` is what a refusal says, and what a larger value becomes: an
    address made where more was allowed still works.
    """

    def __init__(
        self,
        label: Any,
        *,
        default: int,
        most: int,
        bound: Callable[[], int] | None = None,
    ) -> None:
        super().__init__(required=False, label=label)
        self.default = default
        self.most = most
        self.bound = bound

    def clean(self, value: Any) -> int:
        text = str(value or "").strip()
        if not text:
            return self.default
        if not re.fullmatch(r"[0-9]{1,12}", text) or not 1 <= int(text) <= self.most:
            raise ValidationError(
                _("Must be a whole number from 1 to %(most)s."), params={"most": self._largest()}
            )
        return min(int(text), self._largest())

    def _largest(self) -> int:
        return min(self.most, self.bound()) if self.bound else self.most


class PageFilter(CleanedInput, forms.Form):
    """Which page of a list, and how long a page is: parameters that have no field on the page."""

    fieldless: ClassVar[tuple[str, ...]] = ("page", "size")

    page = CountField(_("Page"), default=1, most=MAX_PAGE)
    size = CountField(
        _("Rows per page"),
        default=DEFAULT_SIZE,
        most=MAX_PAGE_SIZE,
        bound=lambda: get_isales_settings().max_page_size,
    )

    @property
    def size_cut_to(self) -> int | None:
        """What a size beyond the bound was cut to; None where it was not."""
        asked, size = str(self.data.get("size") or "").strip(), self.cleaned_data.get("size")
        return size if size is not None and asked and int(asked) > size else None


class ShortListFilter(CleanedInput, forms.Form):
    """A short list of our own, whole unless the reader wants it in pages."""

    page = CountField(_("Page"), default=1, most=MAX_PAGE)
    size = CountField(_("Rows per page"), default=MAX_PAGE_SIZE, most=MAX_PAGE_SIZE)

    def cut(self, rows: Sequence[Row]) -> Sequence[Row]:
        """The rows of the page; only after `is_valid()`."""
        page, size = self.cleaned_data["page"], self.cleaned_data["size"]
        return rows[(page - 1) * size : page * size]


class ReservationFilter(PageFilter):
    """The question of the reservations page and of its JSON twin."""

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
        """Who may not see numbers asks for whole ones: parts would tell the rest, bit by bit."""
        number = str(self.cleaned_data["called_no"])
        if (
            number
            and not self.scope.can(Permission.SEE_NUMBERS)
            and not number_search.is_whole(number)
        ):
            raise ValidationError(
                _("Give the whole number, at least %(fewest)s digits."),
                params={"fewest": FEWEST_DIGITS},
            )
        return number

    def clean_agent(self) -> tuple[str, ...]:
        """The accounts that are meant; of a text that several names bear each is offered."""
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
        """A task may be asked for by its name, or by a part that is in one name alone."""
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

    def asked_agents(self) -> list[str]:
        """The agents as asked for, good or not, so that a page can show and remove them."""
        if "agent" not in self.fields:
            return []
        self.is_valid()
        if "agent" in self.cleaned_data:
            return list(self.cleaned_data["agent"])
        return split_agents(self.data.getlist("agent"))

    def named(self) -> bool:
        """Whether something was asked for by its name, so that the address says it otherwise."""
        if not self.is_valid():
            return False
        typed = split_agents(self.data.getlist("agent")) if "agent" in self.fields else []
        found = self.cleaned_data
        return set(typed) != set(found.get("agent", ())) or (
            str(self.data.get("task", "")).strip() != found["task"]
        )

    def unknown(self) -> dict[str, str]:
        """Field → what is asked for there though no row and no list has told it so far; only after
        `is_valid()`."""
        found, task = {}, self.cleaned_data["task"]
        if agents := self.cleaned_data.get("agent", ()):
            known = directory.get_known_names(scope=self.scope).agents
            if strange := [account for account in agents if account not in known]:
                found["agent"] = ", ".join(strange)
        if task and task not in tasks.get_known_tasks(scope=self.scope):
            found["task"] = task
        return found

    def query(self) -> ReservationQuery:
        """The frozen question; only after `is_valid()`."""
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


def _refuse_control_characters(text: str) -> None:
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        raise ValidationError(_("Only plain text on one line, please."))
