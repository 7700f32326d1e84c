"""People and their access to VDNs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any, ClassVar, Final, Self

from django.contrib.auth.models import AbstractUser, AnonymousUser, UserManager
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from isales_proxy.client.queries import MAX_TEXT
from isales_proxy.core.roles import Role
from isales_proxy.models.vdns import Vdn, validate_time_zone


def validate_agent_account(account: str) -> None:
    """Refuse what nobody could filter by: the filter parts accounts at blanks and commas."""
    parted = re.search(r"[\s,;，；]", account.strip())
    if parted or any(unicodedata.category(character) in {"Cc", "Cs"} for character in account):
        raise ValidationError(_("An agent account has no spaces, commas or control characters."))


_SHARED: Final = "="
"""Follows the comparable user name of people whose names differed by case alone before that was
refused; no user name contains it."""


def comparable_username(name: str) -> str:
    """The form in which two user names are the same: compatible characters alike, no case."""
    alike = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return alike.strip()


class PeopleQuerySet(models.QuerySet["User"]):
    """People by user name, whatever its case, and by their access."""

    def with_access_to(self, vdn_id: int) -> Self:
        """Select the people who have a role in this VDN."""
        return self.filter(accesses__vdn_id=vdn_id)

    def managed_by(self, person: User | AnonymousUser) -> Self:
        """Select the people whom this person may change: those with no access beyond the VDNs that
        they manage.

        Whoever sets a password can log in with it, so one foreign VDN takes a person out of reach.
        """
        if person.is_superuser:
            return self.all()
        elsewhere = Access.objects.filter(user=models.OuterRef("pk")).exclude(
            vdn__in=Vdn.objects.managed_by(person)
        )
        return self.filter(~models.Exists(elsewhere), is_superuser=False)

    def lock(self, keys: Iterable[int]) -> None:
        """Lock these people for the rest of the transaction, before their sessions, tokens or
        second factors are changed and the change is recorded.

        People come first, in the order of their keys, and the head of the audit last (ADR 13): so
        no two changes deadlock.
        """
        list(self.select_for_update().filter(pk__in=keys).order_by("pk").values_list("pk"))

    def named(self, name: str) -> User | None:
        """The one person who is meant by a typed user name: exactly that, else in any case.

        None as well where several people could be meant.
        """
        name = unicodedata.normalize("NFKC", name).strip()
        exact: User | None = self.filter(username=name).first()
        if exact is not None:
            return exact
        key = comparable_username(name)
        alike = models.Q(username_key=key) | models.Q(username_key__startswith=key + _SHARED)
        found = list(self.filter(alike)[:2])
        return found[0] if len(found) == 1 else None

    def is_taken(self, name: str, *, but: int | None = None) -> bool:
        """Tell whether a person other than the one of the key `but` has this user name in any
        case."""
        key = comparable_username(name)
        alike = models.Q(username_key=key) | models.Q(username_key__startswith=key + _SHARED)
        found = self.filter(alike)
        return (found if but is None else found.exclude(pk=but)).exists()

    def sharing_names(self) -> list[tuple[str, ...]]:
        """User names that differ by case alone, from before that was refused: each group sorted."""
        groups: dict[str, list[str]] = {}
        marked = self.filter(username_key__contains=_SHARED).values_list("username", flat=True)
        for name in marked:
            groups.setdefault(comparable_username(name), []).append(name)
        firsts = self.filter(username_key__in=groups).values_list("username_key", "username")
        for key, name in firsts:
            groups[key].append(name)
        return [tuple(sorted(names)) for _key, names in sorted(groups.items()) if len(names) > 1]


class PeopleManager(UserManager.from_queryset(PeopleQuerySet)["User"]):  # type: ignore[misc]
    """The people, as Django's own commands ask for them."""

    use_in_migrations = False

    def get_by_natural_key(self, username: str | None) -> User:
        """The person of `named`, for Django's own commands. Raises DoesNotExist."""
        found: User | None = self.named(username or "")
        if found is None:
            raise self.model.DoesNotExist
        return found


class User(AbstractUser):
    """A person who may log in. What they may see is said by their `Access` rows.

    An empty time zone stands for that of the VDN looked at. `username_key` is the user name in the
    form in which the database compares it.
    """

    username_key = models.CharField(max_length=512, editable=False)
    time_zone = models.CharField(
        _("time zone"), max_length=64, blank=True, validators=[validate_time_zone]
    )
    # Made by `demo`, which may set the passwords of its own people and of nobody else.
    is_demo = models.BooleanField(default=False, editable=False)
    # Set by somebody else: to be changed before anything else is done.
    password_is_temporary = models.BooleanField(default=False, editable=False)

    objects: ClassVar[PeopleManager] = PeopleManager()

    class Meta(AbstractUser.Meta):
        verbose_name = _("person")  # type: ignore[assignment]
        verbose_name_plural = _("people")  # type: ignore[assignment]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["username_key"], name="one_person_per_username"),
        ]

    def clean(self) -> None:
        """Say at the field that somebody has the user name in another case."""
        super().clean()
        if self._has_new_key() and type(self).objects.is_taken(self.username, but=self.pk):
            raise ValidationError(
                {"username": self.unique_error_message(type(self), ("username",))}
            )

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Keep the form in which the name is compared up to date with the name."""
        fields: Iterable[str] | None = kwargs.get("update_fields")
        if fields is None or "username" in fields:
            if self._has_new_key():
                self.username_key = comparable_username(self.username)
            if fields is not None:
                kwargs["update_fields"] = {*fields, "username_key"}
        super().save(*args, **kwargs)

    def _has_new_key(self) -> bool:
        """Tell whether the name is another one than that which `username_key` was drawn from."""
        kept = self.username_key.partition(_SHARED)[0]
        # A form whose user name was refused leaves None here.
        return kept != comparable_username(self.username or "")


class Access(models.Model):
    """One person's role in one VDN. Who has no row does not learn that the VDN exists."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="accesses")
    vdn = models.ForeignKey(Vdn, on_delete=models.CASCADE, related_name="accesses")
    role = models.CharField(_("role"), max_length=16, choices=Role.choices)
    agent_account = models.CharField(
        _("agent account"),
        max_length=MAX_TEXT,
        blank=True,
        validators=[validate_agent_account],
        help_text=_("The business account or agent ID that the reservations carry."),
    )
    # Granted by single sign-on, which takes it away again; people's own grants it leaves alone.
    from_claims = models.BooleanField(default=False, editable=False)

    class Meta:
        verbose_name = _("access")
        verbose_name_plural = _("access rights")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "vdn"], name="one_access_per_person_and_vdn"),
            models.CheckConstraint(
                condition=~models.Q(role=Role.AGENT) | ~models.Q(agent_account=""),
                name="agents_have_an_agent_account",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.vdn_id} · {self.role}"

    def clean(self) -> None:
        """Say at the field what the database would refuse as a whole."""
        if self.role == Role.AGENT and not self.agent_account:
            raise ValidationError({"agent_account": _("An agent needs an agent account.")})
