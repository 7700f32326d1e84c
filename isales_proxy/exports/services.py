"""Exports too long for one request: asked for, run one at a time by the worker, kept for a day.

The table of the jobs is the queue; a message to the worker only wakes it. A file is in
`VAR_DIR/exports`, readable by our own user alone, and is given to the person who asked for it. The
rows are written by the renderer of a list, which the dashboard registers.
"""

from __future__ import annotations

import json
import os
import re
import threading
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final
from zoneinfo import ZoneInfo

import structlog
from django.conf import settings
from django.db import transaction
from django.dispatch import Signal
from django.utils import timezone, translation
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from isales_proxy import access, problems
from isales_proxy.access import Permission, Scope
from isales_proxy.client.errors import ISalesError
from isales_proxy.core.encryption import DecryptionFailed
from isales_proxy.models import ExportJob, ExportState, User
from isales_proxy.models.exports import OPEN_STATES
from isales_proxy.privacy import masking

log = structlog.get_logger("isales")

KEPT: Final = timedelta(days=1)
MOST_OPEN: Final = 5
"""Exports of one person that may wait or run at the same time."""
_DRAFT_KEPT: Final = timedelta(minutes=10)
_REPORT_SECONDS: Final = 1.0
_LONGEST_REASON: Final = 400
_FILE_MODE: Final = 0o600
_READ_BYTES: Final = 1 << 20
_FACTS: Final = "facts"
# What may part the digits of a number.
_SEPARATORS: Final = re.compile(rb"[ ().\-]+")

queued = Signal()
"""Sent after an export was queued: a worker should look."""


class ExportRefused(RuntimeError):
    """The file cannot be made. The message is for its person, in their language."""


class TooManyExports(RuntimeError):
    """The person has `MOST_OPEN` exports under way."""


class _Stopped(RuntimeError):
    """The job was cancelled, or another run has taken its place."""


@dataclass(frozen=True)
class FinishedFile:
    """The name of a finished file for its person, its rows, and labels and texts about it."""

    name: str
    rows: int
    facts: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class ExportRequest:
    """Input of a renderer: who asks, what for, the kind of file, where to write.

    `report(rows, total)` tells how far it is and raises when it must stop.
    """

    scope: Scope
    question: Mapping[str, Any] = field(repr=False)
    kind: str
    file: IO[bytes]
    report: Callable[[int, int], None]


Renderer = Callable[[ExportRequest], FinishedFile]
"""Writes a file in the active language and time zone. Raises ISalesError and ExportRefused."""

_renderers: dict[str, Renderer] = {}
_under_way = threading.Lock()


def register_renderer(source: str, renderer: Renderer) -> None:
    """Set the renderer of the exports of a list, named `source`."""
    _renderers[source] = renderer


def request_export(
    *, scope: Scope, source: str, kind: str, question: Mapping[str, Any], total: int
) -> ExportJob:
    """Queue an export in the active language and zone, or return the same one if it is under way.

    `total` is the number of rows expected. Raises PermissionMissing and TooManyExports.
    """
    scope.require(Permission.EXPORT)
    text = json.dumps(question, sort_keys=True)
    language, zone = translation.get_language() or "en", timezone.get_current_timezone_name()
    facts = "|".join((str(scope.vdn.pk), source, kind, language, zone, text))
    now = timezone.now()
    with transaction.atomic():
        # Of two requests at the same time the second finds the job of the first.
        user = User.objects.select_for_update(no_key=True).get(pk=scope.user_id)
        under_way = ExportJob.objects.of_person(user).filter(state__in=OPEN_STATES)
        fingerprint = salted_hmac("isales_proxy.exports", facts, algorithm="sha256").hexdigest()
        if (same := under_way.filter(fingerprint=fingerprint).first()) is not None:
            return same
        if under_way.count() >= MOST_OPEN:
            raise TooManyExports
        job = ExportJob(
            user=user,
            vdn=scope.vdn,
            source=source,
            kind=kind,
            fingerprint=fingerprint,
            language=language,
            zone=zone,
            masked=not scope.can(Permission.SEE_NUMBERS),
            all_agents=scope.can(Permission.SEE_ALL_AGENTS),
            total=total,
            asked_at=now,
            reported_at=now,
            ends_at=now + KEPT,
        )
        job.set_question(text)
        job.save()
    queued.send(ExportJob)
    return job


