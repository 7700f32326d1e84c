"""The addresses for programs and for machines that watch; included at the root."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularSwaggerSplitView

from isales_proxy.api import (
    code_views,
    operations,
    outbound_views,
    reveal_views,
    views,
    write_back_views,
)

_v1 = [
    path("vdns/", views.Vdns.as_view(), name="api-vdns"),
    path(
        "vdns/<int:vdn_id>/reservations/",
        views.Reservations.as_view(),
        name="api-reservations",
    ),
    path(
        "vdns/<int:vdn_id>/reservations/<str:appoint_id>/reveal/",
        reveal_views.ReservationReveal.as_view(),
        name="api-reservation-reveal",
    ),
    path(
        "vdns/<int:vdn_id>/result-codes/",
        code_views.ResultCodes.as_view(),
        name="api-result-codes",
    ),
    path(
        "vdns/<int:vdn_id>/result-codes/refresh/",
        code_views.ResultCodesRefresh.as_view(),
        name="api-result-codes-refresh",
    ),
    path(
        "vdns/<int:vdn_id>/result-codes/history/",
        code_views.CodeHistory.as_view(),
        name="api-result-codes-history",
    ),
    path("vdns/<int:vdn_id>/tasks/", outbound_views.Tasks.as_view(), name="api-tasks"),
    path(
        "vdns/<int:vdn_id>/tasks/<str:service_id>/call-data/",
        outbound_views.CallDataRequests.as_view(),
        name="api-take-call-data",
    ),
    path(
        "vdns/<int:vdn_id>/call-data/",
        outbound_views.Batches.as_view(),
        name="api-call-data",
    ),
    path(
        "vdns/<int:vdn_id>/call-data/<int:batch_id>/",
        outbound_views.Batch.as_view(),
        name="api-call-data-batch",
    ),
    path(
        "vdns/<int:vdn_id>/write-backs/",
        write_back_views.WriteBacks.as_view(),
        name="api-write-backs",
    ),
    path(
        "vdns/<int:vdn_id>/write-backs/<int:pk>/",
        write_back_views.OneWriteBack.as_view(),
        name="api-write-back",
    ),
    path(
        "vdns/<int:vdn_id>/write-backs/<int:pk>/retry/",
        write_back_views.WriteBackRetry.as_view(),
        name="api-write-back-retry",
    ),
    path(
        "vdns/<int:vdn_id>/write-backs/<int:pk>/cancel/",
        write_back_views.WriteBackCancel.as_view(),
        name="api-write-back-cancel",
    ),
]

urlpatterns = [
    path("healthz", operations.healthz, name="healthz"),
    path("readyz", operations.readyz, name="readyz"),
    path("metrics", operations.metrics, name="metrics"),
    path("api/v1/", include(_v1)),
    path("api/schema/", views.Schema.as_view(), name="api-schema"),
    # A page for people: whoever is not logged in is led to the log-in.
    path(
        "api/docs/",
        login_required(SpectacularSwaggerSplitView.as_view(url_name="api-schema")),
        name="api-docs",
    ),
    re_path(r"^api/", views.NotFound.as_view(), name="api-nothing"),
]
