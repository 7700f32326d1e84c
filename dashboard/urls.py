"""URLs of the product. The VDN is in the path, so that an address can be shared."""

from __future__ import annotations

from collections.abc import Callable

from allauth.account import views as account
from django.contrib import admin
from django.http import HttpResponseBase
from django.urls import URLPattern, include, path
from django.utils.translation import gettext_lazy
from django.views.i18n import set_language

from dashboard.account import token_views
from dashboard.account import views as own_account
from dashboard.audit import views as audit
from dashboard.diagnostics import views as doctor
from dashboard.exports import views as exports
from dashboard.home import views as home
from dashboard.outbound import views as outbound
from dashboard.reservations import views as reservations
from dashboard.result_codes import refresh_views
from dashboard.result_codes import views as result_codes
from dashboard.reveals import views as reveals
from dashboard.settings_page import views as installation
from dashboard.ui.context_processors import NavigationEntry
from dashboard.ui.exports import WRITERS
from dashboard.write_backs import views as write_backs
from isales_proxy.access import Permission

handler400 = "dashboard.ui.error_views.bad_request"
handler404 = "dashboard.ui.error_views.not_found"
handler429 = "dashboard.account.views.too_many_requests"
handler500 = "dashboard.ui.error_views.server_error"

# The pages of the top bar, in its order.
navigation = (
    NavigationEntry(
        "reservations",
        gettext_lazy("Reservations"),
        Permission.SEE_RESERVATIONS,
        ("reservation", "export_job"),
        own_label=gettext_lazy("My reservations"),
    ),
    NavigationEntry(
        "tasks", gettext_lazy("Tasks"), Permission.SEE_OUTBOUND, ("task", "call_data_batch")
    ),
    NavigationEntry(
        "write_backs",
        gettext_lazy("Write-backs"),
        Permission.SEE_OUTBOUND,
        ("write_back", "write_back_new"),
    ),
    NavigationEntry(
        "result_codes",
        gettext_lazy("Result codes"),
        Permission.SEE_RESULT_CODES,
        ("result_code", "result_code_note", "result_codes_history", "result_codes_entry"),
    ),
    NavigationEntry("audit", gettext_lazy("Audit"), Permission.SEE_AUDIT),
)


def _list_files(
    list_path: str, view: Callable[..., HttpResponseBase], name: str | None = None, **options: str
) -> list[URLPattern]:
    """List the addresses of the files of a list, under the path of the list."""
    return [
        path(f"{list_path}export.{kind}", view, {"kind": kind} | options, name=name)
        for kind in WRITERS
    ]


_result_codes = [
    path("", result_codes.result_code_list, name="result_codes"),
    *_list_files("", result_codes.export, "result_codes_export"),
    path("refresh/", refresh_views.refresh, name="result_codes_refresh"),
    path("refresh/apply/", refresh_views.apply, name="result_codes_apply"),
    path("progress/", refresh_views.progress, name="result_codes_progress"),
    path("history/", refresh_views.history, name="result_codes_history"),
    path("history/<int:refresh_id>/", refresh_views.entry, name="result_codes_entry"),
    path(
        "history/<int:refresh_id>/roll-back/",
        refresh_views.roll_back,
        name="result_codes_roll_back",
    ),
    path("<str:code>/", result_codes.result_code, name="result_code"),
    path("<str:code>/note/", result_codes.note, name="result_code_note"),
]

