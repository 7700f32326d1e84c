"""Program: take the database back to a former migration, fill it, upgrade it, check its rows.

Run in `manage.py shell`, in the environment of an installation.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from isales_proxy.access import enter
from isales_proxy.models import CallDatum, Role, TaskName, User, Vdn, WriteBack, WriteBackState

APP = "isales_proxy"
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def upgrade_from(migration: str) -> None:
    """Upgrade a database with a row of each subject from this migration to the newest."""
    before = [(APP, migration)]
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes(APP)
    MigrationExecutor(connection).migrate(before)
    _fill(MigrationExecutor(connection).loader.project_state(before).apps.get_model)
    MigrationExecutor(connection).migrate(newest)
    _check()


def _fill(get_model: Any) -> None:
    vdn = get_model(APP, "Vdn").objects.create(id=77, name="Older", late_grace_seconds=120)
    user = get_model(APP, "User").objects.create(
        username="Older", username_key="older", password="!"
    )
    get_model(APP, "Access").objects.create(user=user, vdn=vdn, role="agent", agent_account="116")
    get_model(APP, "TaskName").objects.create(vdn=vdn, service_id="1", name="Older", seen_at=AT)
    batch = get_model(APP, "CallDataBatch").objects.create(
        vdn=vdn, service_id="1", batch_count=1, key="k", asked_at=AT, asked_by_name="Older"
    )
    get_model(APP, "CallDatum").objects.create(
        batch=batch, position=0, unique_id="u-1", phone_numbers="[]", raw={"uniqueId": "u-1"}
    )
    written = get_model(APP, "WriteBack").objects.create(
        vdn=vdn,
        unique_id="u-1",
        service_id="1",
        body={"uniqueId": "u-1"},
        key="k",
        state="waiting",
        created_at=AT,
        created_by_name="Older",
        queued_at=AT,
        next_at=AT,
        attempts=1,
    )
    get_model(APP, "WriteBackAttempt").objects.create(
        write_back=written, number=1, started_at=AT, worker="w", outcome="timed_out"
    )


def _check() -> None:
    vdn = Vdn.objects.get(pk=77)
    assert (vdn.name, vdn.late_grace_seconds) == ("Older", 120)
    scope = enter(user=User.objects.get(username="Older"), vdn_id=77)
    assert (scope.role, scope.agent_account) == (Role.AGENT, "116")
    assert TaskName.objects.get(vdn=vdn).name == "Older"
    assert CallDatum.objects.get(batch__vdn=vdn).raw == {"uniqueId": "u-1"}
    written = WriteBack.objects.get(vdn=vdn)
    assert (written.state, written.body) == (WriteBackState.WAITING, {"uniqueId": "u-1"})
    assert [each.outcome for each in written.journal.all()] == ["timed_out"]
