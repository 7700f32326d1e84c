"""The form of a result to be written back: one for the page and for its JSON twin, with a bound on
every field.

A page gives times in the zone in force, a program gives ISO 8601 with an offset. What the vendor
leaves open stays open here; what contradicts itself is refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from isales_proxy.access import Scope
from isales_proxy.client.queries import MAX_TEXT, InvalidQuery
from isales_proxy.filters import CalledNumberField, LocalMomentField
from isales_proxy.input_cleaning import CleanedInput
from isales_proxy.services import names
from isales_proxy.services.result_codes.code_book import CodeBook
from isales_proxy.services.states import SUCCESS
from isales_proxy.services.write_backs import IntermediateResult
from isales_proxy.typed_names import only

LONGEST_UNIQUE_ID: Final = 128
LONGEST_STATUS: Final = 32
LONGEST_CODE: Final = 32
LONGEST_SOURCE: Final = LONGEST_UNIQUE_ID + 20
LONGEST_KEY: Final = 64
LATEST_AHEAD: Final = timedelta(minutes=5)

FAILED, SUCCEEDED = "5", "6"
# The vendor names no values for this interface; its call results elsewhere have these two.
STATUSES: Final[dict[str, str | Promise]] = {FAILED: _("failed"), SUCCEEDED: _("succeeded")}
# Those of its campaigns.
DEVICE_TYPES: Final[dict[str, str | Promise]] = {
    "1": _("Intelligent IVR"),
    "2": _("Predictive, skill queue"),
    "3": _("Automatic IVR"),
    "5": _("Preview, skill queue"),
    "6": _("Preempted, skill queue"),
}
TIMES: Final = ("fetch_time", "write_start_time", "end_call_time")
FIELDS: Final = (
    "unique_id",
    "service_id",
    "fail_code",
    "status",
    "device_type",
    "phone_number",
    "asr_result",
    *TIMES,
    "call_id",
)

_OFFSET: Final = re.compile(r"(?:Z|[+-]\d\d:?\d\d)$", re.IGNORECASE)
_CODE_LIKE: Final = re.compile(r"[0-9A-Za-z_-]+")
_ID_LIKE: Final = re.compile(r"[0-9]+")
_FIRST_YEAR, _LAST_YEAR = 2000, 2099


class LineField(forms.CharField):
    """One line of text without control characters."""

    def clean(self, value: Any) -> str:
        text = str(super().clean(value))
        if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
            raise ValidationError(_("Only plain text on one line, please."))
        return text


class OffsetMomentField(forms.Field):
    """ISO 8601 with its offset from UTC, as an aware UTC datetime."""

    def clean(self, value: Any) -> datetime | None:
        text = str(value or "").strip()
        if not text:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise ValidationError(_("Give ISO 8601, as 2025-05-31T14:30:00+08:00.")) from None
        if moment.tzinfo is None or not _OFFSET.search(text):
            raise ValidationError(_("Say the offset from UTC, as 2025-05-31T14:30:00+08:00."))
        if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
            raise ValidationError(
                _("The year must be from %(first)s to %(last)s."),
                params={"first": _FIRST_YEAR, "last": _LAST_YEAR},
            )
        return moment.astimezone(UTC)


@dataclass(frozen=True)
class TypedMoment:
    """A time as a form sends it. `exact` is the instant (ISO 8601) that the field was filled with,
    `offset` the chosen one of two in an hour that comes twice, `zone` the zone of the page."""

    text: str
    exact: str = ""
    offset: str = ""
    zone: str = ""


class TypedMomentWidget(forms.Widget):
    """Reads a time, and the hidden fields beside it, from what was sent."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> TypedMoment:  # noqa: ARG002 - Django's signature
        """The parts as they were sent."""
        names = (name, f"{name}_exact", f"{name}_offset", "zone")
        return TypedMoment(*(str(data.get(each) or "").strip()[:64] for each in names))


class ExactMomentField(LocalMomentField):
    """A local time that keeps the instant it was filled with, to the fraction of a second, unless
    another one is typed. In an hour that comes twice the offset must be chosen."""

    widget = TypedMomentWidget  # type: ignore[assignment]

    def clean(self, value: Any) -> datetime | None:
        """The instant in UTC. Raises ValidationError, with the code `twice` where it is open which
        of two is meant."""
        if not isinstance(value, TypedMoment):
            return super().clean(value)
        zone = _zone(value.zone)
        with timezone.override(zone):
            moment = super().clean(value.text)
        if moment is None:
            return None
        filled = _instant(value.exact)
        local = moment.astimezone(zone)
        both = offsets(local)
        if filled is not None and _same_clock(filled.astimezone(zone), local):
            fits = value.offset in {"", offset_text(filled.astimezone(zone))}
            if fits or not both:
                return filled
        if not both:
            return moment
        for fold in (0, 1):
            meant = local.replace(fold=fold)
            if value.offset == offset_text(meant):
                return meant.astimezone(UTC)
        raise ValidationError(
            _("This time comes twice, since the clocks go back: choose which one is meant."),
            code="twice",
        )