def get_job(*, user: User, export_id: int) -> ExportJob | None:
    """Return a person's own export, unless its day is over; an interrupted one is marked."""
    now = timezone.now()
    mark_abandoned(now)
    return ExportJob.objects.of_person(user).filter(pk=export_id, ends_at__gt=now).first()


def cancel(*, job: ExportJob) -> bool:
    """Cancel an export that waits or runs; return False if it is neither."""
    return _leave(job, OPEN_STATES, ExportState.CANCELLED)


def restart(*, job: ExportJob) -> bool:
    """Queue an export again that failed or was interrupted or cancelled; return False otherwise."""
    ended = (ExportState.FAILED, ExportState.ABANDONED, ExportState.CANCELLED)
    again = _leave(job, ended, ExportState.QUEUED, rows=0, reason="", ends_at=timezone.now() + KEPT)
    if again:
        queued.send(ExportJob)
    return again


def open_file(*, scope: Scope, job: ExportJob) -> IO[bytes] | None:
    """Open the file of a finished export. None when it is gone, or contains more than its person
    may see by now. Raises PermissionMissing without EXPORT."""
    scope.require(Permission.EXPORT)
    allowed = (job.masked or scope.can(Permission.SEE_NUMBERS)) and (
        not job.all_agents or scope.can(Permission.SEE_ALL_AGENTS)
    )
    if not allowed or job.state != ExportState.DONE:
        return None
    try:
        return _get_path(job).open("rb")
    except FileNotFoundError:
        return None


def get_facts(*, job: ExportJob) -> list[tuple[str, str]]:
    """Return label and text of what is to be known about the file of a finished export."""
    try:
        question = json.loads(job.get_question())
    except DecryptionFailed:
        return []
    return [(label, text) for label, text in question.get(_FACTS, ())]


def run_queued() -> None:
    """Run what is queued, one after another; return at once while another thread does."""
    mark_abandoned(timezone.now())
    waiting = ExportJob.objects.filter(state=ExportState.QUEUED).order_by("pk")
    # Asked again after the lock is released: what came meanwhile was turned away.
    while waiting.exists() and _under_way.acquire(blocking=False):
        try:
            while (job := waiting.select_related("user", "vdn").first()) is not None:
                if _claim(job):
                    _run(job)
        finally:
            _under_way.release()


def mark_abandoned(now: datetime) -> int:
    """Mark the running exports whose worker is silent at `now` (aware); return how many."""
    return ExportJob.objects.silent(now).update(state=ExportState.ABANDONED)


def purge(now: datetime) -> int:
    """Delete the exports that are over at `now` (aware) with their files; return how many."""
    removed, _kinds = ExportJob.objects.over(now).delete()
    kept = {_get_path(job).name for job in ExportJob.objects.only("pk", "attempt", "kind")}
    begun = (now - _DRAFT_KEPT).timestamp()
    for path in _get_folder().glob("*.*"):
        # A newer one may belong to a run that began just now.
        with suppress(FileNotFoundError):
            if path.name not in kept and path.stat().st_mtime < begun:
                path.unlink()
    return removed


def forget_number(*, vdn_id: int, digits: str, now: datetime) -> int:
    """Delete the exports of a VDN whose question or file contains a number, given by its digits;
    return how many. Those that run begin anew."""
    jobs = ExportJob.objects.filter(vdn=vdn_id)
    again = jobs.filter(state=ExportState.RUNNING).update(
        state=ExportState.QUEUED, rows=0, reported_at=now
    )
    removed = 0
    for job in jobs:
        try:
            question = job.get_question()
        except DecryptionFailed:
            question = ""
        is_written = job.state == ExportState.DONE and _contains(job, digits)
        told = (question, job.reason)
        if is_written or any(masking.remove_number(text, digits) != text for text in told):
            _get_path(job).unlink(missing_ok=True)
            removed += jobs.filter(pk=job.pk).delete()[0]
    if again:
        queued.send(ExportJob)
    return removed


def _contains(job: ExportJob, digits: str) -> bool:
    """Tell whether the file of a job contains the number; a file that cannot be read counts."""
    try:
        with _get_path(job).open("rb") as file:
            if job.kind != "xlsx":
                return _find_in(file, digits)
            with zipfile.ZipFile(file) as parts:
                return any(_find_in(parts.open(name), digits) for name in parts.namelist())
    except FileNotFoundError:
        return False
    except (OSError, zipfile.BadZipFile):
        return True


