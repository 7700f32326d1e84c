"""Refused forms of the log-in: the response to a POST is a redirect (303) to the form's page, which
shows the errors.

Browsers cannot go back to a page that was the response to a POST. The errors are in a signed
cookie, since people who are not logged in should leave no session behind. It contains no password
or code.
"""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings
from django.core import signing
from django.core.exceptions import NON_FIELD_ERRORS
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.utils.deprecation import MiddlewareMixin

from dashboard.ui.htmx import SeeOther
from dashboard.ui.requests import set_short_cookie

_PAGES: Final = frozenset(
    {
        "account_login", "account_change_password", "account_reauthenticate", "mfa_authenticate",
        "mfa_reauthenticate", "mfa_activate_totp", "mfa_deactivate_totp",
        "mfa_generate_recovery_codes", "mfa_add_webauthn", "mfa_edit_webauthn", "admin_log_in",
        "admin:auth_user_password_change",
    }
)  # fmt: skip
# Names of the forms in the contexts of these pages.
_FORMS: Final = ("form", "webauthn_form")
# Fields whose values are kept.
_KEPT_FIELDS: Final = ("login", "name")
_LONGEST: Final = 150
_MOST_QUERY: Final = 4_000
_SECONDS: Final = 60
_SALT: Final = "callboard.refused-form"


class _Redirect(SeeOther):
    """A redirect instead of a template response."""

    def render(self) -> _Redirect:
        """Return itself, since Django renders all template responses."""
        return self


class RefusedFormMiddleware(MiddlewareMixin):
    """Redirects from a refused form to its page, and adds the errors to that page."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Delete the cookie once its errors were shown."""
        if _load_refused(request):
            response.delete_cookie(settings.REFUSED_FORM_COOKIE_NAME, samesite="Lax")
        return response

    def process_template_response(
        self, request: HttpRequest, response: SimpleTemplateResponse
    ) -> SimpleTemplateResponse | _Redirect:
        """Redirect from a refused POST; add the errors to the page that follows."""
        name = request.resolver_match.view_name if request.resolver_match else ""
        if name not in _PAGES:
            return response
        shown = response.context_data or {}
        forms = {name: shown[name] for name in _FORMS if isinstance(shown.get(name), BaseForm)}
        if request.method != "POST":
            for name, refused in _load_refused(request).items():
                if name in forms:
                    _restore(forms[name], refused)
            return response
        refused = {name: _serialize(form) for name, form in forms.items() if form.errors}
        return _redirect(request, refused) if refused else response


def was_refused(request: HttpRequest) -> bool:
    """Tell whether this page follows a refused form of its own."""
    return bool(_load_refused(request))


def _redirect(request: HttpRequest, refused: dict[str, Any]) -> _Redirect:
    query = request.GET.copy()
    if "next" in request.POST:
        query["next"] = request.POST["next"][:_MOST_QUERY]
    answer = _Redirect(request.path + (f"?{query.urlencode()}" if query else ""))
    value = signing.dumps([request.path, refused], salt=_SALT, compress=True)
    set_short_cookie(answer, settings.REFUSED_FORM_COOKIE_NAME, value, seconds=_SECONDS)
    return answer


def _load_refused(request: HttpRequest) -> dict[str, Any]:
    """Return errors and values of the refused forms of this page, by the name of the form."""
    text = request.COOKIES.get(settings.REFUSED_FORM_COOKIE_NAME, "")
    if not text or request.method != "GET":
        return {}
    try:
        path, refused = signing.loads(text, salt=_SALT, max_age=_SECONDS)
    except (signing.BadSignature, ValueError):
        return {}
    return dict(refused) if path == request.path else {}


def _serialize(form: BaseForm) -> dict[str, Any]:
    errors = {
        name: [str(error["message"]) for error in found]
        for name, found in form.errors.get_json_data().items()
    }
    values = {
        name: str(form.data[form.add_prefix(name)])[:_LONGEST]
        for name in _KEPT_FIELDS
        if name in form.fields and form.add_prefix(name) in form.data
    }
    return {"errors": errors, "values": values}


def _restore(form: BaseForm, refused: dict[str, Any]) -> None:
    form.initial = {**form.initial, **refused["values"]}
    # This prepares a form without data for `add_error`.
    form.full_clean()
    form.cleaned_data = {}
    for name, texts in refused["errors"].items():
        field = name if name in form.fields else None
        form.add_error(field if name != NON_FIELD_ERRORS else None, texts)
