"""Lists of the mirror at two sizes: time in the database of page, total and tabs, with plans.

`make bench ARGS=--mirror` compares 10,000 with 1,000,000 rows, on SQLite and, where it answers on
loopback, PostgreSQL. `python -m bench.mirror_lists --database URL --rows N` fills an empty database
and prints one table; `--plans` prints the plan of each statement as well. `bench.servers` takes
`fill` for the mirror of which `bench.pages` measures the fragment. Every question that the
list offers is asked: tabs, orders, filters, deep pages. Times are the best of `ROUNDS`, in ms, of
the execution of the statements, on PostgreSQL by the server; counts are not shared between rounds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import islice
from tempfile import TemporaryDirectory
from typing import Any, Final

from tests.support import furnished
from tests.support.services import POSTGRES, answers

ROUNDS: Final = 5
SIZES: Final = (10_000, 1_000_000)
NOON: Final = datetime(2026, 3, 11, 12, 0, tzinfo=UTC)
VDN: Final = 88
AGENTS: Final = 300
TASKS: Final = 200
OPEN_ONE_IN: Final = 20
CODES: Final = 23
DUE_SOON: Final = 100

# n counts from 1. Rows are spread over 180 days before and 3 days after noon; the open ones are the
# last of them, as in life. The very last are due soon: a list grows with its history, while what
# is due in the next minutes is as much as its agents can call.
_COLUMNS: Final = """appoint_id, key, call_type, appoint_time, called_no, timeout, begin_time,
    fail_code, busi_result, create_time, agent_id, task_id, phase, unconfirmed, vdn_id, fingerprint,
    observed_at, appeared_at, revision, first_revision, business_id, number_begin, number_end"""
_NUMBER: Final = "'138' || (10000000 + n * 7919 % 90000000)"
_RESULT: Final = """CASE WHEN {is_open} THEN NULL WHEN n % 7 = 0 THEN {results[0]}
        WHEN n % 1009 = 0 THEN {results[1]} WHEN n % 5 = 0 THEN {results[2]} END"""
_VALUES: Final = """'a' || n, 'a' || n, CASE WHEN n % 3 = 0 THEN '2' ELSE '1' END,
    CASE WHEN n % 997 = 0 THEN NULL ELSE {due} END,
    {number}, {false},
    CASE WHEN {is_open} THEN NULL ELSE {due} END,
    CASE WHEN {is_open} OR n % 25 = 1 THEN NULL WHEN n % 2 = 0 THEN '00000'
        ELSE {fail_code} END,
    {result}, {noon},
    (SELECT min(id) FROM isales_proxy_mirroragent) + n * 31 % {agents},
    (SELECT min(id) FROM isales_proxy_mirrortask) + n * 17 % {tasks},
    CASE WHEN {is_open} THEN 0 WHEN n % 25 = 1 THEN 1 WHEN n % 100 = 3 THEN 9
        WHEN n % 2 = 0 THEN 2 ELSE 3 END,
    {false}, {vdn}, {blob}, {noon}, {noon}, 1, 1, {result_id}, {number_begin}, {number_end}"""


def fill(rows: int, vdn: int = VDN) -> None:
    """Fill the empty tables of the mirror with `rows` rows by one statement, and count them."""
    from django.db import connection

    from isales_proxy import models
    from isales_proxy.core.database import refresh_statistics
    from isales_proxy.models.mirror import LeafKind
    from isales_proxy.reservations.status import SOON

    models.Vdn.objects.update_or_create(pk=vdn, defaults={"name": "Bench"})
    models.MirrorAgent.objects.bulk_create(
        models.MirrorAgent(vdn_id=vdn, account=f"{1000 + n}", name=f"Agent {n:03}")
        for n in range(AGENTS)
    )
    models.MirrorTask.objects.bulk_create(
        models.MirrorTask(vdn_id=vdn, task_id=f"{n}", name=f"Task {n:03}", status=f"{1 + n % 4}")
        for n in range(TASKS)
    )
    models.MirrorState.objects.create(
        vdn_id=vdn, column="appointTime", revision=1, round_ended_at=NOON, round_complete=True
    )
    models.MirrorLeaf.objects.bulk_create(
        models.MirrorLeaf(
            vdn_id=vdn,
            kind=kind,
            begin=NOON - timedelta(days=400) if kind == LeafKind.TIME else None,
            end=NOON + timedelta(days=400) if kind == LeafKind.TIME else None,
            as_of=NOON,
            complete=True,
            due_at=NOON,
        )
        for kind in (LeafKind.TIME, LeafKind.UNDATED)
    )
    on_postgres = connection.vendor == "postgresql"
    seconds, start = 183 * 86_400, "2025-09-12 12:00:00"
    soon = f"{180 * 86_400} + n % {int(SOON.total_seconds())}"
    offset = f"(CASE WHEN n > {rows - DUE_SOON} THEN {soon} ELSE n * 1.0 * {seconds} / {rows} END)"
    due = f"datetime('{start}', '+' || CAST({offset} AS INTEGER) || ' seconds')"
    # A number of our own, no input.
    source = f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows})"  # noqa: S608
    numbers = "FROM s"
    if on_postgres:
        due = f"timestamptz '{start}+00' + floor({offset}) * interval '1 second'"
        source, numbers = "", f"FROM generate_series(1::bigint, {rows}) AS s(n)"
    is_open = f"n > {rows - rows // OPEN_ONE_IN}"
    texts = ("Sold", "Agent 7 again", "Done")
    results = models.MirrorBusinessResult.objects.bulk_create(
        models.MirrorBusinessResult(vdn_id=vdn, digest=text, text=text) for text in texts
    )
    # As `pack_digits` does.
    digits = [f"(CAST(substr({_NUMBER}, {place}, 1) AS INTEGER) + 1)" for place in range(1, 12)]
    powers = [11**power for power in range(17, 6, -1)]
    begin, end = (
        " + ".join(f"{digit} * {power}" for digit, power in zip(each, powers, strict=True))
        for each in (digits, digits[::-1])
    )
    codes = " ".join(f"WHEN {n} THEN '{code}'" for n, code in enumerate(_list_failed_codes()))
    values = _VALUES.format(
        due=due,
        fail_code=f"CASE n % {CODES} {codes} END",
        number=_NUMBER,
        number_begin=begin,
        number_end=end,
        result=_RESULT.format(is_open=is_open, results=[f"'{text}'" for text in texts]),
        result_id=_RESULT.format(is_open=is_open, results=[each.pk for each in results]),
        is_open=is_open,
        false="false" if on_postgres else "0",
        blob="'\\x00'::bytea" if on_postgres else "x'00'",
        noon="timestamptz '2026-03-11 12:00:00+00'" if on_postgres else "'2026-03-11 12:00:00'",
        agents=AGENTS,
        tasks=TASKS,
        vdn=vdn,
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO isales_proxy_mirrorrow ({_COLUMNS}) {source} SELECT {values} {numbers}"
        )
    # As an upgrade counts what is there.
    with connection.cursor() as cursor:
        for name in ("0022_fill_mirror_counts", "0024_count_type_hours"):
            import_module(f"isales_proxy.migrations.{name}").count(cursor, connection.vendor)
    if on_postgres:
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    refresh_statistics()


def _list_failed_codes() -> list[str]:
    """List the result codes of failed calls, which have categories."""
    from isales_proxy.models import CodeCategory
    from isales_proxy.result_codes import book

    failed = (
        code
        for code in sorted(book.list_codes())
        if book.get_shipped(code).category not in {"", CodeCategory.SUCCESS}
    )
    return list(islice(failed, CODES))


def list_questions(rows: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every kind of question to a list of `rows` rows: name and fields."""
    from isales_proxy.reservations.query import SORT_KEYS, Cursor, Tab

    for tab in Tab:
        yield f"tab {tab}", {"tab": tab}
    for key in SORT_KEYS:
        yield f"soon by {key}", {"tab": Tab.SOON, "sort": key}
        yield f"all by -{key}", {"tab": Tab.ALL, "sort": f"-{key}"}
    yield "one agent", {"agents": ("1007",)}
    yield "one agent, all", {"agents": ("1007",), "tab": Tab.ALL}
    yield "one task, failed", {"task_id": "7", "tab": Tab.FAILED}
    yield "task status", {"task_status": "2"}
    yield "name", {"text": "agent 01"}
    yield "business result", {"text": "sold", "tab": Tab.DONE}
    yield "name or result", {"text": "agent 7", "tab": Tab.ALL}
    yield "whole number", {"called_no": "13810007919", "tab": Tab.ALL}
    # People type until few rows are left: 126 of 10,000 and 112 of 1,000,000 rows.
    part = "13810" + "0" * (len(str(rows)) - 5)
    yield "part of a number", {"called_no": part, "tab": Tab.ALL}
    yield "code", {"codes": (_list_failed_codes()[3],), "tab": Tab.FAILED}
    yield "category", {"category": "customer", "tab": Tab.FAILED}
    yield "type", {"call_type": "2"}
    yield "a day", {"begin": NOON - timedelta(days=1), "end": NOON, "tab": Tab.ALL}
    yield "page 200", {"tab": Tab.ALL, "page": 200, "size": 50}
    after = Cursor(NOON - timedelta(days=90), 1)
    yield "beyond row 10,000", {"tab": Tab.ALL, "page": 300, "size": 50, "after": after}
    yield "jump", {"tab": Tab.ALL, "jump": NOON - timedelta(days=30)}


