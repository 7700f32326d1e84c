"""`manage.py demo`: create demo people, one per role."""

from __future__ import annotations

import logging
import secrets
from argparse import ArgumentParser
from io import StringIO
from typing import Any, Final

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from isales_proxy.accounts import services as people
from isales_proxy.models import Role, Vdn, delete_mirrors
from isales_proxy.vendor import vendor_use

# Publicly known, so it is used with the simulator only.
KNOWN_PASSWORD: Final = "callboard-demo"  # noqa: S105
SUPERUSER: Final = "superuser"
AGENT_ACCOUNT: Final = "116"
_EVERYWHERE: Final = (Role.ADMIN, Role.SUPERVISOR)


class Command(BaseCommand):
    help = "Create demo people for each role and print their log-ins."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--close",
            action="store_true",
            help="instead, lock out demo people who still have the known password",
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        if options["close"]:
            closed = people.remove_known_passwords(
                [*Role.values, SUPERUSER], known_password=KNOWN_PASSWORD
            )
            if closed:
                self.stdout.write(f"Locked, since their password is known: {', '.join(closed)}")
            return
        vendor_use.require_configured()
        vdns = tuple(Vdn.objects.enabled().values_list("pk", flat=True))
        if not vdns:
            raise CommandError("There is no enabled VDN; run `migrate`, or set ISALES_VDNS.")
        demo = settings.ISALES.demo
        wanted: dict[str, Role] = {role.value: role for role in Role}
        if demo:
            # Each start of the simulator has other reservations.
            delete_mirrors(vdns)
            # Only a superuser can add VDNs. None is created for real data.
            wanted[SUPERUSER] = Role.ADMIN
        lines = [("name", "password", "role", "VDN")]
        left_alone = []
        for name, role in wanted.items():
            spec = people.UserSpec(
                name=name,
                superuser=name == SUPERUSER,
                role=role,
                vdns=vdns if role in _EVERYWHERE else vdns[:1],
                agent_account=AGENT_ACCOUNT if role is Role.AGENT else "",
                password=KNOWN_PASSWORD if demo else secrets.token_urlsafe(12),
                demo=True,
            )
            try:
                people.create_or_update_user(spec)
            except people.NotADemoUser:
                left_alone.append(name)
            except people.InvalidUser as error:
                raise CommandError(str(error)) from None
            else:
                places = ", ".join(map(str, spec.vdns))
                # The names are those of the roles.
                lines.append((name, spec.password, name, places))
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            cells = (text.ljust(width) for text, width in zip(line, widths, strict=True))
            self.stdout.write("  " + "  ".join(cells).rstrip())
        if left_alone:
            names = ", ".join(left_alone)
            self.stdout.write(f"\nLeft alone, since the demo did not make them: {names}")
        # The log of the refresh would hide the log-ins.
        logging.disable(logging.INFO)
        try:
            call_command("refresh_result_codes", stdout=StringIO())
        except CommandError as error:
            self.stdout.write(f"\nThe result codes could not be read yet.\n{error}")
        finally:
            logging.disable(logging.NOTSET)
