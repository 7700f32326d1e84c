#!/usr/bin/env python
"""Django's command line for Callboard."""

from __future__ import annotations

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        # An operator needs the message, not the way to it.
        sys.exit(str(error))
    except DatabaseError:
        from isales_proxy.core import database

        if fault := database.describe_fault():
            sys.exit(fault)
        raise


if __name__ == "__main__":
    main()
