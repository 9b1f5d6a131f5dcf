"""Hashing of passwords, bounded: a flood of sign-ins leaves processor time and threads to everything else.

Half as many hashes at a time as there are cores. bcrypt lets go of the interpreter lock while it works, so that the
other threads of the process go on.
"""

import os
from typing import Final

from django.conf import settings
from django.contrib.auth.hashers import BCryptSHA256PasswordHasher

from apps.common.concurrency import Gate

_gate: Final = Gate(at_once=max(1, (os.cpu_count() or 1) // 2), waiting=max(1, settings.PAGE_THREADS // 2))


class BoundedPasswordHasher(BCryptSHA256PasswordHasher):
    """Django's own, its hashes too; making and checking one raises Busy when too many wait."""

    def encode(self, password: str, salt: str) -> str:
        """The hash, made when it is this caller's turn. Raises Busy."""
        with _gate.entered():
            return super().encode(password, salt)
