"""The control beside a masked number by which a person has it shown, ready to lay out."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.urls import reverse
from django.utils.translation import gettext as _

from dashboard.ui.list_url import get_reservation_url, with_query
from isales_proxy.access import Scope
from isales_proxy.reveals.services import LONGEST_REASON, SECONDS, SHORTEST_REASON


@dataclass
class RevealControl:
    """Context of `reveals/_control.html`. `numbers` (label, number) are there only once shown."""

    dom_id: str
    url: str
    usual: list[str]
    reason: str = ""
    error: str = ""
    notice: str = ""
    left: str = ""
    seconds: int = 0
    lasts: int = SECONDS
    shortest: int = SHORTEST_REASON
    longest: int = LONGEST_REASON
    numbers: list[tuple[str, str]] = field(default_factory=list, repr=False)


def create_reservation_control(scope: Scope, appoint_id: str, query: str) -> RevealControl:
    """Of a reservation that was seen in the list of this query."""
    url = get_reservation_url("reveal_reservation", scope.vdn.pk, appoint_id)
    return RevealControl("reveal", with_query(url, query), _usual())


def create_datum_control(scope: Scope, datum_id: int) -> RevealControl:
    """Of a row of call data."""
    url = reverse("reveal_datum", args=[scope.vdn.pk, datum_id])
    return RevealControl(f"reveal-d-{datum_id}", url, _usual())


def create_write_back_control(scope: Scope, pk: int) -> RevealControl:
    """Of a write-back."""
    return RevealControl("reveal", reverse("reveal_write_back", args=[scope.vdn.pk, pk]), _usual())


def _usual() -> list[str]:
    return [
        _("Calling the customer back"),
        _("The customer asked about this call"),
        _("The number may be wrong"),
        _("A complaint"),
    ]
