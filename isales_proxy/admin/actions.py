"""Actions on people that ask for confirmation, take effect at once and are audited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

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
    return _confirm_and_apply(
        modeladmin,
        request,
        queryset,
        second_factors.reset_second_factors,
        action="reset_second_factor",
        question=_(
            "Their authenticator apps, security keys and recovery codes stop working. This "
            "logs them out everywhere and revokes their API tokens. Until they set up a new "
            "second factor, their password is enough to log in."
        ),
        done=ngettext_lazy(
            "The second factor of %(n)s person is reset.",
            "The second factors of %(n)s people are reset.",
            "n",
        ),
    )


@admin.action(
    permissions=["change"], description=gettext_lazy("End all sessions of the chosen people")
)
def end_sessions(modeladmin: Any, request: HttpRequest, queryset: QuerySet[User]) -> Any:
    """End the sessions and tokens of people, for example after the loss of a device."""
    return _confirm_and_apply(
        modeladmin,
        request,
        queryset,
        sessions.end_sessions_and_tokens,
        action="end_sessions",
        question=_(
            "This logs them out everywhere and revokes their API tokens. They can log in again."
        ),
        done=ngettext_lazy(
            "The sessions of %(n)s person are ended.",
            "The sessions of %(n)s people are ended.",
            "n",
        ),
    )


def _confirm_and_apply(
    modeladmin: Any,
    request: HttpRequest,
    queryset: QuerySet[User],
    change: Callable[..., int],
    *,
    action: str,
    question: str,
    done: Any,
) -> TemplateResponse | None:
    """Ask for confirmation; then apply `change` to each person and report the number of changes."""
    if request.POST.get("confirmed") == "yes":
        by = cast("User", request.user)
        count = sum(bool(change(person=person, by=by)) for person in queryset)
        messages.success(request, done % {"n": count})
        return None
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
