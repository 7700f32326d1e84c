"""Context of the control that reveals one masked number."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.urls import reverse
from django.utils.translation import gettext as _

from dashboard.ui.list_url import get_reservation_url, with_query
from isales_proxy.access import Scope
from isales_proxy.reveals.services import LONGEST_REASON, SECONDS, SHORTEST_REASON


def _list_usual_reasons() -> list[str]:
    return [
        _("Calling the customer back"),
        _("The customer asked about this call"),
        _("The number may be wrong"),
        _("A complaint"),
    ]


@dataclass
class RevealControl:
    """Context of `reveals/_control.html`. `numbers` (label, number) is empty until the reveal."""

    url: str
    dom_id: str = "reveal"
    usual: list[str] = field(default_factory=_list_usual_reasons)
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
    """Create the control of a reservation in the list with this query string."""
    url = get_reservation_url("reveal_reservation", scope.vdn.pk, appoint_id)
    return RevealControl(with_query(url, query))


def create_datum_control(scope: Scope, datum_id: int) -> RevealControl:
    """Create the control of a row of call data."""
    url = reverse("reveal_datum", args=[scope.vdn.pk, datum_id])
    return RevealControl(url, f"reveal-d-{datum_id}")


def create_write_back_control(scope: Scope, pk: int) -> RevealControl:
    """Create the control of a write-back."""
    return RevealControl(reverse("reveal_write_back", args=[scope.vdn.pk, pk]))
