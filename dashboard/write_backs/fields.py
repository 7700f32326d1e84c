"""The form of a write-back, field by field, ready to lay out."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.result_codes.words import category
from isales_proxy.client.queries import MAX_TEXT
from isales_proxy.services.result_codes.code_book import CodeBook
from isales_proxy.services.write_backs.drafts import Draft
from isales_proxy.write_back_form import (
    DEVICE_TYPES,
    LONGEST_STATUS,
    LONGEST_UNIQUE_ID,
    STATUSES,
    TIMES,
    WriteBackForm,
)

Option = tuple[str, str]

_GROUPS: Final[tuple[tuple[str | Promise, tuple[str, ...]], ...]] = (
    (
        gettext_lazy("Which call"),
        ("service_id", "unique_id", "number_of", "phone_number", "call_id"),
    ),
    (gettext_lazy("What became of it"), ("fail_code", "status", "device_type", "asr_result")),
    (gettext_lazy("When"), TIMES),
)
_LONGEST: Final = {"unique_id": LONGEST_UNIQUE_ID, "status": LONGEST_STATUS}


@dataclass
class FieldView:
    """One field. `kind` is text, moment or select; `groups` are a select's options, `offers` what
    may be typed. `focus` is where the reader should look first."""

    name: str
    label: str
    kind: str
    value: str
    required: bool
    errors: list[str]
    hint: str = ""
    longest: int = MAX_TEXT
    mode: str = ""
    focus: bool = False
    offers: list[Option] = field(default_factory=list)
    groups: list[tuple[str, list[Option]]] = field(default_factory=list)


def groups(
    form: WriteBackForm, draft: Draft, *, book: CodeBook, language: str, tasks: dict[str, str]
) -> list[tuple[str, list[FieldView]]]:
    """The fields in their groups, with what was given, else with what the draft knows."""
    found = [
        (
            str(title),
            [
                _field(name, form, draft, book, language, tasks)
                for name in names
                if name != "number_of" or draft.sources
            ],
        )
        for title, names in _GROUPS
    ]
    wrong = (view for _title, views in found for view in views if view.errors)
    for first in itertools.islice(wrong, 1):
        first.focus = True
    return found


def offered(tasks: dict[str, str]) -> list[Option]:
    """The tasks by name, for a field to offer."""
    return sorted(tasks.items(), key=lambda pair: pair[1].casefold())


def given(form: WriteBackForm) -> list[Option]:
    """Every field as it was given, to be handed on hidden."""
    return [(name, str(form[name].value() or "")) for name in form.fields]


def _field(
    name: str,
    form: WriteBackForm,
    draft: Draft,
    book: CodeBook,
    language: str,
    tasks: dict[str, str],
) -> FieldView:
    value = form[name].value() if form.is_bound else draft.values.get(name)
    view = FieldView(
        name=name,
        label=str(form.fields[name].label),
        kind="moment" if name in TIMES else "text",
        value=_local(value) if isinstance(value, datetime) else str(value or ""),
        required=form.fields[name].required,
        errors=[str(error) for error in form.errors.get(name, [])] if form.is_bound else [],
        longest=_LONGEST.get(name, MAX_TEXT),
    )
    if name == "service_id":
        view.offers = offered(tasks)
    elif name == "unique_id":
        view.offers = [(each, "") for each in draft.unique_ids]
        if len(draft.unique_ids) > 1:
            view.hint = _("Taken more than once: choose which one is meant.")
    elif name == "phone_number":
        view.mode = "tel"
        view.offers = [(each, "") for each in draft.numbers]
        if draft.sources:
            view.hint = _("Only where it is another one than that on record.")
    elif name == "number_of":
        view.kind = "select"
        view.groups = [("", [(source.key, source.masked) for source in draft.sources])]
        if not form.is_bound and len(draft.sources) == 1:
            view.value = draft.sources[0].key
    elif name == "status":
        view.offers = [(each, str(text)) for each, text in STATUSES.items()]
        view.hint = _("Left open by the vendor. Elsewhere 5 is failed, 6 is succeeded.")
    elif name == "device_type":
        view.kind = "select"
        view.groups = [("", [(each, f"{each} · {text}") for each, text in DEVICE_TYPES.items()])]
    elif name == "fail_code":
        _codes(view, book, language)
    return view


def _codes(view: FieldView, book: CodeBook, language: str) -> None:
    if not book.codes:
        view.hint = _("The code table has not been read yet: type the bare code.")
        return
    view.kind = "select"
    by_group: dict[str, list[Option]] = {}
    for meaning in book.codes.values():
        if meaning.gone_at is not None:
            title = _("No longer listed by CC-iSales")
        else:
            title = category(meaning.explained.category) or _("Other")
        text = f"{meaning.code} · {meaning.text(language)}"
        by_group.setdefault(title, []).append((meaning.code, text))
    # Those that the vendor's own callback table puts somewhere come first.
    last = (_("Other"), _("No longer listed by CC-iSales"))
    titles = sorted(by_group, key=lambda title: (title in last and last.index(title) + 1, title))
    view.groups = [(title, by_group[title]) for title in titles]
    if view.value and book.get(view.value) is None and not view.errors:
        view.hint = _("Code %s is not in the code table, so it was left out.") % view.value
        view.value = ""


def _local(moment: datetime) -> str:
    """As the browser's field and our own take it."""
    local = moment.astimezone(timezone.get_current_timezone())
    return f"{local:%Y-%m-%dT%H:%M:%S}"
