"""Addresses of the API and of monitoring; included at the root."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.urls import URLPattern, URLResolver, include, path, re_path
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

_vdn = [
    path("reservations/", reservations.Reservations.as_view(), name="api-reservations"),
    path(
        "reservations/counts/",
        reservations.ReservationCounts.as_view(),
        name="api-reservation-counts",
    ),
    path(
        "reservations/<str:appoint_id>/history/",
        reservation_history.ReservationHistoryView.as_view(),
        name="api-reservation-history",
    ),
    path(
        "reservations/<str:appoint_id>/reveal/",
        reveals.ReservationReveal.as_view(),
        name="api-reservation-reveal",
    ),
    path("result-codes/", result_codes.ResultCodes.as_view(), name="api-result-codes"),
    path(
        "result-codes/refresh/",
        result_codes.ResultCodesRefresh.as_view(),
        name="api-result-codes-refresh",
    ),
    path(
        "result-codes/history/", result_codes.CodeHistory.as_view(), name="api-result-codes-history"
    ),
    path("tasks/", outbound.Tasks.as_view(), name="api-tasks"),
    path(
        "tasks/<str:service_id>/call-data/",
        outbound.CallDataRequests.as_view(),
        name="api-take-call-data",
    ),
    path("call-data/", outbound.Batches.as_view(), name="api-call-data"),
    path("call-data/<int:batch_id>/", outbound.Batch.as_view(), name="api-call-data-batch"),
    path("write-backs/", write_backs.WriteBacks.as_view(), name="api-write-backs"),
    path("write-backs/<int:pk>/", write_backs.WriteBackDetail.as_view(), name="api-write-back"),
    path(
        "write-backs/<int:pk>/retry/",
        write_backs.WriteBackRetry.as_view(),
        name="api-write-back-retry",
    ),
    path(
        "write-backs/<int:pk>/cancel/",
        write_backs.WriteBackCancel.as_view(),
        name="api-write-back-cancel",
    ),
]
_v1: list[URLPattern | URLResolver] = [
    path("vdns/", vdns.Vdns.as_view(), name="api-vdns"),
    path("vdns/<int:vdn_id>/", include(_vdn)),
]

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("api/v1/", include(_v1)),
    path("api/schema/", base.Schema.as_view(), name="api-schema"),
    # For people: redirects to the log-in instead of responding with 401.
    path(
        "api/docs/",
        login_required(SpectacularSwaggerSplitView.as_view(url_name="api-schema")),
        name="api-docs",
    ),
    re_path(r"^api/", base.NotFound.as_view(), name="api-nothing"),
]
