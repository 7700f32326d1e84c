"""Addresses of the peers."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from bench.peers import views

urlpatterns = [
    path("naive/", views.naive),
    path("table/", views.table),
    path("api/", views.ReservationList.as_view()),
    path("admin/", admin.site.urls),
]
