"""Notice about query parameters that have no field on the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext as _

from dashboard.ui.list_url import ListUrl
from dashboard.ui.paging import format_count

_PAGE_PARAMETERS: Final = frozenset({"page", "size", "after", "before"})


@dataclass(frozen=True)
class ParameterNotice:
    """Context of `components/_parameters.html`.

    `refused` are names, labels and messages. `first_url` is the first page with the same filters,
    without the refused parameters. `cut` is the message about a reduced page size.
    """

    refused: tuple[tuple[str, str, str], ...]
    first_url: str
    cut: str

    @property
    def is_place(self) -> bool:
        """Tell whether only parameters that choose a page were refused."""
        return {name for name, _label, _text in self.refused} <= _PAGE_PARAMETERS


def build_parameter_notice(form: Any, address: ListUrl) -> ParameterNotice | None:
    """Build the notice for a validated filter; None without refused parameters."""
    refused = tuple(
        (name, str(form.fields[name].label or name), " ".join(map(str, form.errors[name])))
        for name in form.fieldless
        if name in form.errors
    )
    size = getattr(form, "size_cut_to", None)
    cut = _("A page has at most %(most)s rows.") % {"most": format_count(size)} if size else ""
    if not refused and not cut:
        return None
    return ParameterNotice(refused, address.get_url(page=1), cut)


def has_bad_field(form: Any) -> bool:
    """Tell whether the value of a field on the page was refused."""
    return any(name not in form.fieldless for name in form.errors)
