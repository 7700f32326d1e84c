"""Fill counters, business results and called numbers of the mirror for the rows that are there."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, Final

from django.db import migrations

_BATCH: Final = 2_000
_PACKED: Final = 18
_ROWS, _VERSIONS = "isales_proxy_mirrorrow", "isales_proxy_mirrorversion"
_HOURS: Final = {
    "postgresql": """to_char(appoint_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24')""",
    "sqlite": "substr(appoint_time, 1, 10) || 'T' || substr(appoint_time, 12, 2)",
}
_NONE, _NO_VALUE = "0", "''"


def fill(apps: Any, schema_editor: Any) -> None:
    connection = schema_editor.connection
    results = _store_results(apps, connection)
    with connection.cursor() as cursor:
        for batch in _read(cursor, _ROWS, "vdn_id, busi_result, called_no"):
            cursor.executemany(
                f"UPDATE {_ROWS} SET business_id = %s, number_begin = %s, number_end = %s"  # noqa: S608
                " WHERE id = %s",
                [
                    (results.get((vdn, result)), *_pack(number), key)
                    for key, vdn, result, number in batch
                ],
            )
        for batch in _read(cursor, _VERSIONS, "vdn_id, busi_result"):
            cursor.executemany(
                f"UPDATE {_VERSIONS} SET business_id = %s WHERE id = %s",  # noqa: S608
                [(results[vdn, result], key) for key, vdn, result in batch if result],
            )
        count(cursor, connection.vendor)


def _store_results(apps: Any, connection: Any) -> dict[tuple[int, str], int]:
    """Store each business result once; return the IDs by VDN and text."""
    model = apps.get_model("isales_proxy", "MirrorBusinessResult")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT vdn_id, busi_result FROM {_ROWS} WHERE busi_result <> ''"  # noqa: S608
            f" UNION SELECT vdn_id, busi_result FROM {_VERSIONS} WHERE busi_result <> ''"
        )
        found = cursor.fetchall()
    made = model.objects.bulk_create(
        (model(vdn_id=vdn, digest=_digest(text), text=text) for vdn, text in found),
        batch_size=_BATCH,
    )
    return {(each.vdn_id, each.text): each.pk for each in made}


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _read(cursor: Any, table: str, columns: str) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of a table in parts, in the order of their IDs."""
    last = 0
    while True:
        cursor.execute(
            f"SELECT id, {columns} FROM {table} WHERE id > %s ORDER BY id LIMIT {_BATCH}",  # noqa: S608
            [last],
        )
        batch = cursor.fetchall()
        if not batch:
            return
        yield batch
        last = batch[-1][0]


def _pack(number: str | None) -> tuple[int | None, int | None]:
    digits = "".join(each for each in number or "" if "0" <= each <= "9")
    if not digits:
        return None, None
    return _pack_digits(digits), _pack_digits(digits[::-1])


def _pack_digits(digits: str) -> int:
    value = 0
    for digit in digits[:_PACKED].ljust(_PACKED):
        value = value * 11 + (0 if digit == " " else int(digit) + 1)
    return value


def count(cursor: Any, vendor: str) -> None:
    hour, names = _HOURS[vendor], ("coalesce(agent_id, 0)", "coalesce(task_id, 0)")
    for counted_by, agent, task, value, condition in (
        ("all", _NONE, _NONE, _NO_VALUE, ""),
        ("names", *names, _NO_VALUE, ""),
        ("hour", _NONE, _NONE, f"coalesce({hour}, '')", ""),
        ("type", _NONE, _NONE, "substr(call_type, 1, 60)", "WHERE call_type IS NOT NULL"),
        ("code", _NONE, _NONE, "substr(fail_code, 1, 60)", "WHERE fail_code IS NOT NULL"),
        (
            *("business", _NONE, _NONE, "CAST(business_id AS text)"),
            "WHERE business_id IS NOT NULL",
        ),
    ):
        cursor.execute(f"""
            INSERT INTO isales_proxy_mirrorcount
                (vdn_id, counted_by, phase, agent_key, task_key, value, rows)
            SELECT vdn_id, '{counted_by}', phase, {agent}, {task}, {value}, count(*)
            FROM {_ROWS} {condition} GROUP BY 1, 2, 3, 4, 5, 6
        """)  # noqa: S608


class Migration(migrations.Migration):
    dependencies = [("isales_proxy", "0021_mirror_counts")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
