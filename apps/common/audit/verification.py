"""Verification of the audit trail: find and classify the first broken link of each chain."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Final
from uuid import UUID

from django.db import connections

from apps.common.audit import personal_digest
from apps.common.audit.chain import FIRST, link
from apps.common.audit.checkpoints import HeadsFile
from apps.common.db.scope import system_scope
from apps.common.models import AuditEntry, AuditPersonal

CHUNK: Final = 2000
BACKDATED: Final = timedelta(hours=1)
"""No entry is this much older than the time at which the entry before it was chained, even with a wrong clock."""
FARTHEST: Final = 1000
"""How many entries around a broken link are searched for the one that belongs there."""


class Fault(StrEnum):
    """Kinds of faults of a link."""

    CHANGED = "changed"
    REMOVED = "removed"
    INSERTED = "inserted"
    REORDERED = "reordered"
    CUT_TAIL = "cut tail"
    REWRITTEN = "rewritten"


@dataclass(frozen=True, slots=True)
class Break:
    """The first broken link of a chain: its fault, its place, and the entry at that place."""

    fault: Fault
    position: int
    entry: UUID | None
    explanation: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result for one chain."""

    organization_id: UUID | None
    length: int
    unsealed: int
    broken: Break | None


@dataclass(frozen=True, slots=True)
class _Link:
    """A chained entry, with its personal values unless they were erased."""

    entry: AuditEntry
    seq: int
    hash: bytes
    sealed_at: datetime
    personal: AuditPersonal | None

    def follows(self, previous: bytes, *, at: int) -> bool:
        """Return whether the hash is right after `previous`, at this place."""
        return self.hash == link(previous, self.entry, seq=at, sealed_at=self.sealed_at)

    def personal_is_right(self) -> bool:
        """Return whether the personal values match their digest in the chain, or were erased."""
        if self.personal is None:
            return True
        digest = personal_digest(bytes(self.personal.salt), self.personal.values)
        return self.entry.personal_digest is not None and digest == bytes(self.entry.personal_digest)


def chains() -> list[UUID | None]:
    """Return every organization with a trail, and None for the platform's trail."""
    with system_scope(), connections["system"].cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT organization_id FROM audit_entries WHERE organization_id IS NOT NULL ORDER BY 1"
        )
        return [None, *(row[0] for row in cursor.fetchall())]


def count(organizations: Iterable[UUID | None]) -> int:
    """Return how many entries `verify` will read, for a progress bar."""
    with system_scope():
        return sum(AuditEntry.objects.filter(organization_id=one).count() for one in organizations)


def forged(files: Iterable[HeadsFile]) -> list[str]:
    """Return the names of stored heads that no known key signed."""
    return [file.name for file in files if file.heads is None]


def verify(organization: UUID | None, files: Sequence[HeadsFile], read: Callable[[int], object]) -> Verdict:
    """Verify one chain from its start up to the first broken link. `files` must have been read before the call.

    `read` is called with the number of entries read since its last call. Memory use is constant.
    """
    known = _known(organization, files)
    with system_scope():
        links = _links(organization, read)
        walk = _Walk()
        broken = next((found for one in links if (found := walk.step(one, links, known.get(one.seq, ())))), None)
        unsealed = AuditEntry.objects.filter(organization_id=organization, seq=None)
        broken = broken or walk.tail(max(known, default=0), unsealed.order_by("at").first())
        return Verdict(organization, walk.length, unsealed.count(), broken)


@dataclass(slots=True)
class _Walk:
    """The valid part of a chain so far, of which the last two links are kept."""

    last: _Link | None = None
    before_last: _Link | None = None

    @property
    def length(self) -> int:
        """The number of valid entries."""
        return self.last.seq if self.last else 0

    def step(self, one: _Link, rest: Iterator[_Link], known: Sequence[str]) -> Break | None:
        """Accept the next link, or return its fault. `known` are the hashes of stored heads at this place."""
        at = self.length + 1
        if one.seq != at:
            return Break(Fault.REMOVED, at, one.entry.id, f"{one.seq - at} missing before this entry")
        if not one.follows(_hash(self.last), at=at):
            return self._broken(one, list(islice(rest, FARTHEST)))
        if self.last and one.entry.at < self.last.sealed_at - BACKDATED:
            return Break(Fault.INSERTED, at, one.entry.id, "dated before the previous entry was chained")
        if not one.personal_is_right():
            return Break(Fault.CHANGED, at, one.entry.id, "its personal values do not match the chain")
        if any(stored != one.hash.hex() for stored in known):
            return Break(
                Fault.REWRITTEN, at, one.entry.id, "a stored head has another hash here: all hashes were recomputed"
            )
        self.before_last, self.last = self.last, one
        return None

    def tail(self, stored: int, oldest_unsealed: AuditEntry | None) -> Break | None:
        """Return what is wrong after the last link. `stored` is the greatest length of the chain in any stored head."""
        if stored > self.length:
            return Break(Fault.CUT_TAIL, self.length + 1, None, f"a stored head knew {stored} entries")
        if self.last and oldest_unsealed and oldest_unsealed.at < self.last.sealed_at - BACKDATED:
            return Break(
                Fault.INSERTED, self.length + 1, oldest_unsealed.id, "dated before the previous entry was chained"
            )
        return None

    def _broken(self, one: _Link, rest: Sequence[_Link]) -> Break:
        """Classify a broken link by the entries around it."""
        at, previous = one.seq, _hash(self.last)
        if any(later.follows(previous, at=at) for later in rest):
            if any(one.follows(later.hash, at=place) for later in rest for place in (later.seq, later.seq + 1)):
                return Break(Fault.REORDERED, at, one.entry.id, "it belongs to a later place")
            return Break(Fault.INSERTED, at, one.entry.id, "the entry that belongs here comes later")
        if self.last and one.follows(_hash(self.before_last), at=at - 1):
            return Break(Fault.INSERTED, at - 1, self.last.entry.id, "the next entry belongs to its place")
        if rest and not rest[0].follows(one.hash, at=rest[0].seq):
            for missing in range(1, FARTHEST):
                if rest[0].follows(one.hash, at=rest[0].seq + missing):
                    return Break(Fault.REMOVED, at, one.entry.id, f"{missing} missing before this entry, renumbered")
        return Break(Fault.CHANGED, at, one.entry.id, "its content has changed since it was chained")


def _hash(one: _Link | None) -> bytes:
    return one.hash if one else FIRST


def _known(organization: UUID | None, files: Iterable[HeadsFile]) -> Mapping[int, list[str]]:
    """Return the hashes that stored heads contain for this chain, by place."""
    known: dict[int, list[str]] = defaultdict(list)
    for file in files:
        for head in file.heads.heads if file.heads else ():
            if head.organization_id == organization:
                known[head.seq].append(head.hash)
    return known


def _links(organization: UUID | None, read: Callable[[int], object]) -> Iterator[_Link]:
    sealed = AuditEntry.objects.filter(organization_id=organization, seq__isnull=False).order_by("seq")
    entries = sealed.iterator(chunk_size=CHUNK)
    while chunk := list(islice(entries, CHUNK)):
        personal = AuditPersonal.objects.in_bulk([entry.id for entry in chunk])
        for entry in chunk:
            if entry.seq is not None and entry.hash is not None and entry.sealed_at is not None:
                yield _Link(entry, entry.seq, bytes(entry.hash), entry.sealed_at, personal.get(entry.id))
        read(len(chunk))
