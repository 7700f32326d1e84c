"""Report of the API doctor: sections of facts, for the page and as plain text for support.

Texts are translated when they are shown, so that a cached report can be shown in both languages.
They contain no called number, account, name, key, token or address. Messages of the vendor, which
may quote these, are shown on the page only (`Fact.quoted`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import TextChoices
from django.utils.functional import Promise, lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

Text = str | Promise
Answer = tuple[Text, str]
"""Text and tone of a fact."""
_TIME = "%Y-%m-%d %H:%M:%S"


class InterfaceStatus(TextChoices):
    """Result of checking one interface."""

    ANSWERED = "answered", gettext_lazy("answered")
    FAILED = "failed", gettext_lazy("failed")
    NO_CREDENTIALS = "no-credentials", gettext_lazy("not called")


@dataclass(frozen=True)
class Fact:
    """One line. `name` is stable, `tone` is "", "good", "warn" or "bad".

    `quoted` is the text with the vendor's message, if any.
    """

    name: str
    label: Text
    text: Text
    tone: str = ""
    quoted: Text | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Section:
    """A heading and its facts. `status` is that of an interface, None for other sections.

    `differs`: the answer is not as documented. Times are aware UTC.
    """

    name: str
    title: Text
    facts: tuple[Fact, ...]
    address: str = ""
    status: InterfaceStatus | None = None
    asked_at: datetime | None = None
    differs: bool = False

    @property
    def answered(self) -> bool:
        """True if the interface answered."""
        return self.status is InterfaceStatus.ANSWERED


@dataclass(frozen=True)
class Report:
    """One check: `at` (aware UTC) and `by` whom; "" for the system."""

    vdn_id: int
    at: datetime
    by: str
    versions: tuple[str, ...]
    interfaces: tuple[Section, ...]
    details: tuple[Section, ...]

    @property
    def failed(self) -> tuple[Section, ...]:
        """Interfaces that should have answered. Missing credentials are no failure."""
        return tuple(each for each in self.interfaces if each.status is InterfaceStatus.FAILED)

    @property
    def verdict(self) -> str:
        """The worst finding: "error", "warning" (a difference, or nothing called) or "success"."""
        if self.failed:
            return "error"
        good = [each for each in self.interfaces if each.answered]
        return "success" if good and not any(each.differs for each in good) else "warning"


def _fill(message: Text, values: object) -> str:
    return str(message) % values


def _join(separator: Text, parts: Iterable[Text]) -> str:
    return str(separator).join(map(str, parts))


# Module-level, since cached reports refer to the functions by name.
fill = lazy(_fill, str)
"""Format a translated message with values when it is shown."""
join = lazy(_join, str)
"""Join translated texts when they are shown."""


def format_span(span: timedelta) -> str:
    """Format a duration when it is shown: `45 s`, `58 min`, `3 h`."""
    seconds = max(0, round(span.total_seconds()))
    if seconds < 120:
        return fill(gettext_lazy("%s s"), seconds)
    if seconds < 7200:
        return fill(gettext_lazy("%s min"), seconds // 60)
    return fill(gettext_lazy("%s h"), seconds // 3600)


def describe_outcome(report: Report) -> str:
    """Summarise the report in a sentence or two."""
    good = [each for each in report.interfaces if each.answered]
    count = len(good) + len(report.failed)
    text = ngettext(
        "%(good)s of %(all)s interface answered.",
        "%(good)s of %(all)s interfaces answered.",
        count,
    ) % {"good": len(good), "all": count}
    different = [str(each.title) for each in good if each.differs]
    if different:
        pages = _("; ").join(different)
        text += " " + _("Differs from the documentation: %(pages)s.") % {"pages": pages}
    elif good:
        text += " " + _("All answers are as documented.")
    return text


def describe_failure(section: Section) -> str:
    """Describe in one line why an interface failed, without the vendor's message."""
    reasons = [str(f.text) for f in section.facts if f.name in {"outcome", "explanation"}]
    return f"{section.title}: {' '.join(reasons)}"


def render_text(report: Report) -> str:
    """Render the report as plain text, without personal data and secrets."""
    checked = {"vdn": report.vdn_id, "time": f"{report.at:{_TIME}}"}
    lines = [
        _("Callboard API doctor"),
        _("VDN %(vdn)s, checked %(time)s UTC") % checked,
        ", ".join(report.versions),
        describe_outcome(report),
    ]
    for section in report.interfaces + report.details:
        lines += ["", str(section.title)]
        if section.address:
            lines.append(f"  {section.address}")
        if section.asked_at:
            lines.append("  " + _("called at %s UTC") % f"{section.asked_at:{_TIME}}")
        lines += [f"  {fact.label}: {fact.text}" for fact in section.facts]
    return "\n".join(lines) + "\n"
