"""Exports that take longer than a request: jobs, run one at a time by the worker, kept for a day.

The table of the jobs is the queue; messages only wake the worker. A file is in `VAR_DIR/exports`,
readable only by the user of the server, and only its person can download it. The rows are written
by the renderer of a list, which the dashboard registers.
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
# A running job reports every second; the slowest call to the vendor takes less than this.
_REPORT_TIMEOUT: Final = timedelta(seconds=90)
_REPORT_INTERVAL_S: Final = 1.0
_LONGEST_REASON: Final = 400
_FILE_MODE: Final = 0o600
_READ_BYTES: Final = 1 << 20
_FACTS: Final = "facts"
# Characters between the digits of a number.
_SEPARATORS: Final = re.compile(rb"[ ().\-]+")

queued = Signal()
"""Sent after an export was queued, for the worker."""


class ExportRefused(RuntimeError):
    """The file cannot be created. The message is for the person, in their language."""


class TooManyExports(RuntimeError):
    """The person has `MOST_OPEN` exports that wait or run."""


class _Stopped(RuntimeError):
    """The job was cancelled, or replaced by another run."""


@dataclass(frozen=True)
class FinishedFile:
    """Name of a finished file, number of its rows, and labels and texts about it."""

    name: str
    rows: int
    facts: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class ExportRequest:
    """Input of a renderer: person, query, file format, and the file to write.

    `report(rows, total)` reports the progress; it raises when the renderer must stop.
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
    """Queue an export in the active language and zone, or return an equal one that waits or runs.

    `total` is the number of rows expected. Raises PermissionMissing and TooManyExports.
    """
    scope.require(Permission.EXPORT)
    text = json.dumps(question, sort_keys=True)
    language, zone = translation.get_language() or "en", timezone.get_current_timezone_name()
    facts = "|".join((str(scope.vdn.pk), source, kind, language, zone, text))
    now = timezone.now()
    with transaction.atomic():
        # Of two simultaneous requests the second finds the job of the first.
        user = User.objects.select_for_update(no_key=True).get(pk=scope.user_id)
        under_way = ExportJob.objects.for_person(user).filter(state__in=OPEN_STATES)
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
    """Return a person's own export, or None if it has expired; an interrupted one is marked."""
    now = timezone.now()
    mark_abandoned(now)
    return ExportJob.objects.for_person(user).filter(pk=export_id, ends_at__gt=now).first()


def cancel(*, job: ExportJob) -> bool:
    """Cancel an export that waits or runs; return False for any other."""
    return _change_state(job, OPEN_STATES, ExportState.CANCELLED)


def restart(*, job: ExportJob) -> bool:
    """Queue a failed, interrupted or cancelled export again; return False for any other."""
    ended = (ExportState.FAILED, ExportState.ABANDONED, ExportState.CANCELLED)
    facts = {"rows": 0, "reason": "", "ends_at": timezone.now() + KEPT}
    is_queued = _change_state(job, ended, ExportState.QUEUED, **facts)
    if is_queued:
        queued.send(ExportJob)
    return is_queued


def open_file(*, scope: Scope, job: ExportJob) -> IO[bytes] | None:
    """Open the file of a finished export; None if it does not exist any more, or contains more than
    the person may see now. Raises PermissionMissing without EXPORT."""
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
    """Return labels and texts about the file of a finished export."""
    try:
        question = json.loads(job.get_question())
    except DecryptionFailed:
        return []
    return [(label, text) for label, text in question.get(_FACTS, ())]


def run_queued() -> None:
    """Run the queued exports one after another, unless another thread is doing that."""
    mark_abandoned(timezone.now())
    waiting = ExportJob.objects.filter(state=ExportState.QUEUED).order_by("pk")
    # Checked again after the lock is released, for exports that were queued meanwhile.
    while waiting.exists() and _under_way.acquire(blocking=False):
        try:
            while (job := waiting.select_related("user", "vdn").first()) is not None:
                if _claim(job):
                    _run(job)
        finally:
            _under_way.release()


def mark_abandoned(now: datetime) -> int:
    """Mark running exports whose worker has not reported lately; return how many."""
    running = ExportJob.objects.filter(state=ExportState.RUNNING)
    silent = running.filter(reported_at__lt=now - _REPORT_TIMEOUT)
    return silent.update(state=ExportState.ABANDONED)


