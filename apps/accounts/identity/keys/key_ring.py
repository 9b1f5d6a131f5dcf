"""The keys of access tokens: a folder of PEM files. One key signs; the others still verify, or will sign later.

A file is named after the time from which its key signs: `20261125T160000Z.pem`, in UTC. So all processes on all
machines choose the same key without communication:
- the key with the latest time that has passed signs;
- a key verifies until the longest-lived token that it can have signed has expired;
- a key with a future time already verifies, and is in the JWKS, so that clients know it before it signs.

The folder is checked every second, so that added and removed keys take effect without a restart.
"""

import logging
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from apps.accounts.identity.keys.signing_keys import SigningKey, load

logger = logging.getLogger(__name__)

RELOAD_SECONDS: Final = 1.0
"""How often a process checks whether the folder has changed."""
LONGEST_TOKEN: Final = timedelta(hours=24)
"""Maximum of SAFESIGNAL_ACCESS_TOKEN_SECONDS; longer than the lifetime of a gateway's token."""
STAMP: Final = "%Y%m%dT%H%M%SZ"
_NAME: Final = re.compile(r"\d{8}T\d{6}Z\.pem")


class KeyRing:
    """All keys of the folder, by the times from which they sign. Immutable: a changed folder gives a new ring."""

    def __init__(self, keys: Mapping[datetime, SigningKey]) -> None:
        self._moments = sorted(keys)
        self._keys = [keys[moment] for moment in self._moments]

    def by_kid(self, kid: str) -> SigningKey | None:
        """Return the key with this id."""
        return next((key for key in self._keys if key.kid == kid), None)

    def signing(self, now: datetime) -> SigningKey:
        """Return the key that signs; before the first key's time the first key, so that signing in still works."""
        return self._keys[self._position(now)]

    def verifying(self, now: datetime) -> Sequence[SigningKey]:
        """Return the keys that verify: those of unexpired tokens, the one that signs now, and future ones."""
        return self._keys[self._position(now - LONGEST_TOKEN) :]

    def over(self, now: datetime) -> Sequence[datetime]:
        """Return the times of keys that signed no unexpired token: later keys have signed for a token's lifetime."""
        return self._moments[: self._position(now - LONGEST_TOKEN)]

    def _position(self, now: datetime) -> int:
        return max(0, bisect_right(self._moments, now) - 1)


def key_ring() -> KeyRing:
    """Return the current ring. Raises ImproperlyConfigured if there is no usable key."""
    return _folder(settings.TOKEN_KEYS_DIR).ring()


def moment_of(file: Path) -> datetime | None:
    """Return the time from which the key of a file signs; None for a file that holds no key."""
    return datetime.strptime(file.stem, STAMP).replace(tzinfo=UTC) if _NAME.fullmatch(file.name) else None


def file_of(folder: Path, moment: datetime) -> Path:
    """Return the file of the key that signs from this time."""
    return folder / f"{moment.astimezone(UTC).strftime(STAMP)}.pem"


def read(folder: Path) -> KeyRing:
    """Return the ring of a folder. Raises OSError, ValueError, ImproperlyConfigured."""
    files = sorted(file for file in folder.iterdir() if _NAME.fullmatch(file.name))
    return _read(tuple((file, file.stat().st_mtime_ns) for file in files))


class _Folder:
    """One process's view of the folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._looked_at = 0.0
        self._ring: KeyRing | None = None

    def ring(self) -> KeyRing:
        """Return the current ring, or the previous one if the changed folder cannot be read."""
        if self._ring is None or monotonic() - self._looked_at >= RELOAD_SECONDS:
            self._looked_at = monotonic()
            try:
                self._ring = read(self.path)
            except (OSError, ValueError, ImproperlyConfigured) as error:
                if self._ring is None:
                    raise ImproperlyConfigured(f"No usable token keys in {self.path}: {error}") from error
                logger.error("the token keys cannot be read, keeping the previous ones: %s", error)
        return self._ring


@lru_cache(maxsize=8)
def _folder(path: Path) -> _Folder:
    return _Folder(path)


@lru_cache(maxsize=8)
def _read(files: tuple[tuple[Path, int], ...]) -> KeyRing:
    """Read the keys; cached until a file is added, removed or changed."""
    keys = {moment: load(file) for file, _ in files if (moment := moment_of(file))}
    if not keys:
        raise ImproperlyConfigured("there is no file like 20261125T160000Z.pem; manage.py rotate_keys makes one")
    return KeyRing(keys)
