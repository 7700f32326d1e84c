"""Form fields and list filters that several subjects share, with a bound on every field.

Local times are read in the zone in force (the reader's, or that of the VDN) and returned in UTC.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from datetime import timezone as fixed_zone
from typing import Any, ClassVar, Final, TypeVar

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from isales_proxy.client.queries import CALLED_NUMBER, MAX_PAGE, MAX_PAGE_SIZE, MAX_TEXT
from isales_proxy.core.input_cleaning import CleanedInput, ProseField, clean_number

Row = TypeVar("Row")

DEFAULT_SIZE: Final = 25
LONGEST_NUMBER: Final = 32
FIRST_YEAR, LAST_YEAR = 2000, 2099

# A + that was not URL-encoded arrives as a space.
_LOCAL_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d))?(?:([ +-])(\d\d):?(\d\d)|Z)?", re.ASCII
)


class PlainTextField(forms.CharField):
    """One line of text without control characters."""

    def __init__(
        self, label: Any, *, required: bool = False, max_length: int = MAX_TEXT, **options: Any
    ) -> None:
        super().__init__(label=label, required=required, max_length=max_length, **options)

    def clean(self, value: Any) -> str:
        text = str(super().clean(value))
        validate_one_line(text)
        return text


class SearchTextField(PlainTextField, ProseField):
    """One line to search for in texts; its punctuation is kept, as in the texts."""


class CalledNumberField(forms.CharField):
    """A whole or partial called number; separators of a pasted one are removed."""

    def __init__(self) -> None:
        super().__init__(required=False, max_length=200, label=_("Called number"))

    def clean(self, value: Any) -> str:
        text = clean_number(str(value or ""))
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
            raise ValidationError(
                _("A called number has only digits, with or without a + in front.")
            )
        return text


class LocalTimeField(forms.Field):
    """`YYYY-MM-DDTHH:MM` with or without an offset, converted to an aware UTC datetime.

    Without an offset it is in the current time zone. Of a time that occurs twice, when clocks go
    back, the first is taken, with `later` the second. A time that clocks skip is invalid.
    """

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")

    def __init__(self, label: Any, *, later: bool) -> None:
        super().__init__(required=False, label=label)
        self.fold = int(later)

    def clean(self, value: Any) -> datetime | None:
        text = str(value or "").strip()
        if not text:
            return None
        match = _LOCAL_TIME.fullmatch(text)
        if match is None:
            raise ValidationError(_("Enter date and time as 2025-05-31T14:30."))
        sign, hours, minutes = match.groups()[6:]
        try:
            naive = datetime(*(int(part or 0) for part in match.groups()[:6]))  # type: ignore[arg-type]  # noqa: DTZ001
            offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
            fixed = fixed_zone(-offset if sign == "-" else offset)
        except ValueError:
            raise ValidationError(_("There is no such date or time.")) from None
        validate_year(naive)
        if hours or text.endswith("Z"):
            return naive.replace(tzinfo=fixed).astimezone(UTC)
        zone = timezone.get_current_timezone()
        instant = naive.replace(tzinfo=zone, fold=self.fold).astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) != naive:
            raise ValidationError(_("This time does not exist: the clocks go forward past it."))
        return instant

    def prepare_value(self, value: Any) -> Any:
        """Return the value for the widget: a local time without an offset."""
        try:
            instant = self.clean(value) if isinstance(value, str) else None
        except ValidationError:
            return value
        return format_local_time(instant)[:-6] if instant else value


def format_offset(moment: datetime) -> str:
    """Format the UTC offset of an aware datetime: `+02:00`."""
    text = moment.strftime("%z")
    return f"{text[:3]}:{text[3:5]}"


def format_local_time(instant: datetime) -> str:
    """Format an aware time for a URL: `2025-05-31T14:30+08:00`, in the current time zone."""
    local = instant.astimezone(timezone.get_current_timezone())
    return local.isoformat(timespec="seconds" if local.second else "minutes")


class CountField(forms.Field):
    """A whole number from 1 to `most`; `default` if empty.

    Values above `bound`, which may be less than `most`, are reduced to it, so that a URL made under
    a larger bound still works.
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


class SortField(forms.Field):
    """A column key with an optional `-` before it; only keys of sortable columns are valid."""

    def __init__(self, keys: Iterable[str]) -> None:
        super().__init__(required=False, label=_("Order"))
        self.keys = frozenset(keys)

    def clean(self, value: Any) -> str:
        text = str(value or "").strip()
        if text and text.removeprefix("-") not in self.keys:
            raise ValidationError(_("This list cannot be sorted by that."))
        return text


class SharedFields(dict[str, forms.Field]):
    """Fields of a form class that its instances share and must not change.

    Django would copy every field and widget for each form, which takes half a millisecond per list.
    """

    def __deepcopy__(self, _memo: object) -> dict[str, forms.Field]:
        return dict(self)


class PageFilter(CleanedInput, forms.Form):
    """Page number and page size of a list. `fieldless` parameters have no field on the page."""

    fieldless: ClassVar[tuple[str, ...]] = ("page", "size")

    page = CountField(_("Page"), default=1, most=MAX_PAGE)
    size = CountField(
        _("Rows per page"),
        default=DEFAULT_SIZE,
        most=MAX_PAGE_SIZE,
        bound=lambda: settings.ISALES.max_page_size,
    )

    @property
    def size_cut_to(self) -> int | None:
        """The bound to which the size was reduced; None if it was not."""
        given, size = str(self.data.get("size") or "").strip(), self.cleaned_data.get("size")
        return size if size is not None and given and int(given) > size else None


class ShortListFilter(CleanedInput, forms.Form):
    """Page number and page size of a short list, which by default has one page."""

    page = CountField(_("Page"), default=1, most=MAX_PAGE)
    size = CountField(_("Rows per page"), default=MAX_PAGE_SIZE, most=MAX_PAGE_SIZE)

    def cut(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Return the rows of the page; only after `is_valid()`."""
        page, size = self.cleaned_data["page"], self.cleaned_data["size"]
        return rows[(page - 1) * size : page * size]


def validate_one_line(text: str) -> None:
    """Raise ValidationError for text with control characters or lone surrogates."""
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        raise ValidationError(_("Plain text on one line only."))


def validate_year(moment: datetime) -> None:
    """Raise ValidationError for a year outside `FIRST_YEAR` to `LAST_YEAR`."""
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValidationError(
            _("The year must be from %(first)s to %(last)s."),
            params={"first": FIRST_YEAR, "last": LAST_YEAR},
        )
