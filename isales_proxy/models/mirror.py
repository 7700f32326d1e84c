"""The mirror: a complete local copy of a VDN's reservations, and how it was read.

Times are UTC. A revision counts, per VDN, the transactions that changed a row.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from isales_proxy.models.vdns import Vdn

OPEN_END: Final = datetime(9999, 12, 31, tzinfo=UTC)
"""End of what is still so: as-of reads cost what present ones cost."""


_COMPARED_FOR: Final = timedelta(hours=24)


def format_hour(moment: datetime) -> str:
    """Return the hour (UTC) of a time, as text of a fixed length: `2026-03-11T12`."""
    return moment.astimezone(UTC).isoformat()[:13]


class Phase(models.IntegerChoices):
    """Progress of a mirrored reservation, without the time of day. The open ones are told apart by
    their time and the present: overdue, dialling now, due soon, later, without a time."""

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
    """The mirror of one VDN: who leads, what the vendor was found to do, and the last round.

    `epoch` grows with each new leader; one that works under an older one stops. `column` is what
    the vendor's time range tests, "" while unknown; `page_cap` the largest page it serves;
    `number_match` whether its filter finds a row by its own number.
    """

    vdn = models.OneToOneField(
        Vdn, on_delete=models.CASCADE, primary_key=True, related_name="mirror_state"
    )
    enabled = models.BooleanField(_("mirror"), default=True)
    epoch = models.PositiveBigIntegerField(default=0)
    holder = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True)
    revision = models.PositiveBigIntegerField(default=0)
    # Of the last revision; never goes back, even where the clock does.
    revised_at = models.DateTimeField(null=True)

    column = models.CharField(max_length=20, blank=True)
    page_cap = models.PositiveIntegerField(null=True)
    number_match = models.CharField(max_length=12, blank=True)
    # How far the vendor's clock is after ours, as the header `Date` of its answers says.
    vendor_offset_ms = models.BigIntegerField(null=True)
    totals_wrong = models.BooleanField(default=False)

    # Of the last round over everything, and of the one that runs.
    round_requested = models.BooleanField(default=False)
    round_began_at = models.DateTimeField(null=True)
    round_ended_at = models.DateTimeField(null=True)
    round_complete = models.BooleanField(default=False)
    round_reason = models.CharField(max_length=200, blank=True)
    rows_read = models.PositiveIntegerField(default=0)
    rows_expected = models.PositiveIntegerField(null=True)

    # Identity of counts: total = before + within + after + undated. None are after: the mirrored
    # time does not end.
    counted_at = models.DateTimeField(null=True)
    count_total = models.IntegerField(null=True)
    count_before = models.IntegerField(null=True)
    count_within = models.IntegerField(null=True)
    count_after = models.IntegerField(null=True)
    count_undated = models.IntegerField(null=True)

    # Mass guard: rows that a reading missed and that are not called gone yet.
    guard_since = models.DateTimeField(null=True)
    guard_rows = models.PositiveIntegerField(default=0)
    guard_rounds = models.PositiveIntegerField(default=0)
    guard_confirmed_at = models.DateTimeField(null=True)

    # Live pages compared with the mirror in passing: by hour (UTC) the rows, and those that agreed.
    comparisons = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("mirror")
        verbose_name_plural = _("mirrors")

    def __str__(self) -> str:
        return f"mirror of VDN {self.vdn_id}"

    def sum_comparisons(self, now: datetime) -> tuple[int, int]:
        """Return how many rows were compared in the hours that began within a day before `now`, and
        how many of them agreed."""
        since = format_hour(now - _COMPARED_FOR)
        found = [pair for hour, pair in self.comparisons.items() if hour > since]
        return sum(pair[0] for pair in found), sum(pair[1] for pair in found)

    def add_comparison(self, now: datetime, compared: int, agreed: int) -> None:
        """Count rows that were compared at `now`, and drop the hours that are over a day ago."""
        since, hour = format_hour(now - _COMPARED_FOR), format_hour(now)
        kept = {each: pair for each, pair in self.comparisons.items() if each > since}
        before = kept.get(hour, (0, 0))
        self.comparisons = kept | {hour: [before[0] + compared, before[1] + agreed]}


class MirrorAgent(models.Model):
    """An agent named by a row: account and present name."""

    vdn = models.ForeignKey(Vdn, on_delete=models.CASCADE, related_name="+")
    account = models.TextField()
    name = models.TextField(blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["vdn", "account"], name="one_mirror_agent")
        ]

    def __str__(self) -> str:
        return f"agent {self.pk}"


class MirrorTask(models.Model):
    """A task named by a row: ID, present name and status."""

    vdn = models.ForeignKey(Vdn, on_delete=models.CASCADE, related_name="+")
    task_id = models.TextField()
    name = models.TextField(blank=True)
    status = models.TextField(blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["vdn", "task_id"], name="one_mirror_task")
        ]

    def __str__(self) -> str:
        return f"task {self.pk}"


class MirrorName(models.Model):
    """A name of an agent, or name and status of a task, and when it was so: from `known_from` until
    `known_until`, which is `OPEN_END` for the present one."""

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


class MirrorBusinessResult(models.Model):
    """A business result that a row or a version has, searched in place of their texts.

    `digest` is that of the text, which may be too long for an index.
    """

    vdn = models.ForeignKey(Vdn, on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=32)
    text = models.TextField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["vdn", "digest"], name="one_mirror_business_result")
        ]

    def __str__(self) -> str:
        return f"business result {self.pk}"


class MirroredFields(models.Model):
    """The eighteen fields of a reservation, as the client read them. None is what was not sent."""

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
    # Of `busi_result`. An index of its own has it as the first column.
    business = models.ForeignKey(
        MirrorBusinessResult,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    phase = models.PositiveSmallIntegerField(choices=Phase.choices, default=Phase.OPEN)
    # Missed by a reading, but not called gone: the mass guard holds it back.
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


class MirrorRow(MirroredFields):
    """A reservation as it is now, or was when it went.

    `key` is its ID; that of a row without an ID, and of one whose ID was given to another
    reservation, is made. `observed_at` is when the reading that gave its contents was begun,
    `revision` that of its last change. `gone_after` and `gone_by` bound when it went.
    `number_begin` and `number_end` are the digits of its called number from either end, packed.
    """

    vdn = models.ForeignKey(Vdn, on_delete=models.CASCADE, related_name="+")
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

    def __str__(self) -> str:
        return f"row {self.pk}"


class MirrorVersion(MirroredFields):
    """A reservation as it was known from `known_from` until `known_until` (times of the
    transactions), with what its change was.

    The change happened in the interval (`after`, `by`]; `after` is None for a row that was there
    when it was first looked for. `kinds` are values of `ChangeKind`, comma-separated.
    """

    row = models.ForeignKey(MirrorRow, on_delete=models.CASCADE, related_name="versions")
    vdn = models.ForeignKey(Vdn, on_delete=models.CASCADE, related_name="+")
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

    def __str__(self) -> str:
        return f"version {self.pk}"


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


class MirrorCount(models.Model):
    """Number of rows of a phase that are alike: kept in the transaction that changes them, so that
    the counts of a list take the same time whatever its length."""

    vdn = models.ForeignKey(Vdn, on_delete=models.CASCADE, related_name="+")
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

    def __str__(self) -> str:
        return f"count {self.pk}"


class LeafKind(models.TextChoices):
    """Kind of question that a leaf asks."""

    TIME = "time", _("Time range")
    UNDATED = "undated", _("Without a time")
    AGENT = "agent", _("Agent")


class MirrorLeaf(models.Model):
    """A question whose whole answer fits into one page. It answers for [`begin`, `end`).

    `as_of` is when its last good reading was begun; `due_at` when it is to be read again.
    """

    vdn = models.ForeignKey(Vdn, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=8, choices=LeafKind.choices, default=LeafKind.TIME)
    begin = models.DateTimeField(null=True)
    end = models.DateTimeField(null=True)
    agent = models.TextField(blank=True)
    task = models.TextField(blank=True)
    as_of = models.DateTimeField(null=True)
    complete = models.BooleanField(default=False)
    rows = models.PositiveIntegerField(default=0)
    interval = models.PositiveIntegerField(default=60)  # seconds
    due_at = models.DateTimeField()
    failures = models.PositiveIntegerField(default=0)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["vdn", "due_at"], name="mirror_leaf_due"),
            models.Index(fields=["vdn", "kind", "begin"], name="mirror_leaf_place"),
        ]

    def __str__(self) -> str:
        return f"leaf {self.pk}"


class VendorCalls(models.Model):
    """Calls to the list of a VDN in one minute: by people, and by the mirror. One budget for all
    processes; kept for an hour."""

    vdn = models.ForeignKey(Vdn, on_delete=models.CASCADE, related_name="+")
    minute = models.DateTimeField()
    by_people = models.PositiveIntegerField(default=0)
    by_mirror = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["vdn", "minute"], name="one_count_a_minute")
        ]

    def __str__(self) -> str:
        return f"calls of VDN {self.vdn_id}"


class MirrorSuppression(models.Model):
    """A number that was forgotten: its keyed hash, so that no later sweep brings it back."""

    vdn = models.ForeignKey(Vdn, on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["vdn", "digest"], name="one_mirror_suppression")
        ]

    def __str__(self) -> str:
        return f"suppression {self.pk}"


class MirrorLook(models.Model):
    """The revision of a VDN that a person has seen, for *new or changed since you last looked*."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    vdn = models.ForeignKey(Vdn, on_delete=models.CASCADE, related_name="+")
    revision = models.PositiveBigIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "vdn"], name="one_mirror_look")
        ]

    def __str__(self) -> str:
        return f"look {self.pk}"