def purge(now: datetime) -> int:
    """Delete the exports that have expired at `now` (aware), with their files; return how many."""
    removed, _kinds = ExportJob.objects.filter(ends_at__lte=now).delete()
    kept = {_get_path(job).name for job in ExportJob.objects.only("pk", "attempt", "kind")}
    begun = (now - _DRAFT_KEPT).timestamp()
    for path in _get_folder().glob("*.*"):
        # A newer file may belong to a run that has just begun.
        with suppress(FileNotFoundError):
            if path.name not in kept and path.stat().st_mtime < begun:
                path.unlink()
    return removed


def forget_number(*, vdn_id: int, digits: str, now: datetime) -> int:
    """Delete the exports of a VDN whose query or file contains a number, given by its digits;
    return how many. Running ones are queued again."""
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
        is_in_file = job.state == ExportState.DONE and _contains(job, digits)
        texts = (question, job.reason)
        if is_in_file or any(masking.remove_number(text, digits) != text for text in texts):
            _get_path(job).unlink(missing_ok=True)
            removed += jobs.filter(pk=job.pk).delete()[0]
    if again:
        queued.send(ExportJob)
    return removed


def _contains(job: ExportJob, digits: str) -> bool:
    """Tell whether the file of a job contains the number, or cannot be read."""
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
    """Begin a run of the job, unless another worker did."""
    job.attempt += 1
    facts = {"attempt": job.attempt, "rows": 0, "reason": ""}
    return _change_state(job, (ExportState.QUEUED,), ExportState.RUNNING, **facts)


def _run(job: ExportJob) -> None:
    """Run a job; keep its file only if the run was completed and not replaced."""
    keeps_file = False
    try:
        with translation.override(job.language), timezone.override(ZoneInfo(job.zone)):
            state, facts = _write(job)
        is_current = _update(job, state=state, ends_at=timezone.now() + KEPT, **facts)
        keeps_file = is_current and state is ExportState.DONE
        log.info("export_ended", export=job.pk, state=state.value)
    except _Stopped:
        pass
    finally:
        # Also when the database is unavailable.
        if not keeps_file:
            _get_path(job).unlink(missing_ok=True)


def _write(job: ExportJob) -> tuple[ExportState, dict[str, Any]]:
    """Write the file of a job; return its new state and fields. Raises _Stopped."""
    try:
        scope = access.enter(user=job.user, vdn_id=job.vdn_id)
        if not job.user.is_active:
            raise access.VdnNotFound
        scope.require(Permission.EXPORT)
        question = json.loads(job.get_question())
        with _create_file(_get_path(job)) as file:
            request = ExportRequest(scope, question, job.kind, file, _create_reporter(job))
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
    # The facts contain the filter, so they are encrypted with the query.
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


def _create_reporter(job: ExportJob) -> Callable[[int, int], None]:
    """Create the function that stores the progress of a run, at most once a second. It raises
    _Stopped when the run must end."""
    next_at = 0.0

    def report(rows: int, total: int) -> None:
        nonlocal next_at
        now = timezone.now()
        if now.timestamp() < next_at:
            return
        next_at = now.timestamp() + _REPORT_INTERVAL_S
        if not _update(job, rows=rows, total=total, reported_at=now):
            raise _Stopped

    return report


def _update(job: ExportJob, **facts: Any) -> bool:
    """Update the job of the current run; return False if the run was cancelled or replaced."""
    own = ExportJob.objects.filter(pk=job.pk, state=ExportState.RUNNING, attempt=job.attempt)
    return bool(own.update(**facts))


def _change_state(
    job: ExportJob, states: tuple[ExportState, ...], state: ExportState, **facts: Any
) -> bool:
    """Change the state of a job that is in one of `states`; return False for any other."""
    jobs = ExportJob.objects.filter(pk=job.pk, state__in=states)
    return bool(jobs.update(state=state, reported_at=timezone.now(), **facts))


def _create_file(path: Path) -> IO[bytes]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        path.unlink()
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _FILE_MODE), "w+b")


def _get_folder() -> Path:
    return Path(settings.VAR_DIR) / "exports"


def _get_path(job: ExportJob) -> Path:
    return _get_folder() / f"{job.pk}-{job.attempt}.{job.kind}"
