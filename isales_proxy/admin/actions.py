"""Actions on people that ask for confirmation, take effect at once and are audited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from isales_proxy.accounts import second_factors, sessions
from isales_proxy.models import User


@admin.action(
    permissions=["change"], description=gettext_lazy("Reset the second factor of the chosen people")
)
def reset_second_factor(modeladmin: Any, request: HttpRequest, queryset: QuerySet[User]) -> Any:
    """Reset the second factors of people who lost phone and recovery codes."""
    if any(person == request.user for person in queryset):
        messages.error(
            request,
            _("Nothing was done. You change your own second factor under Your account."),
        )
        return None
    if not _is_confirmed(request):
        question = gettext_lazy(
            "Their authenticator apps, security keys and recovery codes stop working. This "
            "logs them out everywhere and revokes their API tokens. Until they set up a new "
            "second factor, their password is enough to log in."
        )
        return _ask_to_confirm(modeladmin, request, queryset, "reset_second_factor", question)
    done = _apply(
        request,
        queryset,
        lambda person, by: second_factors.reset_second_factors(person=person, by=by),
    )
    text = ngettext(
        "The second factor of %(n)s person is reset.",
        "The second factors of %(n)s people are reset.",
        done,
    )
    messages.success(request, text % {"n": done})
    return None


@admin.action(
    permissions=["change"], description=gettext_lazy("End all sessions of the chosen people")
)
def end_sessions(modeladmin: Any, request: HttpRequest, queryset: QuerySet[User]) -> Any:
    """End the sessions and tokens of people, for example after the loss of a device."""
    if not _is_confirmed(request):
        question = gettext_lazy(
            "This logs them out everywhere and revokes their API tokens. They can log in again."
        )
        return _ask_to_confirm(modeladmin, request, queryset, "end_sessions", question)
    done = _apply(
        request, queryset, lambda person, by: sessions.end_sessions_and_tokens(person=person, by=by)
    )
    text = ngettext(
        "The sessions of %(n)s person are ended.", "The sessions of %(n)s people are ended.", done
    )
    messages.success(request, text % {"n": done})
    return None


def _is_confirmed(request: HttpRequest) -> bool:
    return request.POST.get("confirmed") == "yes"


def _apply(
    request: HttpRequest, queryset: QuerySet[User], change: Callable[[User, User], int]
) -> int:
    by = request.user
    # Checked by `permissions` of the action.
    assert isinstance(by, User)  # noqa: S101
    return sum(bool(change(person, by)) for person in queryset)


def _ask_to_confirm(
    modeladmin: Any,
    request: HttpRequest,
    queryset: QuerySet[User],
    action: str,
    question: Promise | str,
) -> TemplateResponse:
    context = {
        **modeladmin.admin_site.each_context(request),
        "title": _("Are you sure?"),
        "opts": modeladmin.model._meta,  # noqa: SLF001 - Django's public name
        "people": queryset,
        "question": question,
        "chosen_action": action,
        "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "admin/isales_proxy/user/confirm_action.html", context)
