"""Fields of the write-back form, prepared for the template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.ui.times import TimeFormatter
from isales_proxy.client.queries import MAX_TEXT
from isales_proxy.core.form_fields import format_offset
from isales_proxy.models import CodeCategory
from isales_proxy.outbound import tasks
from isales_proxy.result_codes.book import CodeBook
from isales_proxy.write_backs.fields import BY_NAME, TIMES
from isales_proxy.write_backs.forms import (
    TypedTime,
    WriteBackForm,
    list_offsets,
)
from isales_proxy.write_backs.prefill import Prefill

Option = tuple[str, str]

_GROUPS: Final[tuple[tuple[str | Promise, tuple[str, ...], tuple[str, ...]], ...]] = (
    # Title, usual fields, rare fields.
    (
        gettext_lazy("Call"),
        ("service_id", "unique_id", "number_of", "phone_number"),
        ("call_id",),
    ),
    (gettext_lazy("Outcome"), ("fail_code", "status"), ("device_type", "asr_result")),
    (gettext_lazy("Times"), ("write_start_time", "end_call_time"), ("fetch_time",)),
)


@dataclass
class FieldView:
    """One field, prepared for the template.

    `kind` is "text", "moment" (a time) or "select"; `groups` are the options of a select, `offers`
    the suggestions for a text. `focus` marks the first field with an error. A time has the instant
    of its initial value (`exact`), and in an hour that occurs twice the `offsets` to choose from.
    """

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
    exact: str = ""
    offset: str = ""
    offsets: list[Option] = field(default_factory=list)
    link: Option | None = None


@dataclass
class GroupView:
    """Fields under one heading; the rare ones are collapsed unless `open`."""

    title: str
    fields: list[FieldView]
    rare: list[FieldView]

    @property
    def open(self) -> bool:
        """True when a rare field has a value or an error."""
        return any(view.value or view.errors for view in self.rare)


def build_groups(
    form: WriteBackForm,
    draft: Prefill,
    *,
    language: str,
    names: dict[str, str],
    show_errors: bool,
) -> list[GroupView]:
    """Build the groups of fields, with the values of the form, else with those of the draft."""

    def build(chosen: tuple[str, ...]) -> list[FieldView]:
        return [
            _build_field(name, form, draft, language, names, show_errors=show_errors)
            for name in chosen
            if name != "number_of" or draft.sources
        ]

    groups = [GroupView(str(title), build(usual), build(rare)) for title, usual, rare in _GROUPS]
    views = (view for group in groups for view in (*group.fields, *group.rare))
    first = next((view for view in views if view.errors), None)
    if first is not None:
        first.focus = True
    return groups


def list_task_options(names: dict[str, str]) -> list[Option]:
    """List the tasks as suggestions, sorted by name."""
    return sorted(names.items(), key=lambda pair: pair[1].casefold())


def list_given_values(form: WriteBackForm) -> list[Option]:
    """List all values as they were sent, for hidden inputs."""
    found = []
    for name in form.fields:
        value = form[name].value()
        if isinstance(value, TypedTime):
            found += [(name, value.text), (f"{name}_exact", value.exact)]
            found.append((f"{name}_offset", value.offset))
        else:
            found.append((name, str(value or "")))
    return found


def _build_field(
    name: str,
    form: WriteBackForm,
    draft: Prefill,
    language: str,
    names: dict[str, str],
    *,
    show_errors: bool,
) -> FieldView:
    value = form[name].value() if form.is_bound else draft.values.get(name)
    view = FieldView(
        name=name,
        label=str(form.fields[name].label),
        kind="moment" if name in TIMES else "text",
        value="" if name in TIMES else str(value or ""),
        required=form.fields[name].required,
        errors=[str(error) for error in form.errors.get(name, [])]
        if form.is_bound and show_errors
        else [],
        longest=BY_NAME[name].length if name in BY_NAME else MAX_TEXT,
    )
    if name in TIMES:
        _fill_time(view, form, value)
    elif name == "service_id":
        view.offers = list_task_options(names)
        view.hint = names.get(view.value, "")
    elif name == "unique_id":
        _fill_unique_id(view, form, draft)
    elif name == "phone_number":
        view.mode = "tel"
        view.offers = [(each, "") for each in draft.numbers]
        if draft.sources:
            view.hint = _("Only if it differs from the number on record.")
    elif name == "number_of":
        view.kind = "select"
        view.groups = [("", [(source.key, source.masked) for source in draft.sources])]
        if not form.is_bound and len(draft.sources) == 1:
            view.value = draft.sources[0].key
    elif name == "status":
        _fill_select(view, BY_NAME[name].choices)
        view.hint = _("Usually 5 (failed) or 6 (succeeded). Huawei's documents list no values.")
    elif name == "device_type":
        _fill_select(view, BY_NAME[name].choices)
    elif name == "fail_code":
        _fill_codes(view, form.book, language)
    return view


def _fill_select(view: FieldView, known: Mapping[str, str | Promise]) -> None:
    """Offer the known values, and the given one if it is another."""
    view.kind = "select"
    options = [(each, f"{each} · {text}") for each, text in known.items()]
    if view.value and view.value not in known:
        options.append((view.value, view.value))
    view.groups = [("", options)]


def _fill_unique_id(view: FieldView, form: WriteBackForm, draft: Prefill) -> None:
    times = TimeFormatter(timezone.now())
    view.offers = [
        (each, _("taken %(at)s") % {"at": times.short(at)} if at else "")
        for each, at in draft.unique_ids.items()
    ]
    if len(draft.unique_ids) > 1:
        view.hint = _("Received more than once. Choose one.")
    elif draft.unique_ids and view.value in draft.unique_ids:
        view.hint = _("From the call data taken for this number.")
    elif not view.value:
        view.hint = _("Part of a task's call data; none has been taken for this number.")
        if not draft.appoint_id:
            view.hint = _("Part of a task's call data.")
        task = form["service_id"].value() if form.is_bound else draft.values.get("service_id")
        if task and tasks.is_task_id(str(task)):
            address = reverse("task", args=[form.scope.vdn.pk, str(task)])
            view.link = (address, _("Call data of this task"))


def _fill_time(view: FieldView, form: WriteBackForm, value: Any) -> None:
    """Fill in a time with its instant, and with its offset in an hour that occurs twice."""
    instant, text = value if isinstance(value, datetime) else None, ""
    if isinstance(value, TypedTime):
        text = value.text
        try:
            instant = form.fields[view.name].clean(value)
        except ValidationError as error:
            if error.code == "twice":
                _offer_offsets(view, datetime.fromisoformat(text))
    view.value = text
    if instant is not None:
        local = instant.astimezone(timezone.get_current_timezone())
        view.value = f"{local:%Y-%m-%dT%H:%M:%S}"
        view.exact = instant.isoformat()
        _offer_offsets(view, local.replace(tzinfo=None))
        view.offset = format_offset(local) if view.offsets else ""


def _offer_offsets(view: FieldView, naive: datetime) -> None:
    both = list_offsets(naive.replace(tzinfo=timezone.get_current_timezone()))
    labels = (_("UTC%s, before the clocks go back"), _("UTC%s, after the clocks went back"))
    view.offsets = [(each, label % each) for each, label in zip(both, labels, strict=False)]


def _fill_codes(view: FieldView, book: CodeBook, language: str) -> None:
    """Offer the code table, searchable by code and meaning: codes with a category first, those no
    longer listed last."""
    if not book.codes:
        view.hint = _("The code table has not been loaded yet. Enter the code.")
        return
    last = (_("Other"), _("No longer listed by CC-iSales"))
    found: list[tuple[str, Option]] = []
    for meaning in book.codes.values():
        category = meaning.explained.category
        title = str(CodeCategory(category).label) if category else last[0]
        if meaning.gone_at is not None:
            title = last[1]
        found.append((title, (meaning.code, f"{meaning.text(language)} · {title}")))
    found.sort(key=lambda pair: (pair[0] in last and last.index(pair[0]) + 1, pair[0]))
    view.offers = [option for _title, option in found]
    if not view.value:
        view.hint = _("Enter a code or a word of its meaning.")
    elif (known := book.get(view.value)) is not None:
        view.hint = known.text(language)
    elif not view.errors:
        view.hint = _("Code %s is not in the code table and was left out.") % view.value
        view.value = ""
