"""Texts of an audit event in the reader's language: its type, its details and its changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from isales_proxy.accounts import second_factors
from isales_proxy.models import AuditAction, AuditEvent, RefreshKind, Role, TokenScope

# Headings of the filter, each with the first parts of the names of its event types.
GROUPS: Final[tuple[tuple[str | Promise, tuple[str, ...]], ...]] = (
    (gettext_lazy("Called numbers"), ("number", "reservations")),
    (gettext_lazy("Call data"), ("call_data", "task")),
    (gettext_lazy("Write-backs"), ("write_back",)),
    (gettext_lazy("Result codes"), ("codes",)),
    (gettext_lazy("Log-ins"), ("session",)),
    (gettext_lazy("People and access"), ("person",)),
    (gettext_lazy("API tokens"), ("token",)),
    (gettext_lazy("Audit"), ("audit",)),
    (gettext_lazy("Mirror"), ("mirror",)),
    (gettext_lazy("VDN and CC-iSales"), ("vdn", "vendor")),
)
_TONES: Final = {
    AuditAction.LOG_IN_FAILED: "failed",
    AuditAction.LOG_IN_LOCKED: "late",
    AuditAction.NUMBER_REVEALED: "failed",
    AuditAction.NUMBER_WITHHELD: "late",
    AuditAction.CALL_DATA_UNKNOWN: "late",
    AuditAction.CALL_DATA_REFUSED: "failed",
    AuditAction.CALL_DATA_TAKEN: "answered",
    AuditAction.LOGGED_IN: "answered",
}
_LABELS: Final[dict[str, str | Promise]] = {
    "access_key": gettext_lazy("Access key"),
    "actions": gettext_lazy("Event types"),
    "added": gettext_lazy("Added"),
    "address": gettext_lazy("Network address"),
    "after": gettext_lazy("After"),
    "agent_account": gettext_lazy("Agent account"),
    "app_key": gettext_lazy("App key or user"),
    "app_secret": gettext_lazy("App secret or password"),
    "asked": gettext_lazy("Rows requested"),
    "batch": gettext_lazy("Batch"),
    "batches": gettext_lazy("Batches"),
    "before": gettext_lazy("Before"),
    "begin": gettext_lazy("From"),
    "by_number": gettext_lazy("By called number"),
    "category": gettext_lazy("Category"),
    "cc_id": gettext_lazy("Call centre ID"),
    "change": gettext_lazy("Change"),
    "code": gettext_lazy("Code"),
    "count": gettext_lazy("Count"),
    "deleted": gettext_lazy("Deleted"),
    "email": gettext_lazy("E-mail"),
    "enabled": gettext_lazy("Switched on"),
    "end": gettext_lazy("To"),
    "ends": gettext_lazy("Expires"),
    "entry": gettext_lazy("History entry"),
    "figures": gettext_lazy("Figures"),
    "filter": gettext_lazy("Filter"),
    "filters": gettext_lazy("Filter"),
    "first_name": gettext_lazy("First name"),
    "format": gettext_lazy("Format"),
    "groups": gettext_lazy("Groups"),
    "is_active": gettext_lazy("Can log in"),
    "is_superuser": gettext_lazy("Superuser"),
    "kind": gettext_lazy("Kind"),
    "kept": gettext_lazy("Kept"),
    "kinds": gettext_lazy("Kinds"),
    "last": gettext_lazy("Last event"),
    "last_at": gettext_lazy("Time of the last event"),
    "last_name": gettext_lazy("Last name"),
    "masked": gettext_lazy("Numbers masked"),
    "meaning_en": gettext_lazy("Meaning (English)"),
    "meaning_zh": gettext_lazy("Meaning (Chinese)"),
    "more_than": gettext_lazy("More per minute than"),
    "members": gettext_lazy("Members"),
    "limit": gettext_lazy("Limit"),
    "name": gettext_lazy("Name"),
    "permissions": gettext_lazy("Permissions"),
    "person": gettext_lazy("Person"),
    "probes": gettext_lazy("Further requests"),
    "put": gettext_lazy("Added"),
    "received": gettext_lazy("Rows received"),
    "removed": gettext_lazy("Removed"),
    "result_code": gettext_lazy("Result code"),
    "reworded": gettext_lazy("Reworded"),
    "role": gettext_lazy("Role"),
    "rows": gettext_lazy("Rows"),
    "scope": gettext_lazy("Scope"),
    "searched": gettext_lazy("Found by search"),
    "secret_key": gettext_lazy("Secret key"),
    "sessions": gettext_lazy("Sessions"),
    "state": gettext_lazy("State"),
    "step_en": gettext_lazy("Next step (English)"),
    "step_zh": gettext_lazy("Next step (Chinese)"),
    "taken": gettext_lazy("Removed"),
    "task": gettext_lazy("Task"),
    "text": gettext_lazy("Text"),
    "times": gettext_lazy("Times"),
    "time_zone": gettext_lazy("Time zone"),
    "token": gettext_lazy("Static token"),
    "unique_id": gettext_lazy("Unique ID"),
    "username": gettext_lazy("User name"),
    "which": gettext_lazy("Which sessions"),
}
# Field → value → text, for values that mean the same in all events.
_VALUE_LABELS: Final[dict[str, dict[str, str | Promise]]] = {
    "actions": {each.value: each.label for each in AuditAction},
    "kind": {each.value: each.label for each in RefreshKind},
    "kinds": second_factors.LABELS,
    "role": {each.value: each.label for each in Role},
    "scope": {each.value: each.label for each in TokenScope},
    "which": {
        "one": gettext_lazy("one session"),
        "others": gettext_lazy("all other sessions"),
        "all": gettext_lazy("all sessions"),
        "password": gettext_lazy("all sessions (password set by an admin)"),
        "second factor reset": gettext_lazy("all sessions (second factor reset)"),
    },
}


@dataclass(frozen=True)
class Change:
    """One changed field with its old and its new text."""

    label: str
    before: str
    after: str


def describe_action(event: AuditEvent) -> str:
    """Return the label of the event type, or the name of a type that this version does not know."""
    if event.action in AuditAction.values:
        return str(AuditAction(event.action).label)
    return event.action


def get_tone(event: AuditEvent) -> str:
    """Return the tone of the badge of the event type; "" for none."""
    if event.action.endswith(".exported"):
        return "soon"
    return _TONES.get(event.action, "")  # type: ignore[call-overload,no-any-return]


def list_details(event: AuditEvent) -> list[tuple[str, str]]:
    """List label and text of each detail but `before` and `after`; for those see `list_changes`."""
    detail = event.detail if isinstance(event.detail, dict) else {"detail": event.detail}
    if isinstance(detail.get("filter"), dict):
        detail = {**detail, **detail["filter"]}
        del detail["filter"]
    return [
        (get_label(name), format_value(name, value))
        for name, value in detail.items()
        if not (name in {"before", "after"} and isinstance(value, dict))
    ]


def list_changes(event: AuditEvent) -> list[Change]:
    """List the fields whose value changed."""
    detail = event.detail if isinstance(event.detail, dict) else {}
    before, after = detail.get("before"), detail.get("after")
    if not isinstance(before, dict) and not isinstance(after, dict):
        return []
    before = before if isinstance(before, dict) else {}
    after = after if isinstance(after, dict) else {}
    return [
        Change(
            get_label(name),
            format_value(name, before.get(name)),
            format_value(name, after.get(name)),
        )
        for name in dict.fromkeys((*before, *after))
        # An event stores all fields of its subject, also the unchanged ones.
        if before.get(name) != after.get(name)
    ]


def get_label(name: str) -> str:
    """Return the label of a field; its name where it has none."""
    return str(_LABELS.get(name) or name.replace("_", " "))


def format_value(name: str, value: Any) -> str:
    """Format the value of a field for people."""
    if value is None or value in ("", [], {}):
        return "—"
    if value is True or value is False:
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return ", ".join(format_value(name, each) for each in value)
    if isinstance(value, dict):
        return ", ".join(
            f"{get_label(key)}: {format_value(key, each)}" for key, each in value.items()
        )
    text = str(value)
    return str(_VALUE_LABELS.get(name, {}).get(text, text))