@contextmanager
def time_statements(spent: list[tuple[str, Any, float]]) -> Iterator[None]:
    """Add each statement with its parameters and time in ms."""
    from django.db import connection

    def run(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            spent.append((sql, params, (time.perf_counter() - began) * 1000))

    with connection.execute_wrapper(run):
        yield


def measure(rows: int, plans: bool, rounds: int) -> Iterator[str]:
    """Yield lines of a table: question, ms of page and counts, statements."""
    from django.core.cache import cache
    from django.db import connection

    from isales_proxy.models import Role
    from tests.support.mirror_lists import create_scope, list_page

    scope = create_scope(Role.SUPERVISOR)
    list_page(scope, NOON)
    for name, question in list_questions(rows):
        best: list[tuple[str, Any, float]] = []
        for _round in range(rounds):
            cache.clear()
            spent: list[tuple[str, Any, float]] = []
            with time_statements(spent):
                page = list_page(scope, NOON, **{"size": 50, **question})
            spent = [each for each in spent if "mirror" in each[0]]
            if not best or _sum(spent) < _sum(best):
                best = spent
        if connection.vendor == "postgresql":
            best = [(sql, params, _ask_server(sql, params, rounds)) for sql, params, _ms in best]
        counts = [each for each in best if "COUNT(" in each[0] and "mirrorrow" in each[0]]
        rest = [each for each in best if each not in counts]
        yield f"| {name} | {page.total} | {_sum(rest):.2f} | {_sum(counts):.2f} | {len(best)} |"
        if plans:
            prefix = "EXPLAIN " if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN "
            with connection.cursor() as cursor:
                for sql, params, spent_ms in rest:
                    if 'FROM "isales_proxy_mirrorrow"' in sql:
                        cursor.execute(prefix + sql, params)
                        yield f"    {spent_ms:.1f} ms"
                        yield from (f"    {row[-1]}" for row in cursor.fetchall())


def _ask_server(sql: str, params: Any, rounds: int) -> float:
    """Return the ms that PostgreSQL needs to plan and execute: the way there and back is left out,
    on which its process and ours take turns with all others."""
    from django.db import connection

    times = []
    with connection.cursor() as cursor:
        for _round in range(rounds):
            cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", params)
            (plan,) = cursor.fetchone()[0]
            times.append(float(plan["Planning Time"]) + float(plan["Execution Time"]))
    return min(times)


def _sum(spent: list[tuple[str, Any, float]]) -> float:
    return sum(each[2] for each in spent)


@contextmanager
def make_databases(rows: int) -> Iterator[list[tuple[str, str]]]:
    """Make an empty database of each kind that is here: name and DATABASE_URL."""
    with TemporaryDirectory(prefix="callboard-bench-") as folder, ExitStack() as stack:
        found = [("SQLite", f"sqlite:///{folder}/mirror-{rows}.sqlite3")]
        if answers(POSTGRES):
            name = f"callboard_bench_{os.getpid()}_{rows}"
            admin = stack.enter_context(furnished.administrator())
            admin.execute(f'CREATE DATABASE "{name}"')
            stack.callback(admin.execute, f'DROP DATABASE "{name}" WITH (FORCE)')
            found.append(("PostgreSQL", furnished.get_address("postgres", name)))
        yield found


def compare(sizes: Sequence[int] = SIZES) -> None:
    """Measure every question at each size; print a line for each, the ratio of the times last."""
    times: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for rows in sizes:
        with make_databases(rows) as databases:
            for kind, address in databases:
                command = [sys.executable, "-m", "bench.mirror_lists"]
                command += ["--database", address, "--rows", str(rows)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                for line in done.stdout.splitlines()[2:]:
                    question, total, page, counts, _statements = line.strip("| ").split(" | ")
                    found = times.setdefault((kind, question), [])
                    found.append((f"{page} + {counts} ({total})", float(page) + float(counts)))
    headings = " | ".join(f"{rows:,} rows" for rows in sizes)
    print(
        f"Page + counts in ms (rows of the answer).\n\n| database | question | {headings} | ratio |"
    )
    print("|---" * (len(sizes) + 3) + "|")
    for (kind, question), found in times.items():
        ratio = found[-1][1] / max(found[0][1], 0.1)
        cells = " | ".join(text for text, _ms in found)
        print(f"| {kind} | {question} | {cells} | {ratio:.1f} |", flush=True)


def main() -> None:
    """Fill a database and measure it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--database", required=True, help="DATABASE_URL of an empty database")
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--filled", action="store_true", help="it was filled by an earlier run")
    parser.add_argument("--plans", action="store_true")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    os.environ["DATABASE_URL"] = asked.database
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    import django
    from django.core.management import call_command

    django.setup()
    if not asked.filled:
        call_command("migrate", verbosity=0)
        fill(asked.rows)
    print("| question | rows | page, ms | counts, ms | statements |\n|---|---|---|---|---|")
    for line in measure(asked.rows, asked.plans, asked.rounds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
