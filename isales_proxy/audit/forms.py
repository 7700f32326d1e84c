"""Forms of the audit: the filter of its list, and the verification."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from isales_proxy.audit import services as audit
from isales_proxy.audit import verify
from isales_proxy.audit.queries import AuditQuery
from isales_proxy.core.form_fields import (
    CalledNumberField,
    LocalTimeField,
    PlainTextField,
    SearchTextField,
)
from isales_proxy.core.input_cleaning import CleanedInput
from isales_proxy.models import AuditAction

_KEYS: Final = r"[0-9a-f]{64}(?:,[0-9a-f]{64}){0,4}"
_END: Final = r"[0-9]{1,2}"
_NUMBER: Final = r"[0-9]{1,18}"
_SHORTEST_NUMBER: Final = 3
_LONGEST_ANCHOR: Final = 18 + 1 + 64

# The order of these in an address.
FILTERS: Final = ("kind", "person", "q", "number_key", "number_end", "address", "begin", "end")
NUMBER_FILTERS: Final = ("number_key", "number_end")


def _create_link_field(pattern: str, label: Any = "") -> forms.RegexField:
    """Create the field of a value that is only in our own links, not typed by people."""
    invalid = {"invalid": _("Part of the address could not be read.")}
    return forms.RegexField(
        rf"\A(?:{pattern})\Z", required=False, label=label, error_messages=invalid
    )


class AuditFilter(CleanedInput, forms.Form):
    """Filter of the audit's list and of its export.

    A called number is searched for once, as a whole; then the address has only its fingerprint and
    its last two digits.
    """

    fieldless: ClassVar = ("number_key", "number_end", "before", "after")

    kind = forms.MultipleChoiceField(
        required=False,
        choices=AuditAction.choices,
        label=_("Event types"),
        error_messages={"invalid_choice": _("There is no such event type.")},
    )
    person = PlainTextField(_("Person"))
    q = SearchTextField(_("Reservation, task or text"))
    number = CalledNumberField()
    number_key = _create_link_field(_KEYS)
    number_end = _create_link_field(_END, _("Last digits of the called number"))
    address = PlainTextField(_("Network address"))
    begin = LocalTimeField(_("From"), later=False)
    end = LocalTimeField(_("To"), later=True)
    before = _create_link_field(_NUMBER)
    after = _create_link_field(_NUMBER)

    def clean_number(self) -> str:
        """Return a complete number: a part of one has no fingerprint. Raises ValidationError."""
        text = str(self.cleaned_data["number"])
        if text and len(text) < _SHORTEST_NUMBER:
            raise ValidationError(_("Enter the complete number: a part of it finds nothing here."))
        return text

    def clean(self) -> dict[str, Any]:
        """Refuse a range that ends before it begins; turn a number into its fingerprint."""
        found = self.cleaned_data
        begin, end = found.get("begin"), found.get("end")
        if begin and end and begin > end:
            self.add_error("end", _("“To” is earlier than “From”."))
        if found.get("number") and not self.errors:
            # An invalid filter gets no fingerprint, by which the search would go unrecorded.
            found["number_key"] = ",".join(audit.fingerprint_number_with_all_keys(found["number"]))
            found["number_end"] = found["number"][-2:]
        return found

    def forget_number(self) -> None:
        """Remove the number from the filter; only after `is_valid()`."""
        self.cleaned_data |= {"number": "", "number_key": "", "number_end": ""}

    def query(self) -> AuditQuery:
        """Return the query; only after `is_valid()`."""
        found = self.cleaned_data
        return AuditQuery(
            actions=tuple(dict.fromkeys(found["kind"])),
            person=found["person"],
            text=found["q"],
            numbers=tuple(key for key in found["number_key"].split(",") if key),
            address=found["address"],
            begin=found["begin"],
            end=found["end"],
            before=int(found["before"]) if found["before"] else None,
            after=int(found["after"]) if found["after"] else None,
            oldest_first=found.get("sort") == "at",
        )


class VerifyForm(CleanedInput, forms.Form):
    """An anchor that was saved elsewhere; without one, only the chain is verified."""

    anchor = forms.CharField(
        required=False,
        max_length=_LONGEST_ANCHOR,
        label=_("Anchor to check"),
        help_text=_("The last event of an earlier verification, as NUMBER:FINGERPRINT. Optional."),
    )

    def clean_anchor(self) -> tuple[int, str] | None:
        """Return number and fingerprint of the event, or None."""
        text = self.cleaned_data["anchor"]
        found = verify.parse_anchor(text)
        if text and found is None:
            raise ValidationError(_("An anchor is a number, a colon and 64 digits or letters a–f."))
        return found
