"""OBS result codes of each VDN: table, history, overrides, occurrences."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import ClassVar

from django.db import connection, models
from django.utils.translation import gettext_lazy as _

from isales_proxy.models.vdns import Vdn


class CodeCategory(models.TextChoices):
    """Party that caused a result."""

    CUSTOMER = "customer", _("Customer")
    NETWORK = "network", _("Network")
    PLATFORM = "platform", _("Platform")
    SUCCESS = "success", _("Success")


class ResultCodeQuerySet(models.QuerySet["ResultCode"]):
    def listed(self, vdn: Vdn) -> ResultCodeQuerySet:
        """Select the codes of a VDN that the vendor still lists."""
        return self.filter(vdn=vdn, gone_at=None)


class ResultCode(models.Model):
    """One OBS result code of one VDN with the vendor's texts.

    A code that the vendor no longer lists is kept for old reservations; `gone_at` is then set.
    """

    vdn = models.ForeignKey(Vdn, on_delete=models.CASCADE, related_name="result_codes")
    code = models.CharField(_("code"), max_length=32)
    text_zh = models.TextField(_("description (Chinese)"), blank=True)
    text_en = models.TextField(_("description (English)"), blank=True)
    first_seen = models.DateTimeField(_("first seen"))
    last_seen = models.DateTimeField(_("last seen"))
    gone_at = models.DateTimeField(_("gone since"), null=True, blank=True)

    objects = ResultCodeQuerySet.as_manager()

    class Meta:
        ordering = ("code",)
        verbose_name = _("OBS result code")
        verbose_name_plural = _("OBS result codes")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["vdn", "code"], name="one_row_per_vdn_and_code")
        ]

    def __str__(self) -> str:
        return f"{self.vdn_id}:{self.code}"


class RefreshKind(models.TextChoices):
    """Origin of a new code table."""

    PERSON = "person", _("Manual")
    SCHEDULE = "schedule", _("Scheduled")
    NEED = "need", _("On first use")
    ROLL_BACK = "roll-back", _("Rolled back")


class CodeRefresh(models.Model):
    """One change of a VDN's code table.

    `table` is the whole new table: code → [Chinese, English]. `changes` lists
    `{"code", "kind": "added" | "removed" | "reworded", "before", "after"}`, each side a pair of
    texts or null.
    """

    vdn = models.ForeignKey(Vdn, on_delete=models.CASCADE, related_name="code_refreshes")
    at = models.DateTimeField(_("at"), db_index=True)
    kind = models.CharField(_("kind"), max_length=16, choices=RefreshKind.choices)
    by = models.CharField(_("by"), max_length=150)
    table = models.JSONField(default=dict)
    changes = models.JSONField(default=list)
    added = models.PositiveIntegerField(_("added"), default=0)
    removed = models.PositiveIntegerField(_("removed"), default=0)
    reworded = models.PositiveIntegerField(_("reworded"), default=0)

    class Meta:
        ordering: ClassVar = ("-id",)
        verbose_name = _("refresh of the code table")
        verbose_name_plural = _("refreshes of the code table")

    def __str__(self) -> str:
        return f"{self.vdn_id} {self.at:%Y-%m-%d %H:%M}"


class CodeNote(models.Model):
    """Override of the built-in texts of one code by an admin. An empty field overrides nothing."""

    vdn = models.ForeignKey(Vdn, on_delete=models.CASCADE, related_name="code_notes")
    code = models.CharField(_("code"), max_length=32)
    category = models.CharField(
        _("category"), max_length=16, blank=True, choices=CodeCategory.choices
    )
    meaning_en = models.CharField(_("meaning (English)"), max_length=500, blank=True)
    meaning_zh = models.CharField(_("meaning (Chinese)"), max_length=500, blank=True)
    step_en = models.CharField(_("next step (English)"), max_length=500, blank=True)
    step_zh = models.CharField(_("next step (Chinese)"), max_length=500, blank=True)
    changed_at = models.DateTimeField(_("changed at"), auto_now=True)
    changed_by = models.CharField(_("changed by"), max_length=150, blank=True)

    class Meta:
        ordering = ("code",)
        verbose_name = _("note on a result code")
        verbose_name_plural = _("notes on result codes")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["vdn", "code"], name="one_note_per_vdn_and_code")
        ]

    def __str__(self) -> str:
        return f"{self.vdn_id}:{self.code}"


class CodeOccurrenceQuerySet(models.QuerySet["CodeSighting"]):
    """Bulk writes of occurrences."""

    def store(self, rows: Iterable[tuple[int, str, str, date]]) -> None:
        """Insert rows of VDN, code, row and day, or update the day of existing ones.

        This happens while a page is built; `bulk_create` would take five times as long.
        """
        with connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {self.model._meta.db_table} (vdn_id, code, row, day)"  # noqa: S608, SLF001 - of the model
                " VALUES (%s, %s, %s, %s)"
                " ON CONFLICT (vdn_id, code, row) DO UPDATE SET day = excluded.day",
                [
                    (vdn, code, row, connection.ops.adapt_datefield_value(day))
                    for vdn, code, row, day in rows
                ],
            )


class CodeSighting(models.Model):
    """Occurrence of a code: one row a reservation and code, so that none counts twice.

    `row` is the fingerprint of the reservation, `day` the last UTC day on which it had the code.
    """

    vdn = models.ForeignKey(Vdn, on_delete=models.CASCADE, related_name="code_sightings")
    code = models.CharField(max_length=32)
    row = models.CharField(max_length=40)
    day = models.DateField(db_index=True)

    objects = CodeOccurrenceQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["vdn", "code", "row"], name="one_sighting_per_row")
        ]
        indexes: ClassVar = [models.Index(fields=["vdn", "day", "code"])]

    def __str__(self) -> str:
        return f"{self.vdn_id}:{self.code} {self.day}"
