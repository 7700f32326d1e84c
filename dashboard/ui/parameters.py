"""The notice about parameters of an address that have no field on its page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from dashboard.ui.paging import format_count


@dataclass(frozen=True)
class ParameterNotice:
    """Context of `components/_parameters.html`.

    `refused` are names with their messages; `first_url` leads to the first page of the same
    filters; `cut` tells that a page has fewer rows than were asked for.
    """

    refused: tuple[tuple[str, str], ...]
    first_url: str
    cut: str


def build_parameter_notice(form: Any, first_url: str) -> ParameterNotice | None:
    """The notice for a filter that was validated; None where there is nothing to tell."""
    refused = tuple(
        (name, " ".join(map(str, form.errors[name])))
        for name in form.fieldless
        if name in form.errors
    )
    size = getattr(form, "size_cut_to", None)
    cut = _("A page has at most %(most)s rows.") % {"most": format_count(size)} if size else ""
    return ParameterNotice(refused, first_url, cut) if refused or cut else None


def has_bad_field(form: Any) -> bool:
    """Whether a value was refused that has its field on the page."""
    return any(name not in form.fieldless for name in form.errors)
