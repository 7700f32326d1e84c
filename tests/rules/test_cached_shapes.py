"""Shapes that outlive a release: the cache wants a new version for them, the mirror a column."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime

from django.conf import settings

from isales_proxy.client.page import Page
from isales_proxy.client.records import Reservation, create_reservation
from isales_proxy.core.metrics import LastCall
from isales_proxy.core.response_cache import _Entry
from isales_proxy.diagnostics import report
from isales_proxy.mirror.row_keys import compute_fingerprint
from isales_proxy.models.mirror import ROW_FIELDS
from isales_proxy.outbound.directory import Names
from isales_proxy.reservations.pages import FoundReservation, TabCounts

SHAPES = {
    "isales_proxy.client.page.Page": "items total page size digest",
    "isales_proxy.core.metrics.LastCall": "operation outcome at seconds",
    "isales_proxy.core.response_cache._Entry": "value stored_at",
    "isales_proxy.outbound.directory.Names": "agents tasks",
    "isales_proxy.reservations.pages.FoundReservation": "row as_of error",
    "isales_proxy.reservations.pages.TabCounts": (
        "now revision today overdue dialling soon later undated called answered failed gone"
    ),
    "isales_proxy.client.records.Reservation": (
        "appoint_id call_type appoint_time called_no task_id task_name task_status timeout "
        "user_account user_name begin_time end_time call_flag caller_no fail_code result "
        "busi_result create_time"
    ),
    "isales_proxy.diagnostics.report.Fact": "name label text tone quoted",
    "isales_proxy.diagnostics.report.Section": ("name title facts address status asked_at differs"),
    "isales_proxy.diagnostics.report.Report": "vdn_id at by versions interfaces details",
}
OF_VERSION = 6
DOCTOR = (report.Fact, report.Section, report.Report)


def test_changed_cached_type_requires_a_new_cache_version() -> None:
    now = {
        f"{kind.__module__}.{kind.__qualname__}": " ".join(field.name for field in fields(kind))
        for kind in (Page, LastCall, _Entry, Names, FoundReservation, TabCounts, *DOCTOR)
    }
    now[f"{Reservation.__module__}.{Reservation.__qualname__}"] = " ".join(
        Reservation.vendor_names()
    )
    assert (now, settings.CACHE_VERSION) == (SHAPES, OF_VERSION), (
        "raise CACHE_VERSION in the settings, then bring this test up to date"
    )


def test_mirror_stores_and_compares_every_field_of_a_reservation() -> None:
    kept_apart = {"task_name", "task_status", "user_name"}
    names = set(Reservation.vendor_names())
    assert set(ROW_FIELDS) == names - kept_apart - {"task_id", "user_account"}
    empty = dict.fromkeys(names)
    before = compute_fingerprint(create_reservation(Reservation, empty))
    for name in sorted(names):
        value = datetime(2026, 1, 1, tzinfo=UTC) if name.endswith("_time") else "1"
        changed = create_reservation(Reservation, {**empty, name: value})
        assert (compute_fingerprint(changed) != before) == (name not in kept_apart), name
