"""How passwords are kept."""

from __future__ import annotations

from django.contrib.auth.hashers import Argon2PasswordHasher


class PasswordHasher(Argon2PasswordHasher):
    """Argon2id by OWASP's smallest parameters: 19 MiB for each log-in, where Django takes 100.

    A hash by other parameters is made anew when its person logs in.
    """

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1
