"""The result of an audit verification, stored in the session that requested it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.utils.translation import gettext as _

from dashboard.audit.list_context import fault_text
from dashboard.ui.paging import format_count
from dashboard.ui.times import TimeFormatter
from isales_proxy.audit.verify import Verdict

_KEY = "audit_verification"


def keep(session: SessionBase, found: Verdict, *, now: datetime, anchored: bool) -> None:
    """Keep the result of a verification until the next one."""
    session[_KEY] = {
        "at": now.isoformat(),
        "count": found.count,
        "first_at": found.first_at.isoformat() if found.first_at else "",
        "last_at": found.last_at.isoformat() if found.last_at else "",
        "anchor": found.anchor,
        "problem": found.short,
        "anchored": anchored,
    }


def shown(session: SessionBase, moments: TimeFormatter) -> dict[str, Any] | None:
    """Give the last result, ready to lay out; None where nothing was verified in this session."""
    kept = session.get(_KEY)
    if not isinstance(kept, dict):
        return None

    def exact(name: str) -> str:
        return moments.exact(datetime.fromisoformat(kept[name])) if kept[name] else "–"

    return {
        "problem": fault_text(kept["problem"]),
        "anchored": kept["anchored"] and not kept["problem"],
        "at": exact("at"),
        "anchor": kept["anchor"],
        "facts": [
            ("events", _("Events"), format_count(kept["count"])),
            ("from", _("From"), exact("first_at")),
            ("to", _("To"), exact("last_at")),
        ],
    }
