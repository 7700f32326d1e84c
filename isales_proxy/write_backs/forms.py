"""Forms of write-backs for the page and the API: the filter of the outbox, and the result itself.

A page sends times in the zone in force, a program sends ISO 8601 with an offset. What the vendor's
documents leave open stays open here; contradictions are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from isales_proxy.access import Scope
from isales_proxy.client.queries import IntermediateResult, InvalidQuery
from isales_proxy.client.records import SUCCESS_CODES
from isales_proxy.core.form_fields import (
    CalledNumberField,
    LocalTimeField,
    PageFilter,
    PlainTextField,
    format_offset,
    refuse_year,
)
from isales_proxy.core.input_cleaning import CleanedInput
from isales_proxy.models import WriteBackState
from isales_proxy.outbound import directory
from isales_proxy.outbound.forms import get_only_match
from isales_proxy.privacy.field_policies import Content
from isales_proxy.result_codes.book import CodeBook
from isales_proxy.write_backs.fields import (
    BY_NAME,
    FAILED,
    FIELDS,
    SUCCEEDED,
    TIMES,
    Field,
    create_result,
)
from isales_proxy.write_backs.queries import MOST_SHOWN, WriteBackQuery

LONGEST_RESERVATION: Final = 128
LONGEST_SOURCE: Final = LONGEST_RESERVATION + 20
LONGEST_KEY: Final = 64
LATEST_AHEAD: Final = timedelta(minutes=5)
FILTERS: Final = ("state", "q", "task")

_OFFSET: Final = re.compile(r"(?:Z|[+-]\d\d:?\d\d)$", re.IGNORECASE)
_CODE_LIKE: Final = re.compile(r"[0-9A-Za-z_-]+")


class ShownIdsField(forms.Field):
    """IDs of write-backs on the reader's screen, separated by commas."""

    def __init__(self) -> None:
        super().__init__(required=False)

    def clean(self, value: Any) -> tuple[int, ...]:
        parts = [part for part in str(value or "").split(",") if part]
        if len(parts) > MOST_SHOWN or any(
            not (part.isascii() and part.isdigit() and len(part) <= 18) for part in parts
        ):
            raise ValidationError(_("Enter numbers separated by commas."))
        return tuple(int(part) for part in parts)


class WriteBackFilter(PageFilter):
    """Filter of the write-backs page and of the API's list."""

    fieldless = ("page", "size", "state", "shown")

    state = forms.ChoiceField(
        required=False, choices=[("", ""), *WriteBackState.choices], label=_("State")
    )
    q = PlainTextField(_("Unique ID or number"))
    task = PlainTextField(_("Task"))
    shown = ShownIdsField()

    def query(self) -> WriteBackQuery:
        """The query; only after `is_valid()`."""
        names = (*FILTERS, "page", "size")
        return WriteBackQuery(**{name: self.cleaned_data[name] for name in names})


class OffsetTimeField(forms.Field):
    """ISO 8601 with its offset from UTC, as an aware UTC datetime."""

    def clean(self, value: Any) -> datetime | None:
        text = str(value or "").strip()
        if not text:
            return None
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            raise ValidationError(
                _("Use ISO 8601, for example 2025-05-31T14:30:00+08:00.")
            ) from None
        if instant.tzinfo is None or not _OFFSET.search(text):
            raise ValidationError(
                _("Add the offset from UTC, for example 2025-05-31T14:30:00+08:00.")
            )
        refuse_year(instant)
        return instant.astimezone(UTC)


@dataclass(frozen=True)
class TypedTime:
    """A time as a form sends it.

    `exact` is the instant (ISO 8601) that the field was filled with, `offset` the chosen one of two
    in an hour that occurs twice, `zone` the zone of the page.
    """

    text: str
    exact: str = ""
    offset: str = ""
    zone: str = ""


class TypedTimeWidget(forms.Widget):
    """Reads a time and the hidden fields beside it."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> TypedTime:  # noqa: ARG002 - Django's signature
        """The parts as they were sent."""
        names = (name, f"{name}_exact", f"{name}_offset", "zone")
        return TypedTime(*(str(data.get(each) or "").strip()[:64] for each in names))


class ExactTimeField(LocalTimeField):
    """A local time that keeps the instant it was filled with, to the fraction of a second, unless
    another time is typed. In an hour that occurs twice the offset must be chosen."""

    widget = TypedTimeWidget  # type: ignore[assignment]

    def clean(self, value: Any) -> datetime | None:
        """Return the instant in UTC. Raises ValidationError, with the code `twice` where the offset
        is missing."""
        if not isinstance(value, TypedTime):
            return super().clean(value)
        zone = parse_zone(value.zone)
        with timezone.override(zone):
            typed = super().clean(value.text)
        if typed is None:
            return None
        filled = _parse_instant(value.exact)
        local = typed.astimezone(zone)
        offsets = list_offsets(local)
        if filled is not None and _looks_equal(filled.astimezone(zone), local):
            fits = value.offset in {"", format_offset(filled.astimezone(zone))}
            if fits or not offsets:
                return filled
        if not offsets:
            return typed
        for fold in (0, 1):
            meant = local.replace(fold=fold)
            if value.offset == format_offset(meant):
                return meant.astimezone(UTC)
        raise ValidationError(
            _("This time occurs twice because the clocks go back. Choose one of the two."),
            code="twice",
        )


def list_offsets(moment: datetime) -> tuple[str, ...]:
    """Both offsets of a local time that occurs twice, the earlier first; () for any other."""
    both = tuple(format_offset(moment.replace(fold=fold)) for fold in (0, 1))
    return both if both[0] != both[1] else ()


def parse_zone(name: str) -> tzinfo:
    """The zone of that IANA name, else the one in force."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return timezone.get_current_timezone()


