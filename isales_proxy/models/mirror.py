"""The mirror: a complete local copy of a VDN's reservations, and how it was read.

Times are UTC. A revision counts, per VDN, the transactions that changed a row.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from isales_proxy.models.vdns import Vdn

OPEN_END: Final = datetime(9999, 12, 31, tzinfo=UTC)
"""End of what is still valid, so that one condition selects what was valid at a time, or is now."""
_COMPARISONS_KEPT: Final = timedelta(hours=24)


def format_hour(time: datetime) -> str:
    """Return the hour (UTC) of a time, as text of a fixed length: `2026-03-11T12`."""
    return time.astimezone(UTC).isoformat()[:13]


class VdnTable(models.Model):
    """Table of the mirror whose rows belong to a VDN."""

    vdn = models.ForeignKey(Vdn, on_delete=models.CASCADE, related_name="+")

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"


class Phase(models.IntegerChoices):
    """Progress of a mirrored reservation. The present time divides open ones further: overdue,
    dialling now, due soon, later, without a time."""

    OPEN = 0, _("Not called yet")
    CALLED = 1, _("Called without outcome")
    ANSWERED = 2, _("Answered")
    FAILED = 3, _("Failed")
    GONE = 9, _("Gone")


CLOSED_PHASES: Final = (Phase.CALLED, Phase.ANSWERED, Phase.FAILED, Phase.GONE)


class ChangeKind(models.TextChoices):
    """Kinds of change of a version; the values are `data-change` of its history."""

    APPEARED = "appeared", _("Created")
    MOVED = "moved", _("Moved")
    HANDED_OVER = "handed-over", _("Handed over")
    RESULT = "result", _("Result arrived")
    CHANGED = "changed", _("Changed")
    GONE = "gone", _("Gone")
    RETURNED = "returned", _("Returned")


class MirrorState(models.Model):
    """The mirror of one VDN: the process that leads, facts of the vendor's list, the last round.

    `epoch` grows with each new leader; a process with an older one stops. `column` is the time that
    the vendor's range filters by, "" while unknown; `page_cap` its largest page; `number_match`
    whether its filter finds a row by its own number.
    """

    vdn = models.OneToOneField(
        Vdn, on_delete=models.CASCADE, primary_key=True, related_name="mirror_state"
    )
    enabled = models.BooleanField(_("mirror"), default=True)
    epoch = models.PositiveBigIntegerField(default=0)
    holder = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True)
    revision = models.PositiveBigIntegerField(default=0)
    # Time of the last revision; does not go back, even if the clock does.
    revised_at = models.DateTimeField(null=True)

    column = models.CharField(max_length=20, blank=True)
    page_cap = models.PositiveIntegerField(null=True)
    number_match = models.CharField(max_length=12, blank=True)
    # By which the vendor's clock is ahead of ours, from the header `Date` of its answers.
    vendor_offset_ms = models.BigIntegerField(null=True)
    totals_wrong = models.BooleanField(default=False)

    # The last round over everything, or the one that runs.
    round_requested = models.BooleanField(default=False)
    round_began_at = models.DateTimeField(null=True)
    round_ended_at = models.DateTimeField(null=True)
    round_complete = models.BooleanField(default=False)
    round_reason = models.CharField(max_length=200, blank=True)
    rows_read = models.PositiveIntegerField(default=0)
    rows_expected = models.PositiveIntegerField(null=True)

    # The vendor's counts: total = before + within + after + undated. There are none after: the
    # mirrored time does not end.
    counted_at = models.DateTimeField(null=True)
    count_total = models.IntegerField(null=True)
    count_before = models.IntegerField(null=True)
    count_within = models.IntegerField(null=True)
    count_after = models.IntegerField(null=True)
    count_undated = models.IntegerField(null=True)

    # Mass guard: rows that a reading missed and that are not marked as gone yet.
    guard_since = models.DateTimeField(null=True)
    guard_rows = models.PositiveIntegerField(default=0)
    guard_rounds = models.PositiveIntegerField(default=0)
    guard_confirmed_at = models.DateTimeField(null=True)

    # Live rows by hour (UTC): how many were compared with the mirror, and how many agreed.
    comparisons = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("mirror")
        verbose_name_plural = _("mirrors")

    def __str__(self) -> str:
        return f"mirror of VDN {self.vdn_id}"

    def sum_comparisons(self, now: datetime) -> tuple[int, int]:
        """Return how many rows were compared in the last 24 hours, and how many of them agreed."""
        since = format_hour(now - _COMPARISONS_KEPT)
        found = [pair for hour, pair in self.comparisons.items() if hour > since]
        return sum(pair[0] for pair in found), sum(pair[1] for pair in found)

    def add_comparison(self, now: datetime, compared: int, agreed: int) -> None:
        """Count rows that were compared at `now`, and drop hours more than a day ago."""
        since, hour = format_hour(now - _COMPARISONS_KEPT), format_hour(now)
        kept = {each: pair for each, pair in self.comparisons.items() if each > since}
        before = kept.get(hour, (0, 0))
        self.comparisons = kept | {hour: [before[0] + compared, before[1] + agreed]}


class MirrorAgent(VdnTable):
    """An agent of a row: account and present name."""

    account = models.TextField()
    name = models.TextField(blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["vdn", "account"], name="one_mirror_agent")
        ]


class MirrorTask(VdnTable):
    """A task of a row: ID, present name and status."""

    task_id = models.TextField()
    name = models.TextField(blank=True)
    status = models.TextField(blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["vdn", "task_id"], name="one_mirror_task")
        ]


class MirrorName(models.Model):
    """A name of an agent, or name and status of a task, valid from `known_from` to `known_until`,
    which is `OPEN_END` for the present one."""

    agent = models.ForeignKey(MirrorAgent, null=True, on_delete=models.CASCADE, related_name="+")
    task = models.ForeignKey(MirrorTask, null=True, on_delete=models.CASCADE, related_name="+")
    name = models.TextField(blank=True)
    status = models.TextField(blank=True)
    known_from = models.DateTimeField()
    known_until = models.DateTimeField(default=OPEN_END)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["agent", "known_until"], name="mirror_agent_name"),
            models.Index(fields=["task", "known_until"], name="mirror_task_name"),
        ]

    def __str__(self) -> str:
        return f"name {self.pk}"


class MirrorBusinessResult(VdnTable):
    """A business result of rows or versions, stored once so that it is searched once.

    `digest` is made of the text, which may be too long for an index.
    """

    digest = models.CharField(max_length=32)
    text = models.TextField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["vdn", "digest"], name="one_mirror_business_result")
        ]


class MirroredFields(models.Model):
    """The eighteen fields of a reservation, as the client read them. None means not sent."""

    appoint_id = models.TextField(null=True)
    call_type = models.TextField(null=True)
    appoint_time = models.DateTimeField(null=True)
    called_no = models.TextField(null=True)
    caller_no = models.TextField(null=True)
    timeout = models.BooleanField(null=True)
    begin_time = models.DateTimeField(null=True)
    end_time = models.DateTimeField(null=True)
    call_flag = models.TextField(null=True)
    fail_code = models.TextField(null=True)
    result = models.TextField(null=True)
    busi_result = models.TextField(null=True)
    create_time = models.DateTimeField(null=True)
    agent = models.ForeignKey(MirrorAgent, null=True, on_delete=models.PROTECT, related_name="+")
    task = models.ForeignKey(MirrorTask, null=True, on_delete=models.PROTECT, related_name="+")
    # Of `busi_result`. Without an index here: another one has it as the first column.
    business = models.ForeignKey(
        MirrorBusinessResult,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    phase = models.PositiveSmallIntegerField(choices=Phase.choices, default=Phase.OPEN)
    # Missed by a reading, but not marked as gone: the mass guard holds it back.
    unconfirmed = models.BooleanField(default=False)

    class Meta:
        abstract = True


ROW_FIELDS: Final = tuple(
    each.name
    for each in MirroredFields._meta.local_fields  # noqa: SLF001 - Django's public name
    if not each.is_relation and each.name not in {"phase", "unconfirmed"}
)
"""Fields of a reservation that a row has under the same name; the others are of agent and task."""


class MirrorRowQuerySet(models.QuerySet["MirrorRow"]):
    """Queries of mirrored reservations."""

    def for_vdn(self, vdn: Vdn | int) -> Self:
        """Select the rows of one VDN."""
        return self.filter(vdn=vdn)

    def present(self) -> Self:
        """Select the rows that the vendor still lists."""
        return self.filter(~Q(phase=Phase.GONE))


class MirrorRow(MirroredFields, VdnTable):
    """A reservation as it is now, or was when it went.

    `key` is its ID, or is made if it has none or its ID was given to another reservation.
    `observed_at` is when the query was sent whose answer had its contents; `revision` that of its
    last change. It went after `gone_after` and by `gone_by`. `number_begin` and `number_end` are
    the digits of its called number, forwards and backwards, as integers.
    """

    key = models.CharField(max_length=200)
    fingerprint = models.BinaryField(max_length=16)
    observed_at = models.DateTimeField()
    appeared_at = models.DateTimeField()
    revision = models.PositiveBigIntegerField()
    first_revision = models.PositiveBigIntegerField()
    number_begin = models.BigIntegerField(null=True)
    number_end = models.BigIntegerField(null=True)
    missed_at = models.DateTimeField(null=True)
    gone_after = models.DateTimeField(null=True)
    gone_by = models.DateTimeField(null=True)

    objects = MirrorRowQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["vdn", "key"], name="one_mirror_row_per_key")
        ]
        indexes: ClassVar = [
            models.Index(fields=["vdn", "phase", "appoint_time", "id"], name="mirror_by_phase"),
            models.Index(fields=["vdn", "appoint_time", "id"], name="mirror_by_time"),
            models.Index(fields=["vdn", "create_time", "id"], name="mirror_by_creation"),
            models.Index(
                fields=["vdn", "agent", "phase", "appoint_time", "id"], name="mirror_by_agent"
            ),
            models.Index(
                fields=["vdn", "task", "phase", "appoint_time", "id"], name="mirror_by_task"
            ),
            models.Index(
                fields=["vdn", "fail_code", "phase", "appoint_time", "id"], name="mirror_by_code"
            ),
            models.Index(
                fields=["vdn", "call_type", "phase", "appoint_time", "id"], name="mirror_by_type"
            ),
            models.Index(
                fields=["business", "vdn", "phase", "appoint_time", "id"],
                name="mirror_by_business",
                condition=Q(business__isnull=False),
            ),
            models.Index(fields=["vdn", "called_no"], name="mirror_by_number"),
            models.Index(fields=["vdn", "number_begin"], name="mirror_by_number_begin"),
            models.Index(fields=["vdn", "number_end"], name="mirror_by_number_end"),
            models.Index(fields=["vdn", "revision"], name="mirror_by_revision"),
        ]
        verbose_name = _("mirrored reservation")
        verbose_name_plural = _("mirrored reservations")


class MirrorVersion(MirroredFields, VdnTable):
    """A reservation as it was known from `known_from` until `known_until` (times of the
    transactions), and the change that made it so.

    The change happened in the interval (`after`, `by`]; `after` is None for a row of the first
    reading. `kinds` are values of `ChangeKind`, comma-separated.
    """

    row = models.ForeignKey(MirrorRow, on_delete=models.CASCADE, related_name="versions")
    revision = models.PositiveBigIntegerField()
    kinds = models.CharField(max_length=80)
    after = models.DateTimeField(null=True)
    by = models.DateTimeField()
    known_from = models.DateTimeField()
    known_until = models.DateTimeField(default=OPEN_END)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["row", "revision"], name="mirror_history"),
            models.Index(fields=["vdn", "known_until", "known_from"], name="mirror_as_of"),
            models.Index(
                fields=["business"],
                name="mirror_version_business",
                condition=Q(business__isnull=False),
            ),
        ]


class CountedBy(models.TextChoices):
    """Kind of a counter of rows: of all, of an agent and task, or of one value of a row.

    The values: the hour that it is due, of UTC and "" without a time; its type; its result code;
    the ID of its business result. Rows of a type are counted by their hour as well.
    """

    ALL = "all"
    NAMES = "names"
    HOUR = "hour"
    TYPE = "type"
    TYPE_HOUR = "typehour"
    CODE = "code"
    BUSINESS = "business"


class MirrorCount(VdnTable):
    """Number of rows of a phase that are alike: kept in the transaction that changes them, so that
    the counts of a list take the same time whatever its length."""

    counted_by = models.CharField(max_length=8)
    phase = models.PositiveSmallIntegerField(choices=Phase.choices)
    # IDs of a MirrorAgent and a MirrorTask; 0 for none, since None is never equal to None.
    agent_key = models.BigIntegerField(default=0)
    task_key = models.BigIntegerField(default=0)
    # Of a TYPE_HOUR alone.
    call_type = models.CharField(max_length=60, blank=True, db_default="")
    value = models.CharField(max_length=60, blank=True)
    rows = models.IntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=[
                    *("vdn", "counted_by", "phase", "agent_key", "task_key"),
                    *("call_type", "value"),
                ],
                name="one_mirror_count",
            )
        ]


class LeafKind(models.TextChoices):
    """Kind of query of a leaf."""

    TIME = "time", _("Time range")
    UNDATED = "undated", _("Without a time")
    AGENT = "agent", _("Agent")


class MirrorLeaf(VdnTable):
    """A query whose whole answer fits into one page. It covers [`begin`, `end`).

    `as_of` is when it was last read whole; `due_at` when it is read next; `interval` in seconds.
    """

    kind = models.CharField(max_length=8, choices=LeafKind.choices, default=LeafKind.TIME)
    begin = models.DateTimeField(null=True)
    end = models.DateTimeField(null=True)
    agent = models.TextField(blank=True)
    task = models.TextField(blank=True)
    as_of = models.DateTimeField(null=True)
    complete = models.BooleanField(default=False)
    rows = models.PositiveIntegerField(default=0)
    interval = models.PositiveIntegerField(default=60)
    due_at = models.DateTimeField()
    failures = models.PositiveIntegerField(default=0)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["vdn", "due_at"], name="mirror_leaf_due"),
            models.Index(fields=["vdn", "kind", "begin"], name="mirror_leaf_place"),
        ]


class VendorCalls(VdnTable):
    """Calls to the list of a VDN in one minute, by people and by the mirror, of all processes. Kept
    for an hour."""

    minute = models.DateTimeField()
    by_people = models.PositiveIntegerField(default=0)
    by_mirror = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["vdn", "minute"], name="one_count_a_minute")
        ]


class MirrorSuppression(VdnTable):
    """Keyed hash of a forgotten number, so that no later sweep stores it again."""

    digest = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["vdn", "digest"], name="one_mirror_suppression")
        ]


class MirrorLook(VdnTable):
    """The revision of a VDN that a user has seen, for *new or changed since you last looked*."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    revision = models.PositiveBigIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "vdn"], name="one_mirror_look")
        ]


def delete_mirrors(vdn_ids: Collection[int]) -> None:
    """Delete the mirrors of VDNs whose reservations came from the simulator."""
    with transaction.atomic():
        for model in (
            *(MirrorVersion, MirrorRow, MirrorLeaf, MirrorCount, MirrorLook),
            MirrorBusinessResult,
        ):
            model._default_manager.filter(vdn__in=vdn_ids).delete()  # noqa: SLF001
        MirrorState.objects.filter(vdn__in=vdn_ids, enabled=True).delete()
