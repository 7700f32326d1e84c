"""`manage.py verify_audit`: verify the audit chain; runs the daily job."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from isales_proxy.audit import retention, verify
from isales_proxy.vendor import vendor_use


class Command(BaseCommand):
    """Exit code 1: the chain is broken; the first broken event is printed."""

    help = "Verify that no event of the audit was changed, put in, taken out or moved."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--anchor",
            type=_anchor,
            default=None,
            metavar="NUMBER:FINGERPRINT",
            help="an event as an earlier run or log told it; it must still be there",
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        vendor_use.require_configured()
        found = retention.verify_and_store(anchor=options["anchor"])
        if found.first_at and found.last_at:
            self.stdout.write(
                f"Events: {found.count}, from {found.first_at:%Y-%m-%d %H:%M:%S} "
                f"to {found.last_at:%Y-%m-%d %H:%M:%S} UTC"
            )
            self.stdout.write(f"Last: {found.last_id}:{found.last_hash}")
        else:
            self.stdout.write("Events: 0")
        if found.fault:
            raise CommandError(f"The audit is broken: {found.problem}.", returncode=1)
        self.stdout.write("The chain is unbroken.")


def _anchor(text: str) -> tuple[int, str]:
    found = verify.parse_anchor(text)
    if found is None:
        raise ArgumentTypeError("wants NUMBER:FINGERPRINT as an earlier run told it")
    return found
