"""`manage.py adduser`: create or update a person and their role; can be repeated."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from isales_proxy.accounts import services as people
from isales_proxy.core.input_cleaning import clean_text
from isales_proxy.models import Role
from isales_proxy.vendor import vendor_use


class Command(BaseCommand):
    """The password is read from an environment variable, since arguments are visible to others."""

    help = "Create a person with a role in one or more VDNs, or update them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the log-in name")
        parser.add_argument("--role", required=True, choices=Role.values)
        parser.add_argument(
            "--vdn", type=int, action="append", required=True, dest="vdns", metavar="ID"
        )
        parser.add_argument(
            "--agent-account", default="", help="as the reservations carry it; for agents"
        )
        parser.add_argument(
            "--password-env",
            default="",
            metavar="VAR",
            help="the variable that holds the password; may be left out for a known person",
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        vendor_use.require_configured()
        variable: str = options["password_env"]
        password = os.environ.get(variable, "") if variable else ""
        if variable and not password:
            raise CommandError(f"The variable {variable} is not set, or empty.")
        spec = people.UserSpec(
            name=clean_text(options["name"]),
            role=Role(options["role"]),
            vdns=tuple(options["vdns"]),
            agent_account=clean_text(options["agent_account"]).strip(),
            password=password,
        )
        try:
            new = people.create_or_update_user(spec)
        except people.InvalidUser as error:
            raise CommandError(str(error)) from None
        done = "added" if new else "updated"
        places = ", ".join(str(number) for number in dict.fromkeys(spec.vdns))
        self.stdout.write(f"{spec.name} {done}: {spec.role.value} in VDN {places}.")
