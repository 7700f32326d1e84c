"""VDNs: name, settings, and own keys."""

from __future__ import annotations

from functools import partial
from typing import Any, Final, cast

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from isales_proxy.admin.drafts import DraftAdmin
from isales_proxy.admin.lookups import OwnFiltersOnly
from isales_proxy.audit import services as audit
from isales_proxy.core.input_cleaning import CleanedInput
from isales_proxy.models import AuditAction, User, Vdn
from isales_proxy.vendor import vdn_keys

_KEYS: Final = {
    "access_key": _("Access key"),
    "secret_key": _("Secret key"),
    "app_key": _("App key or user"),
    "app_secret": _("App secret or password"),
    "token": _("Static token"),
}
_COLUMNS: Final = ("id", "name", "time_zone", "cc_id", "late_grace_seconds", "enabled")
_LONGEST_KEY: Final = 2000
_MOST_NAMES: Final = 10


def _key_field(name: str) -> forms.CharField:
    """Create the field of a key, which never shows its value."""
    return forms.CharField(
        label=_KEYS[name],
        required=False,
        max_length=_LONGEST_KEY,
        validators=[partial(vdn_keys.validate_key, name)],
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
    )


class VdnForm(CleanedInput, forms.ModelForm):  # type: ignore[type-arg]
    """A VDN and its own keys. Keys are never shown; an empty field keeps the current key."""

    access_key = _key_field("access_key")
    secret_key = _key_field("secret_key")
    app_key = _key_field("app_key")
    app_secret = _key_field("app_secret")
    token = _key_field("token")
    take = forms.MultipleChoiceField(
        required=False,
        label=_("Remove"),
        widget=forms.CheckboxSelectMultiple,
        help_text=_("The environment's key is used instead of a removed one."),
    )

    class Meta:
        model = Vdn
        fields = _COLUMNS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._set_keys = vdn_keys.list_own_keys(self.instance) if self.instance.pk else frozenset()
        for name in self._set_keys & self.fields.keys():
            self.fields[name].help_text = _("Set; leave empty to keep it.")
        choices = [(name, label) for name, label in _KEYS.items() if name in self._set_keys]
        cast("forms.MultipleChoiceField", self.fields["take"]).choices = choices
        if "cc_id" in self.fields:
            self.fields["cc_id"].required = False

    def clean_cc_id(self) -> int:
        """Return `ISALES_CC_ID` if the field is empty."""
        return int(self.cleaned_data["cc_id"] or settings.ISALES.cc_id)

    def clean(self) -> dict[str, Any]:
        """Refuse half of a pair, with the error at the field of the missing key."""
        found = super().clean() or self.cleaned_data
        after = (self._set_keys - set(found.get("take", ()))) | self.put.keys()
        for first, second in vdn_keys.PAIRS:
            if (first in after) != (second in after):
                missing = second if first in after else first
                self.add_error(missing, _("Enter both or neither."))
        return found

    @property
    def put(self) -> dict[str, str]:
        """The typed keys."""
        return {name: value for name in _KEYS if (value := self.cleaned_data.get(name))}


@admin.register(Vdn)
class VdnAdmin(OwnFiltersOnly, DraftAdmin):
    """VDNs, which cannot be deleted but disabled: code tables and access depend on them."""

    form = VdnForm
    list_display = ("id", "name", "time_zone", "cc_id", "enabled", "codes_read_at")
    fieldsets = (
        (None, {"fields": (*_COLUMNS, "codes_read_at")}),
        (
            _("Own keys"),
            {
                "fields": (*_KEYS, "take"),
                "description": _(
                    "Only if this VDN needs different keys than the environment. They are"
                    " kept encrypted and never shown again."
                ),
            },
        ),
    )

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Add the names of the superusers, who may add VDNs, for the hint to other admins."""
        names = User.objects.filter(is_superuser=True, is_active=True).order_by("username")
        more = {"superusers": list(names.values_list("username", flat=True)[:_MOST_NAMES])}
        return super().changelist_view(request, {**(extra_context or {}), **more})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Vdn]:
        return super().get_queryset(request).filter(pk__in=Vdn.objects.managed_by(request.user))

    def get_readonly_fields(self, request: HttpRequest, obj: Vdn | None = None) -> tuple[str, ...]:
        """Make the ID of an existing VDN read-only."""
        return ("codes_read_at",) if obj is None else ("id", "codes_read_at")

    def save_model(self, request: HttpRequest, obj: Vdn, form: Any, change: bool) -> None:
        """Save the changed fields only, since a refresh may change others meanwhile."""
        columns = [name for name in form.changed_data if name in _COLUMNS]
        obj.save(update_fields=columns if change else None)
        by = cast("User", request.user)
        take = frozenset(form.cleaned_data.get("take", ()))
        if form.put or take:
            vdn_keys.change_keys(vdn=obj, by=by, put=form.put, take=take - set(form.put))
        if columns or not change:
            audit.record(
                AuditAction.VDN_CHANGED,
                by=by,
                vdn_id=obj.pk,
                subject=str(obj),
                after={name: getattr(obj, name) for name in columns},
                before={name: form.initial.get(name) for name in columns} if change else {},
            )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Allow it for superusers only, since no admin manages a new VDN."""
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Vdn | None = None) -> bool:
        return False