urlpatterns = [
    # First, since lists are requested every few seconds.
    path(
        "vdn/<int:vdn_id>/",
        include(
            [
                path("reservations/", reservations.reservation_list, name="reservations"),
                *_list_files("reservations/", reservations.export, "reservations_export"),
                path("reservations/seen/", reservations.mark_seen, name="reservations_seen"),
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
                path("tasks/", outbound.task_list, name="tasks"),
                *_list_files("tasks/", outbound.export_tasks),
                path("tasks/<str:service_id>/", outbound.task, name="task"),
                path("tasks/<str:service_id>/batches/", outbound.batch_list, name="batches"),
                *_list_files("tasks/<str:service_id>/batches/", outbound.export_batches),
                path(
                    "tasks/<str:service_id>/call-data/",
                    outbound.take_call_data,
                    name="take_call_data",
                ),
                *_list_files(
                    "tasks/<str:service_id>/call-data/", outbound.export, "call_data_export"
                ),
                path(
                    "tasks/<str:service_id>/call-data/<int:batch_id>/",
                    outbound.batch,
                    name="call_data_batch",
                ),
                path(
                    "tasks/<str:service_id>/call-data/<int:batch_id>/raw/",
                    outbound.raw_answer,
                    name="call_data_raw",
                ),
                path("write-backs/", write_backs.write_back_list, name="write_backs"),
                *_list_files("write-backs/", write_backs.export),
                path("write-backs/new/", write_backs.write_back_new, name="write_back_new"),
                path("write-backs/<int:pk>/", write_backs.write_back, name="write_back"),
                path("write-backs/<int:pk>/reveal/", reveals.write_back, name="reveal_write_back"),
                path("write-backs/<int:pk>/retry/", write_backs.retry, name="retry_write_back"),
                path("write-backs/<int:pk>/cancel/", write_backs.cancel, name="cancel_write_back"),
                path("result-codes/", include(_result_codes)),
                path("doctor/", doctor.doctor, name="doctor"),
                path(
                    "doctor/confirm-missing/", doctor.confirm_missing, name="doctor_confirm_missing"
                ),
                path("settings/", installation.installation, name="settings"),
                path("settings/mirror/", installation.switch_mirror, name="settings_mirror"),
                *_list_files("settings/people/", installation.export, part="people"),
                *_list_files("settings/tokens/", installation.export, part="tokens"),
                path("audit/", audit.audit_list, name="audit"),
                path("audit/verify/", audit.audit_verify, name="audit_verify"),
                *_list_files("audit/", audit.audit_export, "audit_export"),
            ]
        ),
    ),
    path("", home.home, name="home"),
    path("accounts/login/", own_account.log_in, name="account_login"),
    path("accounts/logout/", account.logout, name="account_logout"),
    path("accounts/inactive/", account.account_inactive, name="account_inactive"),
    path("accounts/password/change/", account.password_change, name="account_change_password"),
    # Allauth redirects users without a password here, as those of single sign-on are.
    path("accounts/password/set/", own_account.no_password, name="account_set_password"),
    path("accounts/reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("accounts/", own_account.account, name="account_home"),
    path("accounts/sessions/", own_account.session_list, name="usersessions_list"),
    path(
        "accounts/second-factor/webauthn/keys/<int:pk>/remove/",
        own_account.remove_key,
        name="mfa_remove_webauthn",
    ),
    path("accounts/second-factor/", include("allauth.mfa.urls")),
    path("accounts/single-sign-on/", own_account.begin_single_sign_on, name="single_sign_on"),
    path(
        "accounts/single-sign-on/callback/",
        own_account.complete_single_sign_on,
        name="single_sign_on_callback",
    ),
    path(
        "accounts/single-sign-on/cancelled/",
        own_account.show_cancelled,
        name="socialaccount_login_cancelled",
    ),
    path("accounts/tokens/", token_views.token_list, name="tokens"),
    *_list_files("accounts/tokens/", token_views.token_export),
    path("accounts/tokens/new/", token_views.token_new, name="token_new"),
    path("accounts/tokens/made/", token_views.token_made, name="token_made"),
    path("accounts/tokens/<str:token_key>/revoke/", token_views.token_revoke, name="token_revoke"),
    path("exports/<int:export_id>/", exports.export_job, name="export_job"),
    path("exports/<int:export_id>/file/", exports.download, name="export_file"),
    path("exports/<int:export_id>/cancel/", exports.cancel, name="cancel_export"),
    path("exports/<int:export_id>/restart/", exports.restart, name="restart_export"),
    path("preferences/language/", set_language, name="set_language"),
    path("preferences/theme/", home.set_theme, name="set_theme"),
    path("preferences/zone/", home.set_zone, name="set_zone"),
    path("preferences/draft/", home.save_form_draft, name="form_draft"),
    path("favicon.ico", home.favicon, name="favicon"),
    path("", include("isales_proxy.api.urls")),
    path("admin/login/", own_account.log_in, name="admin_log_in"),
    path("admin/", admin.site.urls),
]