def _find_in(file: IO[bytes], digits: str) -> bool:
    wanted, tail = digits.encode(), b""
    while part := file.read(_READ_BYTES):
        part = _SEPARATORS.sub(b"", part)
        if wanted in tail + part:
            return True
        tail = part[-len(wanted) :]
    return False


def _claim(job: ExportJob) -> bool:
    """Begin a run of the job unless another worker has."""
    job.attempt += 1
    begun = {"attempt": job.attempt, "rows": 0, "reason": ""}
    return _leave(job, (ExportState.QUEUED,), ExportState.RUNNING, **begun)


def _run(job: ExportJob) -> None:
    """Run a job; its file stays only where the run is complete and still the one that counts."""
    stays = False
    try:
        with translation.override(job.language), timezone.override(ZoneInfo(job.zone)):
            state, facts = _write(job)
        counts = _update(job, state=state, ends_at=timezone.now() + KEPT, **facts)
        stays = counts and state is ExportState.DONE
        log.info("export_ended", export=job.pk, state=state.value)
    except _Stopped:
        pass
    finally:
        # Also where the database cannot be told.
        if not stays:
            _get_path(job).unlink(missing_ok=True)


def _write(job: ExportJob) -> tuple[ExportState, dict[str, Any]]:
    """Write the file of a job; return its new state and facts. Raises _Stopped."""
    try:
        scope = access.enter(user=job.user, vdn_id=job.vdn_id)
        if not job.user.is_active:
            raise access.VdnNotFound
        scope.require(Permission.EXPORT)
        question = json.loads(job.get_question())
        with _create_file(_get_path(job)) as file:
            request = ExportRequest(scope, question, job.kind, file, report=_Reporter(job))
            finished = _renderers[job.source](request)
    except ISalesError as error:
        problem = problems.describe(error)
        return _fail(f"{problem.title}. {problem.detail}")
    except ExportRefused as error:
        return _fail(str(error))
    except (access.VdnNotFound, access.PermissionMissing, DecryptionFailed):
        return _fail(_("You may no longer export this list."))
    except OSError as error:
        log.error("export_not_written", export=job.pk, reason=type(error).__name__)
        return _fail(_("The server has no disk space for the file. Tell your admin."))
    except _Stopped:
        raise
    except Exception:
        log.exception("export_failed", export=job.pk)
        return _fail(_("Internal error; the log has the details of this request."))
    # The facts name the filter, so they are kept as its question is.
    job.set_question(json.dumps({**question, _FACTS: [*finished.facts]}))
    return ExportState.DONE, {
        "file_name": finished.name,
        "rows": finished.rows,
        "total": finished.rows,
        "masked": not scope.can(Permission.SEE_NUMBERS),
        "all_agents": scope.can(Permission.SEE_ALL_AGENTS),
        "question": job.question,
    }


def _fail(reason: str) -> tuple[ExportState, dict[str, Any]]:
    return ExportState.FAILED, {"reason": reason[:_LONGEST_REASON]}


class _Reporter:
    """Reports the rows of a run, at most once a second. Raises _Stopped when it must end."""

    def __init__(self, job: ExportJob) -> None:
        self._job = job
        self._next = 0.0

    def __call__(self, rows: int, total: int) -> None:
        now = timezone.now()
        if now.timestamp() < self._next:
            return
        self._next = now.timestamp() + _REPORT_SECONDS
        if not _update(self._job, rows=rows, total=total, reported_at=now):
            raise _Stopped


def _update(job: ExportJob, **facts: Any) -> bool:
    """Change a job while this run is the one that counts; return False when it is not."""
    own = ExportJob.objects.filter(pk=job.pk, state=ExportState.RUNNING, attempt=job.attempt)
    return bool(own.update(**facts))


def _leave(
    job: ExportJob, states: tuple[ExportState, ...], state: ExportState, **facts: Any
) -> bool:
    return bool(
        ExportJob.objects.filter(pk=job.pk, state__in=states).update(
            state=state, reported_at=timezone.now(), **facts
        )
    )


def _create_file(path: Path) -> IO[bytes]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        path.unlink()
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _FILE_MODE), "w+b")


def _get_folder() -> Path:
    return Path(settings.VAR_DIR) / "exports"


def _get_path(job: ExportJob) -> Path:
    return _get_folder() / f"{job.pk}-{job.attempt}.{job.kind}"
