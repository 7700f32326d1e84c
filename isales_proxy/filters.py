"""The filter: what a reader of the page or of its JSON twin may ask, with a bound on every field,
as a frozen query.

Times are read in the zone in force (the reader's, or that of the VDN) and handed over in UTC.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from isales_proxy.access import Permission, Scope
from isales_proxy.client.queries import (
    CALLED_NUMBER,
    MAX_AGENTS,
    MAX_PAGE,
    MAX_PAGE_SIZE,
    MAX_TEXT,
    ReservationQuery,
)
from isales_proxy.configuration import isales
from isales_proxy.services import tasks
from isales_proxy.services.numbers import search

Row = TypeVar("Row")

DEFAULT_SIZE: Final = 25
LONGEST_NUMBER: Final = 32
FEWEST_DIGITS: Final = search.FEWEST_DIGITS

_MOMENT: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d))?", re.ASCII)
# What the vendor refuses as "invalid characters": said here before it is asked.
_NEVER_IN_ACCOUNTS: Final = re.compile(r"[<>\"'&\\]")
_TASK_ID: Final = re.compile(r"[0-9A-Za-z_-]*")
_FIRST_YEAR, _LAST_YEAR = 2000, 2099


class CalledNumberField(forms.CharField):
    """A whole or partial called number; blanks, dashes and brackets of a pasted one are dropped."""

    def __init__(self) -> None:
        super().__init__(required=False, max_length=200, label=_("Called number"))

    def clean(self, value: Any) -> str:
        text = search.typed(str(value or ""))
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


class AgentsField(forms.Field):
    """Agent accounts: the parameter repeated, or several in one, parted by blanks or commas."""

    widget = forms.SelectMultiple

    def __init__(self) -> None:
        super().__init__(required=False, label=_("Agents"))

    def clean(self, value: Any) -> tuple[str, ...]:
        accounts = tuple(split_accounts(value or ()))
        if len(accounts) > MAX_AGENTS:
            raise ValidationError(
                _("At most %(most)s agents at once."), params={"most": MAX_AGENTS}
            )
        for account in accounts:
            if len(account) > MAX_TEXT:
                raise ValidationError(
                    _("An agent account has at most %(most)s characters."),
                    params={"most": MAX_TEXT},
                )
            _refuse_control_characters(account)
            if _NEVER_IN_ACCOUNTS.search(account):
                raise ValidationError(_("An agent account holds none of < > \" ' & \\."))
        return accounts


class LocalMomentField(forms.Field):
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
    """A whole number from 1 to `most`; empty stands for `default`."""

    def __init__(self, label: Any, *, default: int, most: int) -> None:
        super().__init__(required=False, label=label)
        self.default = default
        self.most = most

    def clean(self, value: Any) -> int:
        text = str(value or "").strip()
        if not text:
            return self.default
        if not re.fullmatch(r"[0-9]{1,12}", text) or not 1 <= int(text) <= self.most:
            raise ValidationError(
                _("Must be a whole number from 1 to %(most)s."), params={"most": self.most}
            )
        return int(text)


class PageFilter(forms.Form):
    """Which page of a list that takes no other question."""

    page = CountField(_("Page"), default=1, most=MAX_PAGE)
    size = CountField(_("Rows per page"), default=DEFAULT_SIZE, most=MAX_PAGE_SIZE)

    def clean_size(self) -> int:
        """An address made where larger pages were allowed still works here."""
        return min(int(self.cleaned_data["size"]), isales().max_page_size)


class WholeFilter(forms.Form):
    """A short list of our own, whole unless the reader wants it in pages."""

    page = CountField(_("Page"), default=1, most=MAX_PAGE)
    size = CountField(_("Rows per page"), default=MAX_PAGE_SIZE, most=MAX_PAGE_SIZE)

    def cut(self, rows: Sequence[Row]) -> Sequence[Row]:
        """The rows of the page; only after `is_valid()`."""
        page, size = self.cleaned_data["page"], self.cleaned_data["size"]
        return rows[(page - 1) * size : page * size]


class ReservationFilter(forms.Form):
    """The question of the reservations page and of its JSON twin."""

    called_no = CalledNumberField()
    agent = AgentsField()
    task = PlainTextField(_("Task"))
    begin = LocalMomentField(_("From"), later=False)
    end = LocalMomentField(_("To"), later=True)
    page = CountField(_("Page"), default=1, most=MAX_PAGE)
    size = CountField(_("Rows per page"), default=DEFAULT_SIZE, most=MAX_PAGE_SIZE)

    data: QueryDict

    def __init__(self, data: QueryDict, *, scope: Scope) -> None:
        super().__init__(data)
        self.scope = scope
        if not scope.can(Permission.SEE_ALL_AGENTS):
            del self.fields["agent"]

    def clean_called_no(self) -> str:
        """Who may not see numbers asks for whole ones: parts would tell the rest, bit by bit."""
        number = str(self.cleaned_data["called_no"])
        if number and not self.scope.can(Permission.SEE_NUMBERS) and not search.is_whole(number):
            raise ValidationError(
                _("Give the whole number, at least %(fewest)s digits."),
                params={"fewest": FEWEST_DIGITS},
            )
        return number

    def clean_task(self) -> str:
        """A task may be asked for by its name, too, where that is the name of one alone."""
        text = str(self.cleaned_data["task"])
        found = tasks.resolve(scope=self.scope, text=text) if text else ""
        if not _TASK_ID.fullmatch(found):
            raise ValidationError(_("No task of this name has been seen yet. Give its ID."))
        return found

    def clean_size(self) -> int:
        """An address made where larger pages were allowed still works here."""
        return min(int(self.cleaned_data["size"]), isales().max_page_size)

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
        return split_accounts(self.data.getlist("agent"))

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


def split_accounts(texts: Iterable[str]) -> list[str]:
    """The accounts in these texts, each once, parted by blanks or commas."""
    parts = re.split(r"[\s,;，；]+", " ".join(texts))
    return [account for account in dict.fromkeys(parts) if account]


def _refuse_control_characters(text: str) -> None:
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        raise ValidationError(_("Only plain text on one line, please."))
