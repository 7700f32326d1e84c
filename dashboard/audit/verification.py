"""The result of an audit verification, stored in the session that requested it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.utils.translation import gettext as _

from dashboard.audit.list_context import describe_fault
from dashboard.ui.paging import format_count
from dashboard.ui.times import TimeFormatter
from isales_proxy.audit.verify import Verdict

_KEY = "audit_verification"


def store_result(session: SessionBase, found: Verdict, *, now: datetime, anchored: bool) -> None:
    """Store the result of a verification until the next one."""
    session[_KEY] = {
        "at": now.isoformat(),
        "count": found.count,
        "first_at": found.first_at.isoformat() if found.first_at else "",
        "last_at": found.last_at.isoformat() if found.last_at else "",
        "anchor": found.anchor,
        "problem": found.short,
        "anchored": anchored,
    }


def create_result_context(session: SessionBase, times: TimeFormatter) -> dict[str, Any] | None:
    """Return the last result for the template; None if nothing was verified in this session."""
    stored = session.get(_KEY)
    if not isinstance(stored, dict):
        return None

    def format_time(name: str) -> str:
        return times.exact(datetime.fromisoformat(stored[name])) if stored[name] else "–"

    return {
        "problem": describe_fault(stored["problem"]),
        "anchored": stored["anchored"] and not stored["problem"],
        "at": format_time("at"),
        "anchor": stored["anchor"],
        "facts": [
            ("events", _("Events"), format_count(stored["count"])),
            ("from", _("From"), format_time("first_at")),
            ("to", _("To"), format_time("last_at")),
        ],
    }
