"""The filter of the reservations list, for its page and the API, which makes a frozen query.

Times are read in the active time zone and returned in UTC. A named range is relative to the present
time and the reader's day, so its address stays useful. Typed times replace it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import TextChoices
from django.http import QueryDict
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext_lazy as _

from isales_proxy.access import Permission, Scope
from isales_proxy.core.form_fields import (
    CalledNumberField,
    LocalTimeField,
    PageFilter,
    PlainTextField,
    SharedFields,
    SortField,
    format_local_time,
    validate_one_line,
)
from isales_proxy.core.input_cleaning import CleanedInput
from isales_proxy.models import CodeCategory, MirrorVersion
from isales_proxy.outbound import directory, tasks
from isales_proxy.outbound.forms import (
    Ambiguous,
    Candidate,
    get_only_match,
    parse_accounts,
    refuse_too_many,
    split_agents,
)
from isales_proxy.privacy.phone_numbers import FEWEST_DIGITS, SearchedNumber
from isales_proxy.reservations.query import (
    MOST_NUMBERS,
    SORT_KEYS,
    Cursor,
    ListQuery,
    Source,
    SourceRefused,
    Tab,
    VagueNumber,
    get_days,
)
from isales_proxy.reservations.status import ReservationState

_TIMES: Final = ("begin", "end", "range")
_TASK_ID: Final = re.compile(r"[0-9A-Za-z_-]*")
_CODE: Final = re.compile(r"[0-9A-Za-z_-]{1,32}")
MOST_CODES: Final = 20
LONGEST_CODES: Final = 400
QUERY_FIELDS: Final = {
    "agent": "agents",
    "task": "task_id",
    "q": "text",
    "code": "codes",
    "type": "call_type",
    "status": "task_status",
}
"""Parameter → field of `ListQuery`, where their names differ."""
_PARAMETERS: Final = {field: name for name, field in QUERY_FIELDS.items()}
_VIEWS: Final = {**dict.fromkeys(("tab", "source", "after", "before", "jump")), "sort": ""}
"""Parameters that do not select rows but their source, part, order or place, with empty values."""


class NamedRange(TextChoices):
    """Time range by name, relative to now and the active time zone."""

    NEXT_HOUR = "next-hour", _("Next hour")
    TODAY = "today", _("Today")
    YESTERDAY = "yesterday", _("Yesterday")
    LAST_7_DAYS = "last-7-days", _("Last 7 days")

    def get_span(self, now: datetime) -> tuple[datetime, datetime]:
        """Return the first and the last millisecond of the range (UTC) at the aware time `now`."""
        zone = timezone.get_current_timezone()
        last = timedelta(milliseconds=1)
        if self is NamedRange.NEXT_HOUR:
            minute = now.astimezone(UTC).replace(second=0, microsecond=0)
            return minute, minute + timedelta(hours=1) - last
        first_day, next_day = {
            NamedRange.TODAY: (0, 1),
            NamedRange.YESTERDAY: (-1, 0),
            NamedRange.LAST_7_DAYS: (-6, 1),
        }[self]
        begin, end = get_days(now, zone, first_day, next_day)
        return begin, end - last


class AgentsField(forms.Field):
    """Agents by account or name: the parameter repeated, or several in one, comma-separated."""

    widget = forms.SelectMultiple

    def __init__(self) -> None:
        super().__init__(required=False, label=_("Agents"))

    def clean(self, value: Any) -> tuple[str, ...]:
        texts = tuple(split_agents(value or ()))
        refuse_too_many(texts)
        for text in texts:
            validate_one_line(text)
        return texts


class _JoinedInput(forms.TextInput):
    """An input whose parameter may be repeated."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> str:  # noqa: ARG002 - Django's signature
        return ",".join(data.getlist(name))


class CodesField(PlainTextField):
    """Result codes, comma-separated or the parameter repeated, with or without their leading
    zeros."""

    widget = _JoinedInput

    def __init__(self) -> None:
        super().__init__(_("Result code"), max_length=LONGEST_CODES)

    def clean(self, value: Any) -> Any:
        codes = [text.strip() for text in super().clean(value).split(",") if text.strip()]
        if len(codes) > MOST_CODES or not all(map(_CODE.fullmatch, codes)):
            raise ValidationError(
                _("Enter result codes of digits, at most %(most)s, with commas between them."),
                params={"most": MOST_CODES},
            )
        return tuple(dict.fromkeys(codes))


class CursorField(forms.Field):
    """The row before or after a page, as the list's own links name it."""

    def __init__(self) -> None:
        super().__init__(required=False, label=_("Page"))

    def clean(self, value: Any) -> Cursor | None:
        text = str(value or "").strip()
        try:
            return Cursor.parse(text) if text else None
        except (ValueError, OverflowError):
            raise ValidationError(_("This link to a page is not valid.")) from None


class EnumField(forms.TypedChoiceField):
    """A member of an enumeration; `empty_value` for any."""

    def __init__(self, label: Any, enum: type[TextChoices], *, empty_value: Any = "") -> None:
        super().__init__(
            required=False,
            label=label,
            choices=[("", _("Any")), *enum.choices],
            coerce=enum,
            empty_value=empty_value,
            error_messages={"invalid_choice": _("This is not one of the choices.")},
        )

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value)).strip()


