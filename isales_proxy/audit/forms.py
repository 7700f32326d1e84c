"""The audit's filter: what a reader may ask, with a bound on every field, as a frozen query."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from isales_proxy.audit import services as audit
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


def _create_link_field(pattern: str, label: Any = "") -> forms.RegexField:
    """Create the field of a value that our own links carry, which people do not type."""
    invalid = {"invalid": _("Part of the address could not be read.")}
    return forms.RegexField(
        rf"\A(?:{pattern})\Z", required=False, label=label, error_messages=invalid
    )


class AuditFilter(CleanedInput, forms.Form):
    """The question of the audit's page and of its export.

    A called number is asked for once, whole; from then on the address carries its fingerprint and
    its last two digits alone.
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
            # A question that is refused hands out no fingerprint: with that nobody would be told.
            found["number_key"] = ",".join(audit.fingerprint_number_with_all_keys(found["number"]))
            found["number_end"] = found["number"][-2:]
        return found

    def forget_number(self) -> None:
        """Ask for no number any more; only after `is_valid()`."""
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


# Those that say what is asked, in the order in which an address carries them.
FILTERS: Final = ("kind", "person", "q", "number_key", "number_end", "address", "begin", "end")
