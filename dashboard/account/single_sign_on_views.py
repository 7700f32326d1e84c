"""Single sign-on: the way to the provider and back."""

from __future__ import annotations

from typing import Final

from allauth.account.utils import get_next_redirect_url
from allauth.core.internal.ratelimit import get_ip
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dashboard.account.single_sign_on import Adapter
from dashboard.account.views import too_many_requests
from dashboard.environment.groups import PROVIDER_ID
from isales_proxy.accounts import sign_in_attempts

_ATTEMPT_SECONDS: Final = 600


@never_cache
@require_safe
def begin(request: HttpRequest) -> HttpResponseBase:
    """Redirect to the provider's log-in page.

    By GET: our policy lets forms go nowhere else, not even by a redirect. What comes back counts
    only with the state that this browser's session holds.
    """
    _require_single_sign_on()
    try:
        sign_in_attempts.count((sign_in_attempts.SINGLE_SIGN_ON_BY_ADDRESS, get_ip(request)))
    except sign_in_attempts.TooManyAttempts:
        return too_many_requests(request)
    if not request.user.is_authenticated:
        # What a stranger leaves behind who never comes back from there.
        request.session.set_expiry(_ATTEMPT_SECONDS)
    provider = get_adapter().get_provider(request, PROVIDER_ID)
    try:
        answer: HttpResponseBase = provider.redirect(
            request, AuthProcess.LOGIN, next_url=get_next_redirect_url(request)
        )
    except OAuth2Error as error:
        answer = render_authentication_error(request, provider, exception=error)
    return answer


@never_cache
@require_safe
def callback(request: HttpRequest) -> HttpResponseBase:
    """Complete the log-in with the code that the provider gave."""
    _require_single_sign_on()
    view = OAuth2CallbackView.adapter_view(Adapter(request, PROVIDER_ID))
    answer: HttpResponseBase = view(request)
    return answer


@require_safe
def cancelled(request: HttpRequest) -> HttpResponse:
    """Render the page for who cancelled at the provider."""
    _require_single_sign_on()
    return render(request, "socialaccount/login_cancelled.html")


def _require_single_sign_on() -> None:
    if settings.SIGN_IN.single_sign_on is None:
        raise Http404