class VendorCodeField(PlainTextField):
    """A value of the vendor, who may use others than the choices, which are those with a label."""

    def __init__(self, label: Any, choices: tuple[tuple[str, Any], ...]) -> None:
        super().__init__(label)
        self.choices = choices

    def clean(self, value: Any) -> str:
        text = str(super().clean(value)).strip()
        if text and not _CODE.fullmatch(text):
            raise ValidationError(_("This is none of the values to choose from."))
        return text


CALL_TYPES: Final = (("1", _("Manual")), ("2", _("Auto")))
TASK_STATUSES: Final = (
    ("1", _("Draft")),
    ("2", _("Running")),
    ("3", _("Paused")),
    ("4", _("Completed")),
)


class ReservationFilter(PageFilter):
    """Filter of the reservations list.

    `candidates` are the choices for an ambiguous name, by field; `dropped` names the parameters
    that `drop` ignored.
    """

    called_no = CalledNumberField()
    agent = AgentsField()
    task = PlainTextField(_("Task"))
    begin = LocalTimeField(_("From"), later=False)
    end = LocalTimeField(_("To"), later=True)
    range = forms.ChoiceField(
        required=False,
        label=_("Due"),
        choices=NamedRange.choices,
        error_messages={"invalid_choice": _("Must be next-hour, today, yesterday or last-7-days.")},
    )
    q = PlainTextField(_("Name or result"))
    code = CodesField()
    category = EnumField(_("Category"), CodeCategory)
    type = VendorCodeField(_("Type"), CALL_TYPES)
    status = VendorCodeField(_("Task status"), TASK_STATUSES)
    state = EnumField(_("State"), ReservationState)
    as_of = LocalTimeField(_("As it was at"), later=True)
    jump = LocalTimeField(_("Jump to time"), later=False)
    tab = EnumField(_("Tab"), Tab, empty_value=None)
    sort = SortField(SORT_KEYS)
    source = EnumField(_("Source"), Source, empty_value=None)
    after = CursorField()
    before = CursorField()

    fieldless = (*PageFilter.fieldless, "range", "tab", "sort", "source", "after", "before")
    data: QueryDict

    def __init__(self, data: QueryDict, *, scope: Scope, now: datetime | None = None) -> None:
        super().__init__(data)
        self.scope = scope
        self.now = now or timezone.now()
        self.candidates: dict[str, list[Candidate]] = {}
        self.refused_agent = ""
        self.dropped: set[str] = set()
        if not scope.can(Permission.SEE_ALL_AGENTS):
            del self.fields["agent"]

    def _clean_fields(self) -> None:
        """Clean only the fields of the address: Django would clean all twenty for every list."""
        fields, given = self.fields, self.data.keys()
        self.fields = {name: field for name, field in fields.items() if name in given}
        super()._clean_fields()  # type: ignore[misc]
        self.fields = fields
        for name in fields.keys() - given:
            self.cleaned_data[name] = _NOT_GIVEN[name]

    def clean_called_no(self) -> str:
        """Refuse partial numbers without SEE_NUMBERS: they would find a number digit by digit."""
        number = str(self.cleaned_data["called_no"])
        if (
            number
            and not self.scope.can(Permission.SEE_NUMBERS)
            and not SearchedNumber.parse(number).is_complete
        ):
            raise ValidationError(
                _("Enter the complete number, at least %(fewest)s digits."),
                params={"fewest": FEWEST_DIGITS},
            )
        return number

    def clean_agent(self) -> tuple[str, ...]:
        """Resolve names to accounts; an ambiguous one is refused and its candidates are offered."""
        texts = self.cleaned_data["agent"]
        if not texts:
            return ()
        known = self._get_agents(texts)
        accounts: list[str] = []
        for text in texts:
            try:
                accounts += parse_accounts(known, text)
            except ValidationError as error:
                self.refused_agent = text
                self._offer_candidates("agent", error)
                raise
        unique = tuple(dict.fromkeys(accounts))
        refuse_too_many(unique)
        return unique

    def _get_agents(self, texts: Iterable[str]) -> dict[str, str]:
        """Return account → name of the agents seen in answers, and unless each text is one of these
        accounts, of those in the mirror."""
        known = directory.get_known_names(scope=self.scope).agents
        if all(text in known for text in texts):
            return known
        return directory.add_mirrored_agents(known, scope=self.scope)

    def clean_task(self) -> str:
        """Resolve a task's name, or a part that only one name contains, to its ID."""
        text = str(self.cleaned_data["task"])
        if not text:
            return ""
        try:
            found = get_only_match(tasks.match(scope=self.scope, text=text), text) or text
        except ValidationError as error:
            self._offer_candidates("task", error)
            raise
        if not _TASK_ID.fullmatch(found):
            raise ValidationError(_("Unknown task name. Enter its ID."))
        return found

    def _offer_candidates(self, name: str, error: ValidationError) -> None:
        if isinstance(error, Ambiguous):
            self.candidates[name] = error.candidates

    def clean(self) -> dict[str, Any]:
        """Check the fields against each other and set `span`, the time range of the query."""
        found = self.cleaned_data
        begin, end = found.get("begin"), found.get("end")
        if begin and end and begin > end:
            self.add_error("end", _("“To” is earlier than “From”."))
        if begin or end:
            found["range"] = ""
        as_of = found.get("as_of")
        if as_of and as_of > self.now:
            self.add_error("as_of", _("This time has not come yet."))
        elif as_of and as_of < self._get_first_known():
            self.add_error("as_of", _("The mirror has no data for that time."))
        is_by_due_time = str(found.get("sort", "")).removeprefix("-") in {"", "due"}
        if found.get("jump") and not (is_by_due_time and found.get("page") == 1):
            self.add_error(
                "jump", _("Only the first page, sorted by due time, can begin at a chosen time.")
            )
        self.span = (begin, end)
        if name := found.get("range"):
            self.span = NamedRange(name).get_span(self.now)
        return found

    def _get_first_known(self) -> datetime:
        """Return when the oldest version of the VDN's mirror became known (aware UTC)."""
        versions = MirrorVersion.objects.filter(vdn=self.scope.vdn.pk).order_by("pk")
        first = versions.values_list("known_from", flat=True).first()
        return first or self.now

    def list_parameters(self, *names: str) -> list[tuple[str, str]]:
        """List the valid parameters of these names as an address has them; times with an offset."""
        found = self.cleaned_data
        return [(name, _format_value(found[name])) for name in names if found.get(name)]

    def list_given_agents(self) -> list[str]:
        """List the agents of the address, valid or not, so that a page can show and remove them."""
        if "agent" not in self.fields:
            return []
        self.is_valid()
        if "agent" in self.cleaned_data:
            return list(self.cleaned_data["agent"])
        return split_agents(self.data.getlist("agent"))

    def is_ambiguous(self) -> bool:
        """Return True if the address could mean something else later or to another reader: names
        instead of IDs, times without an offset, or times beside a named range.
        """
        if not self.is_valid():
            return False
        typed = split_agents(self.data.getlist("agent")) if "agent" in self.fields else []
        found = self.cleaned_data
        times = [(name, self.data[name]) for name in _TIMES if self.data.get(name)]
        return (
            set(typed) != set(found.get("agent", ()))
            or str(self.data.get("task", "")).strip() != found["task"]
            or times != self.list_parameters(*_TIMES)
        )

    def find_unknown(self) -> dict[str, str]:
        """Map field names to the accounts or the task that no answer has contained so far.

        Only after `is_valid()`.
        """
        found, task = {}, self.cleaned_data["task"]
        if agents := self.cleaned_data.get("agent", ()):
            known = self._get_agents(agents)
            if unseen := [account for account in agents if account not in known]:
                found["agent"] = ", ".join(unseen)
        if task and task not in tasks.match(scope=self.scope, text=task):
            found["task"] = task
        return found

    def drop(self, refused: SourceRefused) -> bool:
        """Drop the parameters that need a mirror, and return True.

        Return False and drop nothing if some of them select rows.
        """
        names = {_PARAMETERS.get(name, name) for name in refused.fields}
        if refused.source is Source.LIVE or not names <= _VIEWS.keys():
            return False
        self.cleaned_data |= _VIEWS
        self.dropped = names
        return True

    def refuse(self, refused: SourceRefused) -> None:
        """Add errors to the fields that the source cannot answer."""
        if isinstance(refused, VagueNumber):
            text = explain_vague_number()
        elif refused.source is Source.LIVE:
            text = str(_("CC-iSales cannot answer this; only the complete list can."))
        else:
            text = str(_("This VDN has no complete list."))
        for name in refused.fields:
            self.add_error(_PARAMETERS.get(name, name), text)

    def query(self) -> ListQuery:
        """Return the frozen query; only after `is_valid()`."""
        values = {QUERY_FIELDS.get(name, name): each for name, each in self.cleaned_data.items()}
        del values["range"]
        values["begin"], values["end"] = self.span
        if values["state"] and not values["tab"]:
            # Rows of one state are searched for in all tabs.
            values["tab"] = Tab.ALL
        return ListQuery(**values)


def _format_value(value: Any) -> str:
    if isinstance(value, datetime):
        return format_local_time(value)
    return ",".join(value) if isinstance(value, tuple) else str(value)


def explain_vague_number() -> str:
    """Explain why the complete list does not search for a part of a number."""
    most = number_format(MOST_NUMBERS, force_grouping=True)
    return str(_("More than %s numbers begin or end with these digits: type more.") % most)


# Shared fields must not be changed: without a permission the agent field is left out.
ReservationFilter.base_fields = SharedFields(ReservationFilter.base_fields)
_NOT_GIVEN: Final = {
    name: field.clean(None) for name, field in ReservationFilter.base_fields.items()
}


class SeenForm(CleanedInput, forms.Form):
    """The revision that the person has seen, and the query string of the list to return to."""

    revision = forms.IntegerField(min_value=0, max_value=2**62)
    query = PlainTextField(_("Filters"), max_length=8_000)