def offset_text(moment: datetime) -> str:
    """`+02:00` of an aware time."""
    return moment.isoformat()[-6:] if moment.utcoffset() else "+00:00"


def offsets(moment: datetime) -> tuple[str, ...]:
    """Both offsets of a local time that comes twice, the earlier first; () for any other."""
    both = tuple(offset_text(moment.replace(fold=fold)) for fold in (0, 1))
    return both if both[0] != both[1] else ()


def _same_clock(one: datetime, other: datetime) -> bool:
    """Whether a clock without fractions of a second shows both alike."""
    return one.replace(microsecond=0, tzinfo=None) == other.replace(microsecond=0, tzinfo=None)


def _instant(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None


def _zone(name: str) -> Any:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return timezone.get_current_timezone()


class WriteBackForm(CleanedInput, forms.Form):
    """A result as a person or a program writes it. `now` (aware) is when it is judged.

    With `tasks` (ID → name) a task may be given by its name, else by its ID alone.
    With `offsets` times are ISO 8601 with an offset, else local times in the zone in force.
    """

    unique_id = LineField(max_length=LONGEST_UNIQUE_ID, label=_("Unique ID"))
    service_id = LineField(max_length=MAX_TEXT, label=_("Task"))
    fail_code = LineField(required=False, max_length=LONGEST_CODE, label=_("Result code"))
    status = LineField(required=False, max_length=LONGEST_STATUS, label=_("Status"))
    device_type = forms.TypedChoiceField(
        required=False,
        choices=[("", ""), *DEVICE_TYPES.items()],
        coerce=int,
        empty_value=None,
        label=_("Device type"),
    )
    phone_number = CalledNumberField()
    # Where a number stands that the writer may not see.
    number_of = LineField(required=False, max_length=LONGEST_SOURCE, label=_("Number on record"))
    asr_result = LineField(required=False, max_length=MAX_TEXT, label=_("Detected cause (ASR)"))
    fetch_time = ExactMomentField(_("Data fetched at"), later=False)
    write_start_time = ExactMomentField(_("Call began"), later=False)
    end_call_time = ExactMomentField(_("Call ended"), later=True)
    call_id = LineField(required=False, max_length=MAX_TEXT, label=_("Call ID"))
    reservation = LineField(required=False, max_length=LONGEST_UNIQUE_ID, label=_("Reservation"))

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
        self.scope = scope
        self.book = book
        self.now = now
        self.tasks = tasks or {}
        if offsets:
            for name in TIMES:
                label = self.fields[name].label
                self.fields[name] = OffsetMomentField(required=False, label=label)

    def clean_service_id(self) -> str:
        """The ID of the task; of a task known by a name that was typed, its own."""
        text = str(self.cleaned_data["service_id"])
        if not self.tasks or _ID_LIKE.fullmatch(text):
            return text
        return only(names.match(self.tasks, text), text) or text

    def clean_fail_code(self) -> str:
        """Only what the code table knows; while that was never read, whatever looks like a code."""
        code = str(self.cleaned_data["fail_code"])
        if not code:
            return ""
        if self.book.codes and self.book.get(code) is None:
            raise ValidationError(_("The code table of this VDN has no such code."))
        if not _CODE_LIKE.fullmatch(code):
            raise ValidationError(_("A result code has only letters and digits."))
        return code

    def clean(self) -> dict[str, Any]:
        """Refuse times that contradict each other, and what the vendor's interface cannot hold."""
        found = self.cleaned_data
        for name in TIMES:
            moment = found.get(name)
            if moment is not None and moment > self.now + LATEST_AHEAD:
                self.add_error(name, _("This time lies in the future."))
        fetched, began, ended = (found.get(name) for name in TIMES)
        if fetched and began and fetched > began:
            self.add_error(
                "write_start_time", _("The call cannot begin before its data was obtained.")
            )
        if began and ended and began > ended:
            self.add_error("end_call_time", _("The call cannot end before it began."))
        elif fetched and ended and fetched > ended:
            self.add_error("end_call_time", _("The call cannot end before its data was obtained."))
        if not self.errors:
            try:
                self.result().request(self.scope.vdn)
            except InvalidQuery as error:
                place = error.field if error.field in self.fields else None
                self.add_error(place, _("CC-iSales cannot take this value."))
        return found

    def result(self) -> IntermediateResult:
        """What is to be said; only after `is_valid()`."""
        return IntermediateResult(**{name: self.cleaned_data[name] for name in FIELDS})

    def asks_which(self) -> bool:
        """Whether a time was typed that comes twice, without saying which one is meant."""
        return self.is_bound and any(self.has_error(name, "twice") for name in TIMES)

    def zone(self) -> Any:
        """The zone in which the page of the form showed its times."""
        return _zone(str(self.data.get("zone", "")))

    def contradicts(self) -> bool:
        """Whether code and status seem to say different things; only after `is_valid()`."""
        said = self.result()
        contrary = FAILED if said.fail_code in SUCCESS else SUCCEEDED
        return bool(said.fail_code) and said.status == contrary