def _looks_equal(one: datetime, other: datetime) -> bool:
    """Compare two times as a clock without fractions of a second shows them."""
    return one.replace(microsecond=0, tzinfo=None) == other.replace(microsecond=0, tzinfo=None)


def _parse_instant(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant.astimezone(UTC) if instant.tzinfo else None


class WriteBackForm(CleanedInput, forms.Form):
    """A result as a person or a program writes it, with the fields of `fields.FIELDS`.

    `now` (aware) bounds the times. With `offsets` times are ISO 8601 with an offset, else local
    times in the zone in force. With `tasks` (ID → name) a task may be given by its name, else by
    its ID alone. `number_of` is the key of a number that the writer may not see.
    """

    number_of = PlainTextField(_("Number on record"), max_length=LONGEST_SOURCE)
    reservation = PlainTextField(_("Reservation"), max_length=LONGEST_RESERVATION)

    def __init__(
        self,
        data: Mapping[str, Any] | None,
        *,
        scope: Scope,
        book: CodeBook,
        now: datetime,
        offsets: bool = False,
        tasks: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(data)
        self.tasks = tasks or {}
        self.scope = scope
        self.book = book
        self.now = now
        own = {each.name: _create_form_field(each, offsets=offsets) for each in FIELDS}
        self.fields = own | self.fields

    def clean_service_id(self) -> str:
        """Resolve the name of a known task to its ID. Raises ValidationError for several."""
        text = str(self.cleaned_data["service_id"])
        if not self.tasks or text.isdigit():
            return text
        return get_only_match(directory.match(self.tasks, text), text) or text

    def clean_fail_code(self) -> str:
        """Refuse codes that the code table lacks; while it was never read, what looks like none."""
        code = str(self.cleaned_data["fail_code"])
        if not code:
            return ""
        if self.book.codes and self.book.get(code) is None:
            raise ValidationError(_("This code is not in the VDN's code table."))
        if not _CODE_LIKE.fullmatch(code):
            raise ValidationError(_("A result code has only letters and digits."))
        return code

    def clean(self) -> dict[str, Any]:
        """Refuse times that contradict each other, and what the vendor's interface cannot hold."""
        found = self.cleaned_data
        for name in TIMES:
            instant = found.get(name)
            if instant is not None and instant > self.now + LATEST_AHEAD:
                self.add_error(name, _("This time is in the future."))
        fetched, began, ended = (found.get(name) for name in TIMES)
        if fetched and began and fetched > began:
            self.add_error(
                "write_start_time", _("The call cannot begin before its data was fetched.")
            )
        if began and ended and began > ended:
            self.add_error("end_call_time", _("The call cannot end before it began."))
        elif fetched and ended and fetched > ended:
            self.add_error("end_call_time", _("The call cannot end before its data was fetched."))
        if not self.errors:
            try:
                self.result()
            except InvalidQuery as error:
                place = error.field if error.field in self.fields else None
                self.add_error(place, _("CC-iSales does not accept this value."))
        return found

    def result(self) -> IntermediateResult:
        """The vendor's request; only after `is_valid()`."""
        return create_result(self.scope.vdn, {name: self.cleaned_data[name] for name in BY_NAME})

    def lacks_offset(self) -> bool:
        """True when a time was typed that occurs twice, without its offset."""
        return self.is_bound and any(self.has_error(name, "twice") for name in TIMES)

    def zone(self) -> tzinfo:
        """The zone in which the page of the form showed its times."""
        return parse_zone(str(self.data.get("zone", "")))

    def contradicts(self) -> bool:
        """True when code and status mean different things; only after `is_valid()`."""
        code, status = self.cleaned_data["fail_code"], self.cleaned_data["status"]
        return bool(code) and status == (FAILED if code in SUCCESS_CODES else SUCCEEDED)


def _create_form_field(field: Field, *, offsets: bool) -> forms.Field:
    label: Any = field.label
    if field.content is Content.TIME:
        if offsets:
            return OffsetTimeField(required=False, label=label)
        return ExactTimeField(label, later=field.name == "end_call_time")
    if field.content is Content.NUMBER:
        return CalledNumberField()
    if field.name == "device_type":
        return forms.TypedChoiceField(
            required=False,
            choices=[("", ""), *field.choices.items()],
            coerce=int,
            empty_value=None,
            label=label,
        )
    return PlainTextField(label, required=field.required, max_length=field.length)
