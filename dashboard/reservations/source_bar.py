"""Tabs of the complete list, and the bar with the source and the age of a list."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.reservations.columns import RESERVATION_COLUMNS
from dashboard.ui.list_url import ListUrl
from dashboard.ui.paging import format_count
from dashboard.ui.times import TimeFormatter
from isales_proxy.access import Permission, Scope
from isales_proxy.reservations.coverage import Coverage, Gap
from isales_proxy.reservations.forms import explain_vague_number
from isales_proxy.reservations.pages import MirrorFacts, ReservationPage
from isales_proxy.reservations.query import HIDDEN_SORTS, MAX_SORTED_ROWS, ListQuery, Source, Tab


@dataclass(frozen=True)
class TabLink:
    """One tab: its key, label, number of rows and address."""

    key: str
    label: str
    count: int
    url: str
    current: bool


@dataclass(frozen=True)
class SourceBar:
    """Context of the bar in `reservations/source.jinja`.

    `texts` describe the list; the link leads to the other source, `now_url` back from a past time.
    `changed_text` counts the rows that changed since the person looked; posting `revision` to
    `seen_url` marks them as seen.
    """

    complete: bool
    headline: str
    texts: list[str] = field(default_factory=list)
    link_url: str = ""
    link_text: str = ""
    now_url: str = ""
    changed_text: str = ""
    seen_url: str = ""
    revision: int = 0


def build_tabs(address: ListUrl, facts: MirrorFacts) -> list[TabLink]:
    """Build the tabs with their counts; each keeps filters, source and order."""
    return [
        TabLink(
            tab.value,
            str(tab.label),
            facts.counts.get(tab),
            address.get_view_url(tab=tab.value),
            tab is facts.tab,
        )
        for tab in Tab
    ]


def build_bar(
    scope: Scope, address: ListUrl, found: ReservationPage, times: TimeFormatter
) -> SourceBar | None:
    """Build the bar; None for a VDN without a mirror."""
    coverage = found.coverage
    if coverage is None:
        return None
    if found.mirror is None:
        return _build_live_bar(address, coverage)
    facts, query = found.mirror, ListQuery.extend(found.query)
    texts = [_("Sorted over all rows.")]
    if facts.refused_sort:
        heading = next(
            each.heading for each in RESERVATION_COLUMNS if each.key == facts.refused_sort
        )
        why = explain_orders(scope, [facts.refused_sort])[facts.refused_sort]
        texts = [_("%(column)s: %(why)s") % {"column": heading, "why": why}]
    if query.as_of is not None:
        headline = _("As it was known at %s.") % times.minute(query.as_of)
        texts.append(_("How complete it was then is not recorded."))
    elif found.complete:
        headline = _count_all(found.total)
        texts.insert(0, _describe_age(coverage, times.now))
    else:
        headline = _("Partial: %s") % _explain_gap(coverage)
        if coverage.oldest is not None:
            texts.insert(0, _describe_age(coverage, times.now, begins=True))
    if coverage.compared and query.as_of is None:
        texts.append(
            _("Agreed with %(agreed)s of %(compared)s rows read live in 24 h.")
            % {
                "agreed": format_count(coverage.agreed),
                "compared": format_count(coverage.compared),
            }
        )
    return SourceBar(
        complete=found.complete,
        headline=headline,
        texts=texts,
        link_url=address.get_live_url(),
        link_text=_("Read it live from CC-iSales"),
        now_url=address.get_view_url(as_of="") if query.as_of is not None else "",
        changed_text=_count_changed(facts),
        seen_url=reverse("reservations_seen", args=[scope.vdn.pk]) if facts.changed else "",
        revision=facts.counts.revision,
    )


def build_failed_bar(address: ListUrl, coverage: Coverage) -> SourceBar:
    """Build the bar of a page that CC-iSales did not answer, with a link to the mirror."""
    return SourceBar(
        complete=False,
        headline=_("CC-iSales gave no answer."),
        texts=_list_gaps(coverage),
        link_url=address.get_view_url(source=Source.MIRROR.value),
        link_text=_name_mirror(coverage),
    )


def build_dropped_bar() -> SourceBar:
    """Build the bar of a live list that replaces one that only the mirror has."""
    return SourceBar(
        complete=False,
        headline=_("Live from CC-iSales."),
        texts=[
            _(
                "This VDN has no complete list at the moment. Tabs and sorting need it, so all rows"
                " are shown in the order of CC-iSales."
            )
        ],
    )


def explain_orders(scope: Scope, keys: Collection[str]) -> dict[str, str]:
    """Explain why a list is not sorted by some columns."""
    hidden = set() if scope.can(Permission.SEE_NUMBERS) else HIDDEN_SORTS & set(keys)
    text = _("More than %(most)s rows can be sorted by their due time only.")
    found = dict.fromkeys(keys, text % {"most": format_count(MAX_SORTED_ROWS)})
    return found | dict.fromkeys(hidden, _("Not sortable: the order would reveal hidden data."))


def _build_live_bar(address: ListUrl, coverage: Coverage) -> SourceBar:
    texts = [_("As delivered by CC-iSales, in its own order."), *_list_gaps(coverage)]
    link_url = address.get_view_url(source="" if coverage.complete else Source.MIRROR.value)
    link_text = _name_mirror(coverage)
    if coverage.complete and ("source", Source.LIVE.value) not in address.view:
        # A complete mirror refuses only a vague number: without a source it would lead back here.
        texts.append(explain_vague_number())
        link_url = address.get_url_without("called_no")
        link_text = _("Open the complete list without the number")
    return SourceBar(
        complete=False,
        headline=_("Live from CC-iSales."),
        texts=texts,
        link_url=link_url,
        link_text=link_text,
    )


def _name_mirror(coverage: Coverage) -> str:
    return _("Open the complete list") if coverage.complete else _("Open the mirror")


def _list_gaps(coverage: Coverage) -> list[str]:
    if coverage.complete:
        return []
    return [_("The local copy is partial: %s") % _explain_gap(coverage)]


def _explain_gap(coverage: Coverage) -> str:
    if coverage.reason is Gap.FIRST_ROUND:
        read = format_count(coverage.rows_read)
        if coverage.rows_expected is None:
            return _("it is being read for the first time, %s rows so far.") % read
        return _("it is being read for the first time, %(read)s of %(expected)s rows so far.") % {
            "read": read,
            "expected": format_count(coverage.rows_expected),
        }
    if coverage.reason is Gap.OUTSIDE and not coverage.outside:
        return _("it does not cover the requested time.")
    if coverage.reason is Gap.OUTSIDE:
        return _("%s rows are outside the time it covers.") % format_count(coverage.outside)
    return {
        Gap.UNREAD: _("part of it could not be read completely."),
        Gap.STALE: _("part of it has not been read for too long."),
        Gap.UNCONFIRMED: _("rows are missing in CC-iSales and not confirmed as gone."),
    }.get(coverage.reason or Gap.OFF, "")


def _count_all(total: int) -> str:
    """State that a list is complete; its age follows in the same sentence."""
    if not total:
        return _("Complete: no rows;")
    text = ngettext("Complete: %(total)s row;", "Complete: all %(total)s rows;", total)
    return text % {"total": format_count(total)}


def _describe_age(coverage: Coverage, now: datetime, *, begins: bool = False) -> str:
    """Describe the age, in two parts if the rows due today are younger than the others. `begins`
    makes it a sentence of its own."""
    if coverage.oldest is None:
        return ""
    age = now - coverage.oldest
    if coverage.hot_oldest is not None:
        hot = now - coverage.hot_oldest
        if age - hot >= timedelta(minutes=1):
            text = (
                _("Today's %(hot)s old, the rest up to %(age)s.")
                if begins
                else _("today's %(hot)s old, the rest up to %(age)s.")
            )
            return text % {"hot": format_age(hot), "age": format_age(age)}
    return (_("Up to %s old.") if begins else _("up to %s old.")) % format_age(age)


def format_age(age: timedelta) -> str:
    """Format an age: `14 s`, `4 min`, `3 h`."""
    seconds = max(int(age.total_seconds()), 0)
    if seconds < 60:
        return _("%d s") % seconds
    if seconds < 2 * 3600:
        return _("%d min") % (seconds // 60)
    return _("%d h") % (seconds // 3600)


def _count_changed(facts: MirrorFacts) -> str:
    if not facts.changed:
        return ""
    return ngettext(
        "%s row is new or changed since you last looked.",
        "%s rows are new or changed since you last looked.",
        facts.changed,
    ) % format_count(facts.changed)
