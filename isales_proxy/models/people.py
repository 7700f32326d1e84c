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
    """Refuse an account that the filter cannot find: it splits at spaces and commas."""
    has_separator = re.search(r"[\s,;，；]", account.strip())
    if has_separator or any(
        unicodedata.category(character) in {"Cc", "Cs"} for character in account
    ):
        raise ValidationError(_("An agent account has no spaces, commas or control characters."))


# Appended to the comparable user name of a second person, from when user names could differ by case
# alone. No user name contains it.
_DUPLICATE_MARK: Final = "="


def comparable_username(name: str) -> str:
    """Return a user name in the form in which names are compared: NFKC and case-folded."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return unicodedata.normalize("NFKC", folded).strip()


class PeopleQuerySet(models.QuerySet["User"]):
    def with_access_to(self, vdn_id: int) -> Self:
        """Select the people who have a role in this VDN."""
        return self.filter(accesses__vdn_id=vdn_id)

    def managed_by(self, person: User | AnonymousUser) -> Self:
        """Select the people whom this person may change: those with access to no VDN but the ones
        that this person manages.

        Who can set a password can log in with it, and would gain access to a foreign VDN.
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

        People are locked first, in the order of their keys, and the audit head last (ADR 13), so
        that no two changes deadlock.
        """
        list(self.select_for_update().filter(pk__in=keys).order_by("pk").values_list("pk"))

    def find_by_username(self, name: str) -> User | None:
        """Return the person with this user name, else the only one who has it in another case."""
        name = unicodedata.normalize("NFKC", name).strip()
        exact: User | None = self.filter(username=name).first()
        if exact is not None:
            return exact
        found = list(self._with_comparable_username(name)[:2])
        return found[0] if len(found) == 1 else None

    def is_taken(self, name: str, *, except_pk: int | None = None) -> bool:
        """Return True if a person other than `except_pk` has this user name in any case."""
        found = self._with_comparable_username(name)
        return (found if except_pk is None else found.exclude(pk=except_pk)).exists()

    def _with_comparable_username(self, name: str) -> Self:
        key = comparable_username(name)
        duplicate = models.Q(username_key__startswith=key + _DUPLICATE_MARK)
        return self.filter(models.Q(username_key=key) | duplicate)

    def list_duplicate_usernames(self) -> list[tuple[str, ...]]:
        """Return the groups of user names that differ by case alone, each sorted."""
        groups: dict[str, list[str]] = {}
        marked = self.filter(username_key__contains=_DUPLICATE_MARK).values_list(
            "username", flat=True
        )
        for name in marked:
            groups.setdefault(comparable_username(name), []).append(name)
        firsts = self.filter(username_key__in=groups).values_list("username_key", "username")
        for key, name in firsts:
            groups[key].append(name)
        return [tuple(sorted(names)) for _key, names in sorted(groups.items()) if len(names) > 1]


class PeopleManager(UserManager.from_queryset(PeopleQuerySet)["User"]):  # type: ignore[misc]
    """Manager of people, with the look-up that Django's own commands use."""

    use_in_migrations = False

    def get_by_natural_key(self, username: str | None) -> User:
        """Return the person with this user name, in any case. Raises DoesNotExist."""
        found: User | None = self.find_by_username(username or "")
        if found is None:
            raise self.model.DoesNotExist
        return found


class User(AbstractUser):
    """A person who may log in. Their `Access` rows say what they may see.

    With an empty time zone that of the VDN is used. `username_key` is the user name in the form of
    `comparable_username`, unique in the database.
    """

    username_key = models.CharField(max_length=512, editable=False)
    time_zone = models.CharField(
        _("time zone"), max_length=64, blank=True, validators=[validate_time_zone]
    )
    # Created by the command `demo`, which changes the passwords of such people only.
    is_demo = models.BooleanField(default=False, editable=False)
    # Set by another person: must be changed before anything else can be done.
    password_is_temporary = models.BooleanField(default=False, editable=False)

    objects: ClassVar[PeopleManager] = PeopleManager()

    class Meta(AbstractUser.Meta):
        verbose_name = _("person")  # type: ignore[assignment]
        verbose_name_plural = _("people")  # type: ignore[assignment]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["username_key"], name="one_person_per_username"),
        ]

    def clean(self) -> None:
        """Raise ValidationError at the field if the user name is taken in another case."""
        super().clean()
        if self._has_new_key() and type(self).objects.is_taken(self.username, except_pk=self.pk):
            raise ValidationError(
                {"username": self.unique_error_message(type(self), ("username",))}
            )

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the row and keep `username_key` up to date."""
        fields: Iterable[str] | None = kwargs.get("update_fields")
        if fields is None or "username" in fields:
            if self._has_new_key():
                self.username_key = comparable_username(self.username)
            if fields is not None:
                kwargs["update_fields"] = {*fields, "username_key"}
        super().save(*args, **kwargs)

    def _has_new_key(self) -> bool:
        """Return True if `username_key` was made from another user name."""
        current = self.username_key.partition(_DUPLICATE_MARK)[0]
        # A form with an invalid user name leaves None here.
        return current != comparable_username(self.username or "")


class Access(models.Model):
    """One person's role in one VDN. Without a row the VDN does not exist for the person."""

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
    # Granted, and revoked, by single sign-on, which does not change rows made by admins.
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
        """Raise ValidationError at the field for what a constraint of the table would refuse."""
        if self.role == Role.AGENT and not self.agent_account:
            raise ValidationError({"agent_account": _("An agent needs an agent account.")})
