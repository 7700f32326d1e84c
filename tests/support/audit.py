"""Manipulations of the audit by a person who can write to the database."""

from __future__ import annotations

from typing import Any

from django.db import connection

from isales_proxy.audit import services as audit
from isales_proxy.models import AuditAction, AuditEvent

TABLE = "isales_proxy_auditevent"
HEAD = "isales_proxy_audithead"


def write(count: int, **more: Any) -> list[AuditEvent]:
    """Record this number of events."""
    return [
        audit.record(AuditAction.VENDOR_EXAMINED, by=None, subject=f"event {number}", **more)
        for number in range(count)
    ]


def unguard() -> None:
    """Drop the triggers, as the owner of the table can."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"DROP TRIGGER callboard_audit_kept ON {TABLE}")
        else:
            cursor.execute("DROP TRIGGER callboard_audit_kept")
            cursor.execute("DROP TRIGGER callboard_audit_not_deleted")


def sql(statement: str, *values: Any) -> None:
    """Run one SQL statement; `{table}` and `{head}` are the audit's tables."""
    with connection.cursor() as cursor:
        cursor.execute(statement.replace("{table}", TABLE).replace("{head}", HEAD), values)


def alter(pk: int, name: str, value: str) -> None:
    """Set one field of an event to an SQL value."""
    sql(f"UPDATE {{table}} SET {name} = {value} WHERE id = %s", pk)  # noqa: S608 - a test's own


def put_in(pk: int, fingerprint: str) -> None:
    """Append a copy of an event, with an SQL value as its fingerprint."""
    names = [field.column for field in AuditEvent._meta.concrete_fields if field.column != "id"]
    values = [fingerprint if name == "hash" else name for name in names]
    sql(
        f"INSERT INTO {{table}} ({', '.join(names)}) SELECT {', '.join(values)}"  # noqa: S608 - as above
        " FROM {table} WHERE id = %s",
        pk,
    )
