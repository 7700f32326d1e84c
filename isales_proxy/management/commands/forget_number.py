"""`manage.py forget_number`: remove a person's number from everything, for good."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from isales_proxy import erasure
from isales_proxy.models import Vdn
from isales_proxy.vendor import vendor_use


class Command(BaseCommand):
    """Exit code 0: the number was forgotten. 1: no number, no such VDN, or not confirmed."""

    help = (
        "Forget a called number: reservations of the mirror, call data, caches, exports and drafts"
        " are deleted, write-backs keep their outcome without it, other texts lose it; no later"
        " sweep brings it back."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "number",
            nargs="?",
            default="-",
            help='the number; "-" or nothing: from standard input, so that no shell keeps it',
        )
        parser.add_argument(
            "--vdn",
            type=int,
            action="append",
            metavar="ID",
            help="only in this VDN; repeatable (default: all)",
        )
        parser.add_argument("--reason", default="", help="for the audit; a number in it is masked")
        parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        """Print one line with what was removed."""
        vendor_use.require_configured()
        reads_number = options["number"] == "-"
        if reads_number and not options["yes"] and not sys.stdin.isatty():
            raise CommandError("A number from standard input needs --yes.")
        number = _read_line("Number: ") if reads_number else options["number"]
        known = set(Vdn.objects.values_list("pk", flat=True))
        wanted = set(options["vdn"] or known)
        if unknown := wanted - known:
            raise CommandError(f"There is no VDN {min(unknown)}.")
        if not options["yes"]:
            places = ", ".join(map(str, sorted(wanted)))
            answer = _read_line(f"Forget this number in VDN {places} for good? [y/N] ")
            if answer.casefold() not in {"y", "yes"}:
                raise CommandError("Nothing was changed.")
        try:
            removed = erasure.forget_number(
                number=number, vdn_ids=wanted, reason=options["reason"], now=timezone.now()
            )
        except erasure.NoNumber:
            raise CommandError(
                f"A number has {erasure.FEWEST_DIGITS} digits or more and nothing else"
                " but a plus in front."
            ) from None
        counts = (f"{label}: {removed[kind]}" for kind, label in erasure.KINDS.items())
        self.stdout.write(f"Forgotten. Removed: {', '.join(counts)}.")


def _read_line(prompt: str) -> str:
    if sys.stdin.isatty():
        sys.stderr.write(prompt)
        sys.stderr.flush()
    return sys.stdin.readline().strip()
