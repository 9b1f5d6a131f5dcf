"""Bounded password hashing: a flood of sign-ins leaves processor time and threads for other work.

At most half as many hashes run at a time as there are cores. bcrypt releases the interpreter lock while it works, so
the other threads of the process continue.
"""

import os
from typing import Final

from django.conf import settings
from django.contrib.auth.hashers import BCryptSHA256PasswordHasher

from apps.common.concurrency import Gate

_gate: Final = Gate(at_once=max(1, (os.cpu_count() or 1) // 2), waiting=max(1, settings.PAGE_THREADS // 2))


class BoundedPasswordHasher(BCryptSHA256PasswordHasher):
    """Django's hasher with the same hashes; hashing and checking raise Busy when too many callers wait."""

    def encode(self, password: str, salt: str) -> str:
        """Return the hash once it is this caller's turn. Raises Busy."""
        with _gate.entered():
            return super().encode(password, salt)
