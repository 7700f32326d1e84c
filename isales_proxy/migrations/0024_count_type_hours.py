"""Count the mirrored rows of a type by the hour that they are due."""

from __future__ import annotations

from typing import Any, Final

from django.db import migrations, models

_KEY: Final = ["vdn", "counted_by", "phase", "agent_key", "task_key", "call_type", "value"]
_HOURS: Final = {
    "postgresql": """to_char(appoint_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24')""",
    "sqlite": "substr(appoint_time, 1, 10) || 'T' || substr(appoint_time, 12, 2)",
}


def fill(_apps: Any, schema_editor: Any) -> None:
    with schema_editor.connection.cursor() as cursor:
        count(cursor, schema_editor.connection.vendor)


def count(cursor: Any, vendor: str) -> None:
    cursor.execute(f"""
        INSERT INTO isales_proxy_mirrorcount
            (vdn_id, counted_by, phase, agent_key, task_key, call_type, value, rows)
        SELECT vdn_id, 'typehour', phase, 0, 0, substr(call_type, 1, 60), {_HOURS[vendor]}, count(*)
        FROM isales_proxy_mirrorrow
        WHERE call_type <> '' AND appoint_time IS NOT NULL
        GROUP BY vdn_id, phase, substr(call_type, 1, 60), {_HOURS[vendor]}
    """)  # noqa: S608


class Migration(migrations.Migration):
    dependencies = [("isales_proxy", "0023_plain_labels")]

    operations = [
        migrations.RemoveConstraint(model_name="mirrorcount", name="one_mirror_count"),
        migrations.AddField(
            model_name="mirrorcount",
            name="call_type",
            field=models.CharField(blank=True, db_default="", max_length=60),
        ),
        migrations.AddConstraint(
            model_name="mirrorcount",
            constraint=models.UniqueConstraint(fields=_KEY, name="one_mirror_count"),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
