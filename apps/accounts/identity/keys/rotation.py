"""Rotation of the access token keys: writes a new key into the folder, where every process picks it up."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from apps.accounts.identity.keys import key_ring

SHORTEST_LEAD: Final = timedelta(seconds=60)
"""How long a new key is published before it signs: longer than any process needs to load it, and longer than a cache
keeps the old JWKS."""
LONGEST_LEAD: Final = timedelta(days=7)
"""Longer than copying the folder to other machines takes. While a key waits to sign, no other rotation is possible."""
PRIVATE: Final = 0o600


class AlreadyRotated(Exception):
    """Another key is waiting to sign."""


@dataclass(frozen=True)
class Rotation:
    """Planned changes of the folder."""

    made: Path
    deleted: Sequence[Path]
    signs_from: datetime


def plan(folder: Path, *, now: datetime, signs_in: timedelta = SHORTEST_LEAD, stolen: bool = False) -> Rotation:
    """Plan a new key and the deletion of keys without unexpired tokens; of all other keys if they were stolen.

    Raises AlreadyRotated; OSError for a folder that cannot be read.
    """
    moments = sorted(moment for file in folder.iterdir() if (moment := key_ring.moment_of(file)))
    if not moments or stolen:
        signs_from, over = now, tuple(moments)
    elif moments[-1] > now:
        raise AlreadyRotated(f"The key of {moments[-1]:%Y-%m-%d %H:%M:%S} UTC is waiting to sign already.")
    else:
        signs_from, over = now + signs_in, tuple(key_ring.read(folder).over(now))
    while (made := key_ring.file_of(folder, signs_from)).exists():
        signs_from += timedelta(seconds=1)  # file names have a resolution of one second
    return Rotation(made, [key_ring.file_of(folder, moment) for moment in over], signs_from)


def carry_out(rotation: Rotation) -> None:
    """Write the new key atomically, then delete the old ones. Raises OSError."""
    key = ec.generate_private_key(ec.SECP256R1())
    _write(rotation.made, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    for file in rotation.deleted:
        file.unlink()


def _write(file: Path, content: bytes) -> None:
    """Write the key with the mode and owner of the existing key, so that the same users can read it."""
    existing = next((other for other in sorted(file.parent.iterdir()) if key_ring.moment_of(other)), None)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as writing:
            writing.write(content)
            writing.flush()
            os.fsync(writing.fileno())
        if existing is not None:
            status = existing.stat()
            if os.geteuid() == 0:
                os.chown(temporary, status.st_uid, status.st_gid)
            temporary.chmod(status.st_mode & 0o777)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
