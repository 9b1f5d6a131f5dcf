"""The keys of access tokens: a folder of PEM files, of which one signs and the others still verify, or will sign.

A file is named for the moment from which its key signs: `20261125T160000Z.pem`, in UTC. So every process of every
machine comes to the same answer without asking another:
- the key of the newest moment that has come signs;
- a key verifies until the longest token that it can have signed is over;
- a key whose moment is still to come verifies already, and is in the JWKS: nobody is surprised by it.

The folder is looked at again each second, so that a key that was added or removed counts without a restart.
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
"""How often a process looks whether the folder has changed."""
LONGEST_TOKEN: Final = timedelta(hours=24)
"""What SAFESIGNAL_ACCESS_TOKEN_SECONDS may be at the most, and longer than a gateway's token lives."""
STAMP: Final = "%Y%m%dT%H%M%SZ"
_NAME: Final = re.compile(r"\d{8}T\d{6}Z\.pem")


class KeyRing:
    """All keys of the folder, by the moments from which they sign. A changed folder is another ring."""

    def __init__(self, keys: Mapping[datetime, SigningKey]) -> None:
        self._moments = sorted(keys)
        self._keys = [keys[moment] for moment in self._moments]

    def by_kid(self, kid: str) -> SigningKey | None:
        """The key of this name."""
        return next((key for key in self._keys if key.kid == kid), None)

    def signing(self, now: datetime) -> SigningKey:
        """The key that signs; before the first key's moment that one, rather than nobody signing in."""
        return self._keys[self._position(now)]

    def verifying(self, now: datetime) -> Sequence[SigningKey]:
        """The keys that verify: with which a living token was signed, the one that signs, and those that will."""
        return self._keys[self._position(now - LONGEST_TOKEN) :]

    def over(self, now: datetime) -> Sequence[datetime]:
        """The moments of keys that no living token was signed with: another has signed for as long as any lives."""
        return self._moments[: self._position(now - LONGEST_TOKEN)]

    def _position(self, now: datetime) -> int:
        return max(0, bisect_right(self._moments, now) - 1)


def key_ring() -> KeyRing:
    """The ring of this moment. Raises ImproperlyConfigured where there is no usable key."""
    return _folder(settings.TOKEN_KEYS_DIR).ring()


def moment_of(file: Path) -> datetime | None:
    """From when the key of a file signs; None for a file that is no key's."""
    return datetime.strptime(file.stem, STAMP).replace(tzinfo=UTC) if _NAME.fullmatch(file.name) else None


def file_of(folder: Path, moment: datetime) -> Path:
    """The file of the key that signs from a moment."""
    return folder / f"{moment.astimezone(UTC).strftime(STAMP)}.pem"


def read(folder: Path) -> KeyRing:
    """The ring of a folder. Raises OSError, ValueError, ImproperlyConfigured."""
    files = sorted(file for file in folder.iterdir() if _NAME.fullmatch(file.name))
    return _read(tuple((file, file.stat().st_mtime_ns) for file in files))


class _Folder:
    """What one process knows of the folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._looked_at = 0.0
        self._ring: KeyRing | None = None

    def ring(self) -> KeyRing:
        """As the folder is; as it was, where a change of it cannot be read."""
        if self._ring is None or monotonic() - self._looked_at >= RELOAD_SECONDS:
            self._looked_at = monotonic()
            try:
                self._ring = read(self.path)
            except (OSError, ValueError, ImproperlyConfigured) as error:
                if self._ring is None:
                    raise ImproperlyConfigured(f"No usable token keys in {self.path}: {error}") from error
                logger.error("the token keys can not be read, going on with those of before: %s", error)
        return self._ring


@lru_cache(maxsize=8)
def _folder(path: Path) -> _Folder:
    return _Folder(path)


@lru_cache(maxsize=8)
def _read(files: tuple[tuple[Path, int], ...]) -> KeyRing:
    """Once for as long as no file comes, goes or changes."""
    keys = {moment: load(file) for file, _ in files if (moment := moment_of(file))}
    if not keys:
        raise ImproperlyConfigured("there is no file like 20261125T160000Z.pem; manage.py rotate_keys makes one")
    return KeyRing(keys)
