"""Addresses of the subjects of audit events."""

from __future__ import annotations

import re
from typing import Final

from django.urls import reverse

from isales_proxy.models import AuditEvent

_WRITE_BACK: Final = re.compile(r"write-back ([0-9]{1,18})")
# Not a path: an ID has no dots.
_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
# First part of the action → the page of one such subject.
_PAGES: Final = {
    "number": "reservation",
    "reservations": "reservation",
    "call_data": "task",
}


def get_subject_url(event: AuditEvent, vdn_id: int) -> str:
    """Return the address of the subject's page in this VDN; "" if it has none."""
    subject = event.subject
    if event.vdn_id != vdn_id or not subject:
        return ""
    if match := _WRITE_BACK.fullmatch(subject):
        return reverse("write_back", args=[vdn_id, int(match[1])])
    if event.action == "codes.note" and _ID.fullmatch(subject):
        return reverse("result_code", args=[vdn_id, subject])
    page = _PAGES.get(event.action.partition(".")[0])
    if page is None or not _ID.fullmatch(subject):
        return ""
    return reverse(page, args=[vdn_id, subject])
