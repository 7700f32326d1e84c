"""Forms of write-backs for pages and API: the filter of the list, and the result.

Pages send local times, programs ISO 8601 with an offset. The forms are as tolerant as the vendor's
documents; contradictions are refused.
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
    validate_year,
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
_MAX_AHEAD: Final = timedelta(minutes=5)
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

    def query(self, *, order: tuple[str, ...] = ()) -> WriteBackQuery:
        """Create the query; only after `is_valid()`."""
        names = (*FILTERS, "page", "size")
        return WriteBackQuery(**{name: self.cleaned_data[name] for name in names}, order=order)


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
        validate_year(instant)
        return instant.astimezone(UTC)


@dataclass(frozen=True)
class TypedTime:
    """A time as a form sends it.

    `exact` is the instant (ISO 8601) of the field's initial value, `offset` the one chosen in an
    hour that occurs twice, `zone` the zone of the page.
    """

    text: str
    exact: str = ""
    offset: str = ""
    zone: str = ""


class TypedTimeWidget(forms.Widget):
    """Reads a time and the hidden fields beside it."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> TypedTime:  # noqa: ARG002 - Django's signature
        """Return the parts of the time."""
        names = (name, f"{name}_exact", f"{name}_offset", "zone")
        return TypedTime(*(str(data.get(each) or "").strip()[:64] for each in names))


class ExactTimeField(LocalTimeField):
    """A local time that stays exactly its initial instant, with fractions of a second, unless
    another time is typed. In an hour that occurs twice the offset must be chosen."""

    widget = TypedTimeWidget  # type: ignore[assignment]

    def clean(self, value: Any) -> datetime | None:
        """Return the instant in UTC. Raises ValidationError (`twice`: without a needed offset)."""
        if not isinstance(value, TypedTime):
            return super().clean(value)
        zone = parse_zone(value.zone)
        with timezone.override(zone):
            typed = super().clean(value.text)
        if typed is None:
            return None
        initial = _parse_instant(value.exact)
        local = typed.astimezone(zone)
        offsets = list_offsets(local)
        if initial is not None and _looks_equal(initial.astimezone(zone), local):
            fits = value.offset in {"", format_offset(initial.astimezone(zone))}
            if fits or not offsets:
                return initial
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
    """List both offsets of a local time that occurs twice, the earlier first; () for any other."""
    both = tuple(format_offset(moment.replace(fold=fold)) for fold in (0, 1))
    return both if both[0] != both[1] else ()


def parse_zone(name: str) -> tzinfo:
    """Return the zone of this IANA name, else the current one."""
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
    """A result by a person or a program, with the fields of `fields.FIELDS`.

    `now` (aware) bounds the times. With `offsets` times are ISO 8601 with an offset, otherwise
    local. With `tasks` (ID → name) a task may also be given by its name. `number_of` is the key of
    a number that the person may not see.
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
        """Return the ID of a task given by ID or name. Raises ValidationError if ambiguous."""
        text = str(self.cleaned_data["service_id"])
        if not self.tasks or text.isdigit():
            return text
        return get_only_match(directory.match(self.tasks, text), text) or text

    def clean_fail_code(self) -> str:
        """Refuse codes that are not in the code table; without a table, malformed ones."""
        code = str(self.cleaned_data["fail_code"])
        if not code:
            return ""
        if self.book.codes and self.book.get(code) is None:
            raise ValidationError(_("This code is not in the VDN's code table."))
        if not _CODE_LIKE.fullmatch(code):
            raise ValidationError(_("A result code has only letters and digits."))
        return code

    def clean(self) -> dict[str, Any]:
        """Refuse contradicting times, and values that the vendor's interface does not accept."""
        found = self.cleaned_data
        for name in TIMES:
            instant = found.get(name)
            if instant is not None and instant > self.now + _MAX_AHEAD:
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
        """Create the vendor's request; only after `is_valid()`."""
        return create_result(self.scope.vdn, {name: self.cleaned_data[name] for name in BY_NAME})

    def lacks_offset(self) -> bool:
        """Tell whether a typed time occurs twice and has no offset."""
        return self.is_bound and any(self.has_error(name, "twice") for name in TIMES)

    def zone(self) -> tzinfo:
        """Return the zone of the times on the page of the form."""
        return parse_zone(str(self.data.get("zone", "")))

    def contradicts(self) -> bool:
        """Tell whether code and status contradict each other; only after `is_valid()`."""
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
