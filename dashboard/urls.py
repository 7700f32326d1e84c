"""Every address of the product. A VDN is always in the path, so that each can be shared."""

from __future__ import annotations

from allauth.account import views as account
from django.contrib import admin
from django.urls import include, path
from django.views.i18n import set_language

from dashboard.sign_in import keys
from dashboard.views import account as own_account
from dashboard.views import (
    audit,
    call_data,
    code_refreshes,
    doctor,
    home,
    installation,
    reservations,
    result_codes,
    reveals,
    single_sign_on,
    tasks,
    tokens,
    write_backs,
)

handler400 = "dashboard.views.errors.bad_request"
handler404 = "dashboard.views.errors.not_found"
handler429 = "dashboard.views.errors.too_many"
handler500 = "dashboard.views.errors.failed"

_result_codes = [
    path("", result_codes.result_code_list, name="result_codes"),
    path("export.csv", result_codes.export, {"kind": "csv"}, name="result_codes_csv"),
    path("export.xlsx", result_codes.export, {"kind": "xlsx"}, name="result_codes_xlsx"),
    path("refresh/", code_refreshes.refresh, name="result_codes_refresh"),
    path("refresh/apply/", code_refreshes.apply, name="result_codes_apply"),
    path("progress/", code_refreshes.progress, name="result_codes_progress"),
    path("history/", code_refreshes.history, name="result_codes_history"),
    path("history/<int:refresh_id>/", code_refreshes.entry, name="result_codes_entry"),
    path(
        "history/<int:refresh_id>/roll-back/",
        code_refreshes.roll_back,
        name="result_codes_roll_back",
    ),
    path("<str:code>/", result_codes.result_code, name="result_code"),
    path("<str:code>/note/", result_codes.note, name="result_code_note"),
]

urlpatterns = [
    path("", home.home, name="home"),
    path("accounts/login/", own_account.log_in, name="account_login"),
    path("accounts/logout/", account.logout, name="account_logout"),
    path("accounts/inactive/", account.account_inactive, name="account_inactive"),
    path("accounts/password/change/", account.password_change, name="account_change_password"),
    # Where allauth sends whoever has no password: people of single sign-on get none here.
    path("accounts/password/set/", own_account.no_password, name="account_set_password"),
    path("accounts/reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("accounts/", own_account.account, name="account_home"),
    path("accounts/sessions/", own_account.session_list, name="usersessions_list"),
    path(
        "accounts/second-factor/webauthn/keys/<int:pk>/remove/",
        keys.remove_key,
        name="mfa_remove_webauthn",
    ),
    path("accounts/second-factor/", include("allauth.mfa.urls")),
    path("accounts/single-sign-on/", single_sign_on.begin, name="single_sign_on"),
    path(
        "accounts/single-sign-on/callback/",
        single_sign_on.callback,
        name="single_sign_on_callback",
    ),
    path(
        "accounts/single-sign-on/cancelled/",
        single_sign_on.cancelled,
        name="socialaccount_login_cancelled",
    ),
    path("accounts/tokens/", tokens.token_list, name="tokens"),
    path("accounts/tokens/new/", tokens.token_new, name="token_new"),
    path("accounts/tokens/made/", tokens.token_made, name="token_made"),
    path("accounts/tokens/<str:token_key>/revoke/", tokens.token_revoke, name="token_revoke"),
    path("preferences/language/", set_language, name="set_language"),
    path("preferences/theme/", home.set_theme, name="set_theme"),
    path("preferences/zone/", home.set_zone, name="set_zone"),
    path("preferences/draft/", home.form_draft, name="form_draft"),
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
                path(
                    "reservations/<str:appoint_id>/reveal/",
                    reveals.reservation,
                    name="reveal_reservation",
                ),
                path("call-data/<int:datum_id>/reveal/", reveals.datum, name="reveal_datum"),
                path("tasks/", tasks.task_list, name="tasks"),
                path("tasks/<str:service_id>/", call_data.task, name="task"),
                path(
                    "tasks/<str:service_id>/call-data/",
                    call_data.take_call_data,
                    name="take_call_data",
                ),
                path(
                    "tasks/<str:service_id>/call-data/export.csv",
                    call_data.export,
                    {"kind": "csv"},
                    name="call_data_export",
                ),
                path(
                    "tasks/<str:service_id>/call-data/export.xlsx",
                    call_data.export,
                    {"kind": "xlsx"},
                    name="call_data_export",
                ),
                path(
                    "tasks/<str:service_id>/call-data/<int:batch_id>/",
                    call_data.batch,
                    name="call_data_batch",
                ),
                path(
                    "tasks/<str:service_id>/call-data/<int:batch_id>/raw/",
                    call_data.raw_answer,
                    name="call_data_raw",
                ),
                path("write-backs/", write_backs.write_back_list, name="write_backs"),
                path("write-backs/new/", write_backs.write_back_new, name="write_back_new"),
                path("write-backs/<int:pk>/", write_backs.write_back, name="write_back"),
                path("write-backs/<int:pk>/reveal/", reveals.write_back, name="reveal_write_back"),
                path("write-backs/<int:pk>/retry/", write_backs.retry, name="retry_write_back"),
                path("write-backs/<int:pk>/cancel/", write_backs.cancel, name="cancel_write_back"),
                path("result-codes/", include(_result_codes)),
                path("doctor/", doctor.doctor, name="doctor"),
                path("settings/", installation.installation, name="settings"),
                path("audit/", audit.audit_list, name="audit"),
                path("audit/verify/", audit.audit_verify, name="audit_verify"),
                path("audit/export.csv", audit.audit_export, {"kind": "csv"}, name="audit_export"),
                path(
                    "audit/export.xlsx", audit.audit_export, {"kind": "xlsx"}, name="audit_export"
                ),
            ]
        ),
    ),
    path("favicon.ico", home.favicon, name="favicon"),
    path("", include("isales_proxy.api.urls")),
    path("admin/login/", own_account.log_in),
    path("admin/", admin.site.urls),
]
