"""Every address of the product. A VDN is always in the path, so that each can be shared."""

from __future__ import annotations

from allauth.account import views as account
from django.contrib import admin
from django.urls import include, path
from django.views.i18n import set_language

from dashboard.views import home, reservations, result_codes

handler400 = "dashboard.views.errors.bad_request"
handler404 = "dashboard.views.errors.not_found"
handler500 = "dashboard.views.errors.failed"

urlpatterns = [
    path("", home.home, name="home"),
    path("accounts/login/", account.login, name="account_login"),
    path("accounts/logout/", account.logout, name="account_logout"),
    path("accounts/inactive/", account.account_inactive, name="account_inactive"),
    path("accounts/password/change/", account.password_change, name="account_change_password"),
    path("accounts/reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("preferences/language/", set_language, name="set_language"),
    path("preferences/theme/", home.set_theme, name="set_theme"),
    path("preferences/zone/", home.set_zone, name="set_zone"),
    path(
        "vdn/<int:vdn_id>/",
        include(
            [
                path("reservations/", reservations.reservation_list, name="reservations"),
                path(
                    "reservations/<str:appoint_id>/",
                    reservations.reservation,
                    name="reservation",
                ),
                path(
                    "reservations/<str:appoint_id>/related/",
                    reservations.related,
                    name="reservation_related",
                ),
                path("result-codes/", result_codes.result_code_list, name="result_codes"),
                path("result-codes/refresh/", result_codes.refresh, name="result_codes_refresh"),
                path(
                    "result-codes/progress/",
                    result_codes.progress,
                    name="result_codes_progress",
                ),
            ]
        ),
    ),
    path("favicon.ico", home.favicon, name="favicon"),
    path("", include("isales_proxy.api.urls")),
    path("admin/login/", account.login),
    path("admin/", admin.site.urls),
]
