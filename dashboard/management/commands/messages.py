"""`messages`: bring the translations up to date with the sources (a developer's tool)."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Update dashboard/locale from the sources and compile it."
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        from dashboard import catalog

        for language in catalog.TRANSLATIONS:
            catalog.update(language)
            absent = catalog.list_untranslated(language)
            self.stdout.write(f"{language}: {len(absent)} without a translation")
            for text in absent:
                self.stdout.write(f"  {text}")
