"""People and their access."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin
from django.contrib.admin.options import BaseModelAdmin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.db.models import ForeignKey, QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters

from isales_proxy.accounts import changes, second_factors
from isales_proxy.accounts import services as people
from isales_proxy.admin import actions as people_actions
from isales_proxy.admin.drafts import DraftAdmin
from isales_proxy.admin.lookups import OwnFiltersOnly
from isales_proxy.core.input_cleaning import CleanedInput
from isales_proxy.models import Access, User, Vdn


class AccessForm(CleanedInput, forms.ModelForm):  # type: ignore[type-arg]
    """Form of an access right. Single sign-on no longer changes rows that were saved here."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in (("vdn", "VDN"), ("user", _("person"))):
            if name in self.fields:
                self.fields[name].label = label

    def save(self, commit: bool = True) -> Any:
        self.instance.from_claims = False
        return super().save(commit)


class PersonForm(CleanedInput, UserChangeForm):  # type: ignore[type-arg]
    """Form of an existing person."""


class NewPersonForm(CleanedInput, AdminUserCreationForm):  # type: ignore[type-arg]
    """Form of a new person."""


class _Audited(BaseModelAdmin):  # type: ignore[type-arg]
    """Records all changes by these pages in the audit, in the same transaction."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._record(super().changeform_view, request, *args, **kwargs)  # type: ignore[misc]

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return self._record(super().delete_view, request, *args, **kwargs)  # type: ignore[misc]

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Record deletions by the actions of the list."""
        return self._record(super().changelist_view, request, *args, **kwargs)  # type: ignore[misc]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Add a new person to the people whose changes are recorded."""
        super().save_model(request, obj, form, change)  # type: ignore[misc]
        if isinstance(obj, User):
            request.callboard_touched.add(obj.pk)  # type: ignore[attr-defined]

    def _record(
        self, view: Callable[..., Any], request: HttpRequest, *args: Any, **kwargs: Any
    ) -> Any:
        if request.method != "POST":
            return view(request, *args, **kwargs)
        chosen = [str(key) for key in (*args, *kwargs.values()) if str(key).isdecimal()]
        with changes.record_changes(
            by=cast("User", request.user), people=self._people(request, chosen)
        ) as touched:
            request.callboard_touched = touched  # type: ignore[attr-defined]
            return view(request, *args, **kwargs)

    def _people(self, request: HttpRequest, chosen: list[str]) -> Iterable[int]:
        """Return the keys of the people whom this request may change."""
        marked = [key for key in request.POST.getlist("_selected_action") if key.isdecimal()]
        rows = self.get_queryset(request)
        if not request.POST.get("select_across", "0").strip("0"):
            rows = rows.filter(pk__in=chosen + marked)
        if self.model is User:
            return list(rows.values_list("pk", flat=True))
        given = request.POST.get("user", "")
        found = list(rows.values_list("user_id", flat=True))
        return [*found, int(given)] if given.isdecimal() else found


class _AccessInReach(BaseModelAdmin):  # type: ignore[type-arg]
    """Access rows of managed VDNs, with managed VDNs and people as choices."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Access]:
        return super().get_queryset(request).filter(vdn__in=Vdn.objects.managed_by(request.user))

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        choices = {"vdn": Vdn.objects.managed_by, "user": User.objects.managed_by}
        kwargs["queryset"] = choices[db_field.name](request.user)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class _AccessRights(BaseInlineFormSet):  # type: ignore[type-arg]
    """Formset with our message for a new person without access rights."""

    default_error_messages: ClassVar = {
        **BaseInlineFormSet.default_error_messages,
        "too_few_forms": _("A new person needs at least one access right."),
    }


class AccessInline(_AccessInReach, admin.StackedInline):  # type: ignore[type-arg]
    model = Access
    form = AccessForm
    formset = _AccessRights
    extra = 0

    def get_min_num(self, request: HttpRequest, obj: User | None = None, **_more: Any) -> int:
        """Require an access right for a new person."""
        return 1 if obj is None else 0

    def get_formset(self, request: HttpRequest, obj: User | None = None, **kwargs: Any) -> Any:
        return super().get_formset(request, obj, validate_min=obj is None, **kwargs)


@admin.register(User)
class PeopleAdmin(OwnFiltersOnly, _Audited, DraftAdmin, UserAdmin):  # type: ignore[type-arg]
    """People. `is_staff` follows from roles; only superusers change groups and permissions."""

    form = PersonForm
    add_form = NewPersonForm
    inlines = (AccessInline,)
    list_display = (
        *("username", "first_name", "last_name"),
        *("is_staff", "is_active", "second_factor"),
    )
    add_form_template = "admin/isales_proxy/user/add_form.html"
    change_user_password_template = "admin/isales_proxy/user/change_password.html"  # noqa: S105 - a template
    actions = (people_actions.reset_second_factor, people_actions.end_sessions)
    list_filter = (
        *("is_staff", "is_active", "is_superuser", "accesses__role"),
        ("accesses__vdn", admin.RelatedOnlyFieldListFilter),
    )
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Personal info"), {"fields": ("first_name", "last_name", "email")}),
        (_("Permissions"), {"fields": ("is_active", "is_staff", "second_factor")}),
        (_("Important dates"), {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ("is_staff", "second_factor", "last_login", "date_joined")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        found = super().get_queryset(request)
        reach = found.filter(pk__in=User.objects.managed_by(request.user))
        return second_factors.prefetch_kinds(reach)

    @admin.display(description=_("second factor"))
    def second_factor(self, person: User) -> str:
        """Return, for example, "authenticator app, security key"; "" without a second factor."""
        kinds = second_factors.list_kinds(person)
        return ", ".join(str(second_factors.LABELS[kind]) for kind in kinds)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Mark the first password of a new person as temporary."""
        if not change:
            obj.password_is_temporary = obj.has_usable_password()
        super().save_model(request, obj, form, change)

    @method_decorator(sensitive_post_parameters())
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:  # noqa: A002 - Django's signature
        """Set a temporary password for another person.

        People change their own on the account page, which asks for the old one.
        """
        if id == str(request.user.pk):
            return redirect("account_change_password")
        answer = self._record(super().user_change_password, request, id, form_url)
        person = self.get_object(request, id)
        done = request.method == "POST" and answer.status_code == 302
        if done and person is not None and person != request.user:
            person.password_is_temporary = person.has_usable_password()
            person.save(update_fields=["password_is_temporary"])
        return answer

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Add three fields for superusers."""
        found = super().get_fieldsets(request, obj)
        if obj is None or not request.user.is_superuser:
            return found
        more = (_("Everything"), {"fields": ("is_superuser", "groups", "user_permissions")})
        return (*found, more)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Update `is_staff` after a change of `is_superuser` or groups as well."""
        super().save_related(request, form, formsets, change)
        people.sync_staff(form.instance)


@admin.register(Access)
class AccessAdmin(_Audited, _AccessInReach, OwnFiltersOnly, DraftAdmin):
    form = AccessForm
    list_display = ("user", "vdn", "role", "agent_account")
    list_filter = (("vdn", admin.RelatedOnlyFieldListFilter), "role")
    list_select_related = ("user", "vdn")
    search_fields = ("user__username", "agent_account")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Access | None = None
    ) -> tuple[str, ...]:
        """Make person and VDN of an existing row read-only."""
        return () if obj is None else ("user", "vdn")
