"""Every field that may hold a called person's number is erased, or is exempt for a reason."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import models
from django.utils import timezone

from isales_proxy import erasure
from isales_proxy.models import (
    CallDataBatch,
    CallDatum,
    CodeNote,
    MirrorAgent,
    MirrorBusinessResult,
    MirrorName,
    MirrorRow,
    MirrorTask,
    MirrorVersion,
    TaskName,
    WriteBack,
    WriteBackAttempt,
)
from isales_proxy.privacy import masking
from isales_proxy.privacy.erased_fields import ERASED, Erasure
from isales_proxy.simulator import Simulator
from tests.mirror.test_forgetting import stored
from tests.support.mirror import mirror_rows
from tests.support.mirror_versions import minute, write_version
from tests.support.pages import rows_of

LIST = "/vdn/88/reservations/"
NUMBER = "6591234567"
# Sessions, log-ins, second factors and Django's own log of the admin: nothing of called people.
LIBRARIES = {
    *(
        "admin",
        "auth",
        "contenttypes",
        "sessions",
        "account",
        "mfa",
        "socialaccount",
        "usersessions",
    ),
}
# Why a field stays → table → its fields.
EXEMPT: Mapping[str, Mapping[str, str]] = {
    "an ID of the vendor's, by which the row is found": {
        "MirrorAgent": "account",
        "MirrorTask": "task_id",
        "MirrorRow": "appoint_id key",
        "MirrorVersion": "appoint_id",
        "MirrorLeaf": "agent task",
        "TaskName": "service_id",
        "CallDataBatch": "service_id vendor_request",
        "CallDatum": "service_id unique_id",
        "WriteBack": "unique_id service_id appoint_id",
        "WriteBackAttempt": "vendor_request",
    },
    "written by us: a name, a code, a count or a text of the program's own": {
        "AuditEvent": "action",
        "AuditHead": "problem",
        "MirrorState": "holder column number_match round_reason comparisons",
        "MirrorCount": "counted_by call_type value",
        "MirrorVersion": "kinds",
        "MirrorLeaf": "kind",
        "CallDataBatch": "state vendor_code",
        "WriteBack": "fail_code state claimed_by vendor_code",
        "WriteBackAttempt": "worker outcome vendor_code",
        "ExportJob": "source kind language zone state file_name",
        "CodeRefresh": "kind",
        "CodeNote": "category",
        "Vdn": "name time_zone codes_held",
        "BearerToken": "turn_of",
    },
    "a digest, keyed, of random values or of what is stored": {
        "AuditEvent": "number_key previous hash",
        "AuditHead": "last first_previous seal",
        "MirrorBusinessResult": "digest",
        "MirrorRow": "fingerprint",
        "MirrorSuppression": "digest",
        "CallDataBatch": "key",
        "WriteBack": "key request_digest",
        "ExportJob": "fingerprint",
        "FormDraft": "key",
        "CodeSighting": "row",
        "SignInAttempt": "key",
        "BearerToken": "key",
    },
    "masked when it is written; the audit is never changed": {
        "AuditEvent": "actor reason subject detail",
    },
    "a network address": {"AuditEvent": "address"},
    "of a person who logs in, who is deleted in the admin": {
        "CallDataBatch": "asked_by_name",
        "WriteBack": "created_by_name",
        "CodeRefresh": "by",
        "CodeNote": "changed_by",
        "User": "username username_key first_name last_name email password time_zone",
        "Access": "role agent_account",
        "ApiToken": "name scope last_used_from digest token_key",
        "VdnCredentials": "changed_by",
    },
    "the vendor's table of result codes": {
        "ResultCode": "code text_zh text_en",
        "CodeRefresh": "table changes",
        "CodeNote": "code",
        "CodeSighting": "code",
    },
    "a key of the installation, encrypted": {
        "BearerToken": "sealed",
        "VdnCredentials": "access_key secret_key app_key app_secret token",
    },
}
TEXTS = (models.CharField, models.TextField, models.JSONField, models.BinaryField)
# Their subjects delete the whole row; `test_forgetting` has them.
DELETED = {"ExportJob", "FormDraft"}


def list_fields(*tables: Mapping[str, Iterable[str]]) -> list[tuple[str, str]]:
    return [(table, name) for each in tables for table, names in each.items() for name in names]


def test_every_text_field_is_declared_erased_or_exempt() -> None:
    exempt = [
        {table: names.split() for table, names in tables.items()} for tables in EXEMPT.values()
    ]
    declared = list_fields(ERASED, *exempt)
    found = {
        (model.__name__, field.name)
        for model in apps.get_models()
        if model._meta.app_label not in LIBRARIES
        for field in model._meta.local_fields
        if isinstance(field, TEXTS)
    }
    assert sorted(found - {*declared}) == [], "erase it (privacy/erased_fields.py) or exempt it"
    assert sorted(declared) == sorted(found)


def make_rows() -> dict[str, models.Model]:
    """Make a row of every table that has fields to erase; none of them is of the number."""
    now = timezone.now()
    row = write_version(
        None, "appeared", after=None, by=minute(0), appoint_id="1", called_no="70009"
    )
    task = MirrorTask.objects.get()
    result = MirrorBusinessResult.objects.create(vdn_id=88, digest="d", text="")
    MirrorRow.objects.update(business=result)
    batch = CallDataBatch.objects.create(
        vdn_id=88, service_id="1", batch_count=1, key="k", asked_at=now, state="taken", raw=b""
    )
    written = WriteBack.objects.create(
        vdn_id=88, unique_id="u", service_id="1", body={}, key="k", created_at=now, queued_at=now,
        next_at=now,
    )  # fmt: skip
    made: list[models.Model] = [
        row,
        MirrorVersion.objects.get(),
        MirrorAgent.objects.get(),
        result,
        task,
        MirrorName.objects.create(task=task, known_from=now),
        TaskName.objects.create(vdn_id=88, service_id="1", name="", seen_at=now),
        batch,
        CallDatum.objects.create(batch=batch, position=1, phone_numbers="70009", raw={}),
        written,
        WriteBackAttempt.objects.create(write_back=written, number=1, started_at=now),
        CodeNote.objects.create(vdn_id=88, code="00604"),
    ]
    return {type(each).__name__: each for each in made}


def fill(row: models.Model, name: str, how: Erasure) -> None:
    field = row._meta.get_field(name)
    text = f"ring +65 9123-{NUMBER[-4:]} back"
    value: Any = f"+{NUMBER}" if how is Erasure.NUMBER else text
    if isinstance(field, models.JSONField):
        value = {"a": [NUMBER], text: int(NUMBER)}
    elif isinstance(field, models.BinaryField):
        value = text.encode()
    elif isinstance(field, models.CharField) and field.max_length and field.max_length < len(text):
        value = NUMBER
    type(row)._default_manager.filter(pk=row.pk).update(**{name: value})


def numbers() -> list[str]:
    return re.findall(NUMBER, re.sub(r"[ ()-]", "", stored()))


@pytest.mark.django_db
def test_forgotten_number_is_removed_from_every_field(people: dict[str, Any]) -> None:
    rows = make_rows()
    assert rows.keys() | DELETED == ERASED.keys()
    for table, row in rows.items():
        for name, how in ERASED[table].items():
            if how is not Erasure.ROW:
                fill(row, name, how)
    assert len(numbers()) > 30
    removed = erasure.forget_number(number=NUMBER, vdn_ids=[88], now=timezone.now())
    assert numbers() == []
    assert (removed["reservations"], removed["write_backs"], removed["call_data"]) == (0, 1, 0)
    assert removed["texts"] == len(rows) - 2
    for table, row in rows.items():
        assert type(row)._default_manager.filter(pk=row.pk).exists(), table
    note = CodeNote.objects.get()
    assert note.step_en == "ring +••• back"
    assert CallDatum.objects.get().caller_number == ""
    again = erasure.forget_number(number=NUMBER, vdn_ids=[88], now=timezone.now())
    assert again["texts"] == again["write_backs"] == 0


@pytest.mark.django_db
def test_forgotten_number_in_texts_does_not_come_back_with_a_sweep(
    clock: Any, vendor: Simulator, people: dict[str, Any], as_role: Any
) -> None:
    """The next sweep, which writes nothing, and live lists leave it out."""
    text = f"wife has (65) 9123-{NUMBER[-4:]} 12"
    facts = {"callType": "1", "appointTime": 1_900_000_000_000, "taskId": "7"}
    rows = [
        {**facts, "appointId": "a", "calledNo": "70009", "busiResult": text, "userAccount": "116"},
        {**facts, "appointId": "b", "calledNo": "70008", "callerNo": NUMBER},
        {**facts, "appointId": "c", "calledNo": "70007", "taskName": f"Ask {NUMBER}"},
    ]
    vendor.add_rows(88, rows)
    mirror_rows(88, rows)
    supervisor = as_role("supervisor")
    for source in ("live", "mirror"):
        shown = supervisor.get(LIST, {"called_no": "7000", "source": source}).content.decode()
        assert "9123" in shown
    assert erasure.forget_number(number=NUMBER, vdn_ids=[88], now=timezone.now())["texts"] >= 6
    before = MirrorVersion.objects.count()
    for _time in range(2):
        clock.shift(timedelta(minutes=1))
        mirror_rows(88, rows)
    assert MirrorVersion.objects.count() == before
    assert MirrorRow.objects.get(key="a").busi_result == "wife has (••• 12"
    assert NUMBER not in stored()
    for source in ("live", "mirror"):
        shown = supervisor.get(LIST, {"called_no": "7000", "source": source}).content.decode()
        assert len(rows_of(shown)) == 3
        assert "9123" not in shown
        assert NUMBER not in shown
    # What changes beside it is written, still without it.
    rows[0]["failCode"] = "00604"
    clock.shift(timedelta(minutes=1))
    mirror_rows(88, rows)
    assert MirrorRow.objects.get(key="a").fail_code == "00604"
    assert NUMBER not in stored()


def test_number_replacement_by_predicate_finds_what_removal_finds() -> None:
    drawn = random.Random(1)
    for _time in range(3000):
        text = "".join(drawn.choices("12 -.(x", k=drawn.randrange(1, 14)))
        digits = "".join(drawn.choices("12", k=drawn.randrange(2, 5)))
        known = masking.remove_number(text, digits)
        found = masking.replace_numbers(text, digits.__eq__)
        assert (digits in re.sub(r"[ ().-]", "", text)) or known == text
        # Where two overlap either may be the one that is taken.
        assert (known == text) == (found == text), (text, digits)
        assert masking.remove_number(found, digits) == found, (text, digits)
