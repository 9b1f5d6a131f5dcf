"""The hash chains of the audit trail: one for each organization, and one for the platform.

An entry's hash is SHA-256 over the hash of the entry before it and its own content. So changing, removing, inserting or
reordering chained entries breaks a link, unless every later hash is computed anew. The signed checkpoints in object
storage reveal that, and a removed tail (`checkpoints.py`).
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

import msgspec
from django.db import DatabaseError, connections
from django.utils import timezone

from apps.common.audit import canonical
from apps.common.db.scope import system_scope
from apps.common.models import AuditEntry

logger = logging.getLogger(__name__)

FIRST: Final = bytes(32)
"""The hash before the first entry of a chain."""
BATCH: Final = 1000
EVERY_SECONDS: Final = 1.0
TIME_LIMITS: Final = "SET LOCAL lock_timeout = '500ms'; SET LOCAL statement_timeout = '5s'"
ADVISORY_LOCK: Final = 0x5AFE5EA1
"""Key of the advisory lock on chaining; any number that nothing else uses."""

_HEADS: Final = """
    SELECT chain.id, head.seq, head.hash FROM unnest(%s::uuid[]) AS chain(id), LATERAL (
        SELECT seq, hash FROM audit_entries
        WHERE organization_id = chain.id AND seq IS NOT NULL ORDER BY seq DESC LIMIT 1
    ) head
    UNION ALL (
        SELECT NULL, seq, hash FROM audit_entries
        WHERE organization_id IS NULL AND seq IS NOT NULL ORDER BY seq DESC LIMIT 1
    )
"""
_APPEND: Final = """
    UPDATE audit_entries e SET seq = s.seq, sealed_at = %s, hash = s.hash
    FROM unnest(%s::uuid[], %s::bigint[], %s::bytea[]) AS s(id, seq, hash) WHERE e.id = s.id
"""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest entry of a chain; `organization_id` is None for the platform's chain."""

    organization_id: UUID | None
    seq: int
    hash: bytes


class Content(msgspec.Struct, array_like=True, frozen=True):
    """The hashed content of an entry, in this order; times are RFC 3339 with microseconds."""

    organization_id: UUID | None
    seq: int
    sealed_at: str
    id: UUID
    at: str
    actor_kind: str
    actor_id: UUID | None
    action: str
    target_kind: str
    target_id: UUID | None
    outcome: str
    detail: dict[str, object]
    request_id: str | None
    personal_digest: bytes | None


def link(previous: bytes, entry: AuditEntry, *, seq: int, sealed_at: datetime) -> bytes:
    """Return the hash of an entry at this place of its chain."""
    content = Content(
        entry.organization_id,
        seq,
        _text(sealed_at),
        entry.id,
        _text(entry.at),
        entry.actor_kind,
        entry.actor_id,
        entry.action,
        entry.target_kind,
        entry.target_id,
        entry.outcome,
        entry.detail,
        entry.request_id,
        None if entry.personal_digest is None else bytes(entry.personal_digest),
    )
    return sha256(previous + canonical(content)).digest()


def keep_extending(stopping: Callable[[], bool]) -> None:
    """Add new entries to the chains each second until stopped; in its own thread, so that the feed never waits."""
    try:
        while not stopping():
            try:
                while extend() == BATCH and not stopping():
                    pass
            except DatabaseError as error:
                logger.warning("cannot extend the audit chains, trying again: %s: %s", type(error).__name__, error)
                connections["system"].close()
            time.sleep(EVERY_SECONDS)
    finally:
        connections["system"].close()


def extend() -> int:
    """Append the oldest entries outside the chain to it; return how many. Only one process does so at a time.

    Only committed entries are visible, so a chain has the order in which this function read them. Raises
    DatabaseError; nothing is appended then.
    """
    with system_scope():
        with connections["system"].cursor() as cursor:
            cursor.execute(TIME_LIMITS)
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [ADVISORY_LOCK])
            row = cursor.fetchone()
            if not (row and row[0]):
                return 0
        entries = list(AuditEntry.objects.filter(seq=None).order_by("at", "id")[:BATCH])
        if entries:
            _write(entries, timezone.now())
    return len(entries)


def heads(organizations: Iterable[UUID]) -> Iterator[Head]:
    """Yield the head of the platform's chain and of these organizations' chains; inside `system_scope`."""
    with connections["system"].cursor() as cursor:
        cursor.execute(_HEADS, [list(organizations)])
        for organization, seq, digest in cursor.fetchall():
            yield Head(organization, seq, bytes(digest))


def _write(entries: Sequence[AuditEntry], now: datetime) -> None:
    tails = {
        head.organization_id: head
        for head in heads({entry.organization_id for entry in entries if entry.organization_id})
    }
    places: list[Head] = []
    for entry in entries:
        chain = entry.organization_id
        tail = tails.get(chain) or Head(chain, 0, FIRST)
        tails[chain] = Head(chain, tail.seq + 1, link(tail.hash, entry, seq=tail.seq + 1, sealed_at=now))
        places.append(tails[chain])
    ids = [entry.id for entry in entries]
    with connections["system"].cursor() as cursor:
        cursor.execute(_APPEND, [now, ids, [place.seq for place in places], [place.hash for place in places]])


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
