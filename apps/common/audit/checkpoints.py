"""Signed checkpoints of the audit chains, outside the database: only they reveal that a chain's tail was removed.

Once a day one object is written: a JWS (RFC 7515) signed with ES256 and a key that signs nothing else. Keep the bucket
under object lock, or copy these objects to where the database's administrators cannot delete them.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final
from uuid import UUID

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connections

from apps.common.audit import chain
from apps.common.db.scope import system_scope
from apps.common.keys import load_private_key, load_public_key

logger = logging.getLogger(__name__)

FOLDER: Final = "audit-heads"
EVERY: Final = timedelta(hours=23)
"""Checked each hour, written if the last one is older: a machine that is off at night misses no day."""
_NAME: Final = "%Y%m%dT%H%M%SZ.jws"


class StoredHead(msgspec.Struct, frozen=True):
    """The length of one chain, and its newest hash (hexadecimal)."""

    organization_id: UUID | None
    seq: int
    hash: str


class Heads(msgspec.Struct, frozen=True):
    """The heads of all chains at one moment."""

    iss: str
    made_at: datetime
    heads: list[StoredHead]


@dataclass(frozen=True, slots=True)
class HeadsFile:
    """One stored object: its heads, or None if no known key made its signature."""

    name: str
    heads: Heads | None


def store_if_due(now: datetime) -> str | None:
    """Store the heads of all chains, unless that was done within EVERY; return the object's name.

    Raises ImproperlyConfigured without a key, ValueError for a wrong one, and errors of the object storage.
    """
    newest = newest_at()
    if newest is not None and now - newest < EVERY:
        return None
    with system_scope(), connections["system"].cursor() as cursor:
        cursor.execute("SELECT DISTINCT organization_id FROM audit_entries WHERE organization_id IS NOT NULL")
        organizations = [row[0] for row in cursor.fetchall()]
        chains = [StoredHead(head.organization_id, head.seq, head.hash.hex()) for head in chain.heads(organizations)]
    payload = msgspec.to_builtins(Heads(settings.BASE_URL, now, chains))
    signed = jwt.encode(payload, _private_key(), algorithm="ES256")
    return default_storage.save(f"{FOLDER}/{now.astimezone(UTC).strftime(_NAME)}", ContentFile(signed.encode()))


def newest_at() -> datetime | None:
    """Return when heads were last stored."""
    return max((at for _, at in _objects()), default=None)


def stored(public_keys: Sequence[Path] = ()) -> Iterator[HeadsFile]:
    """Yield every stored object, oldest first; signatures are checked with our key and these (PEM).

    Raises ValueError for a file that is not a P-256 key.
    """
    keys = [load_public_key(path) for path in public_keys]
    if settings.AUDIT_KEY_FILE:
        keys.append(_private_key().public_key())
    for name, _ in sorted(_objects(), key=lambda named: named[1]):
        with default_storage.open(f"{FOLDER}/{name}") as file:
            yield HeadsFile(name, _verified(file.read(), keys))


def _verified(signed: bytes, keys: Sequence[EllipticCurvePublicKey]) -> Heads | None:
    for key in keys:
        try:
            payload = jwt.decode(signed, key, algorithms=["ES256"])
            return msgspec.convert(payload, Heads)
        except (jwt.PyJWTError, msgspec.ValidationError):
            continue
    return None


def _objects() -> Iterator[tuple[str, datetime]]:
    try:
        names = default_storage.listdir(FOLDER)[1]
    except FileNotFoundError:
        return
    for name in names:
        try:
            yield name, datetime.strptime(name, _NAME).replace(tzinfo=UTC)
        except ValueError:
            logger.warning("%s/%s is not a file of heads", FOLDER, name)


def _private_key() -> EllipticCurvePrivateKey:
    if settings.AUDIT_KEY_FILE is None:
        raise ImproperlyConfigured("SAFESIGNAL_AUDIT_KEY_FILE is not set: the audit trail's heads cannot be signed.")
    return _loaded(settings.AUDIT_KEY_FILE)


_loaded: Final = cache(load_private_key)
