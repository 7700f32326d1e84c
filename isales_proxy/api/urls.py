"""Addresses of the API and of monitoring; included at the root."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularSwaggerSplitView

from isales_proxy.api import (
    base,
    health,
    outbound,
    reservation_history,
    reservations,
    result_codes,
    reveals,
    vdns,
    write_backs,
)

_v1 = [
    path("vdns/", vdns.Vdns.as_view(), name="api-vdns"),
    path(
        "vdns/<int:vdn_id>/reservations/",
        reservations.Reservations.as_view(),
        name="api-reservations",
    ),
    path(
        "vdns/<int:vdn_id>/reservations/counts/",
        reservations.ReservationCounts.as_view(),
        name="api-reservation-counts",
    ),
    path(
        "vdns/<int:vdn_id>/reservations/<str:appoint_id>/history/",
        reservation_history.ReservationHistoryView.as_view(),
        name="api-reservation-history",
    ),
    path(
        "vdns/<int:vdn_id>/reservations/<str:appoint_id>/reveal/",
        reveals.ReservationReveal.as_view(),
        name="api-reservation-reveal",
    ),
    path(
        "vdns/<int:vdn_id>/result-codes/",
        result_codes.ResultCodes.as_view(),
        name="api-result-codes",
    ),
    path(
        "vdns/<int:vdn_id>/result-codes/refresh/",
        result_codes.ResultCodesRefresh.as_view(),
        name="api-result-codes-refresh",
    ),
    path(
        "vdns/<int:vdn_id>/result-codes/history/",
        result_codes.CodeHistory.as_view(),
        name="api-result-codes-history",
    ),
    path("vdns/<int:vdn_id>/tasks/", outbound.Tasks.as_view(), name="api-tasks"),
    path(
        "vdns/<int:vdn_id>/tasks/<str:service_id>/call-data/",
        outbound.CallDataRequests.as_view(),
        name="api-take-call-data",
    ),
    path(
        "vdns/<int:vdn_id>/call-data/",
        outbound.Batches.as_view(),
        name="api-call-data",
    ),
    path(
        "vdns/<int:vdn_id>/call-data/<int:batch_id>/",
        outbound.Batch.as_view(),
        name="api-call-data-batch",
    ),
    path(
        "vdns/<int:vdn_id>/write-backs/",
        write_backs.WriteBacks.as_view(),
        name="api-write-backs",
    ),
    path(
        "vdns/<int:vdn_id>/write-backs/<int:pk>/",
        write_backs.WriteBackDetail.as_view(),
        name="api-write-back",
    ),
    path(
        "vdns/<int:vdn_id>/write-backs/<int:pk>/retry/",
        write_backs.WriteBackRetry.as_view(),
        name="api-write-back-retry",
    ),
    path(
        "vdns/<int:vdn_id>/write-backs/<int:pk>/cancel/",
        write_backs.WriteBackCancel.as_view(),
        name="api-write-back-cancel",
    ),
]

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("api/v1/", include(_v1)),
    path("api/schema/", base.Schema.as_view(), name="api-schema"),
    # A page for people: it redirects to the log-in where the API answers 401.
    path(
        "api/docs/",
        login_required(SpectacularSwaggerSplitView.as_view(url_name="api-schema")),
        name="api-docs",
    ),
    re_path(r"^api/", base.NotFound.as_view(), name="api-nothing"),
]
