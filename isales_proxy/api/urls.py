"""The addresses for programs and for machines that watch; included at the root."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from isales_proxy.api import operations, views

_v1 = [
    path("vdns/", views.Vdns.as_view(), name="api-vdns"),
    path(
        "vdns/<int:vdn_id>/reservations/",
        views.Reservations.as_view(),
        name="api-reservations",
    ),
    path(
        "vdns/<int:vdn_id>/result-codes/",
        views.ResultCodes.as_view(),
        name="api-result-codes",
    ),
    path(
        "vdns/<int:vdn_id>/result-codes/refresh/",
        views.ResultCodesRefresh.as_view(),
        name="api-result-codes-refresh",
    ),
]

urlpatterns = [
    path("healthz", operations.healthz, name="healthz"),
    path("readyz", operations.readyz, name="readyz"),
    path("metrics", operations.metrics, name="metrics"),
    path("api/v1/", include(_v1)),
    path("api/schema/", SpectacularJSONAPIView.as_view(), name="api-schema"),
    # A page for people: whoever is not logged in is led to the log-in.
    path(
        "api/docs/",
        login_required(SpectacularSwaggerSplitView.as_view(url_name="api-schema")),
        name="api-docs",
    ),
    re_path(r"^api/", views.Nothing.as_view(), name="api-nothing"),
]
