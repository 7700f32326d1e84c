"""Receivers for log-ins and for changes of a second factor or password."""

from __future__ import annotations

import time
from typing import Any

from allauth.account import signals as account
from allauth.mfa import signals as mfa
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest

from dashboard.account import second_factor, session_limits
from isales_proxy.accounts import second_factors, sessions
from isales_proxy.models import User


@receiver(user_logged_in, dispatch_uid="sign_in.begun")
def _start_session(request: HttpRequest, user: Any, **_more: object) -> None:
    session_limits.start_session(request.session, now=time.time())
    session_limits.record_start(request, user)


@receiver(mfa.authenticator_used, dispatch_uid="sign_in.used")
def _mark_passed(request: HttpRequest, user: Any, **_more: object) -> None:
    second_factor.mark_passed(request.session, user)


@receiver(mfa.authenticator_added, dispatch_uid="sign_in.added")
def _record_added_factor(
    request: HttpRequest, user: Any, authenticator: Any, **_more: object
) -> None:
    second_factors.record_change(person=user, by=user, change="added", kinds=[authenticator.type])
    if authenticator.type not in second_factors.FACTORS:
        return
    second_factor.mark_passed(request.session, user)
    if not second_factors.has_second_factor(user, except_pk=authenticator.pk):
        # A session without second factor may be that of a person who stole the password.
        _end_other_sessions(request, user)


@receiver(mfa.authenticator_removed, dispatch_uid="sign_in.removed")
def _record_removed_factor(
    request: HttpRequest, user: Any, authenticator: Any, **_more: object
) -> None:
    second_factors.record_change(person=user, by=user, change="removed", kinds=[authenticator.type])
    if authenticator.type in second_factors.FACTORS and not second_factors.has_second_factor(user):
        second_factor.clear_passed(request.session)
        _end_other_sessions(request, user)


@receiver(mfa.authenticator_reset, dispatch_uid="sign_in.reset")
def _record_renewed_factor(user: Any, authenticator: Any, **_more: object) -> None:
    second_factors.record_change(person=user, by=user, change="renewed", kinds=[authenticator.type])


@receiver(account.password_changed, dispatch_uid="sign_in.password")
def _follow_password_change(request: HttpRequest, user: Any, **_more: object) -> None:
    User.objects.filter(pk=user.pk, password_is_temporary=True).update(password_is_temporary=False)
    # Django invalidates these sessions; this also removes them from the list and the cache.
    _end_other_sessions(request, user)


def _end_other_sessions(request: HttpRequest, user: Any) -> None:
    sessions.end_all(
        person=user, by=user, except_key=request.session.session_key or "", reason="others"
    )
