"""Whether the audit trail is as it was written: the first broken link of each chain, named."""

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
"""No entry is sealed this long after what was sealed before it was made: not even a clock is that wrong."""
FARTHEST: Final = 1000
"""How far around a broken link one looks for what belongs there."""


class Fault(StrEnum):
    """What is wrong with a link."""

    CHANGED = "changed"
    REMOVED = "removed"
    INSERTED = "inserted"
    REORDERED = "reordered"
    CUT_TAIL = "cut tail"
    REWRITTEN = "rewritten"


@dataclass(frozen=True, slots=True)
class Break:
    """The first broken link of a chain: what is wrong, its place, and the entry that is found there."""

    fault: Fault
    position: int
    entry: UUID | None
    explanation: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found in one chain."""

    organization_id: UUID | None
    length: int
    unsealed: int
    broken: Break | None


@dataclass(frozen=True, slots=True)
class _Link:
    """A sealed entry, with the personal values that still stand beside it."""

    entry: AuditEntry
    seq: int
    hash: bytes
    sealed_at: datetime
    personal: AuditPersonal | None

    def follows(self, previous: bytes, *, at: int) -> bool:
        """Whether its hash is right after `previous`, at this place."""
        return self.hash == link(previous, self.entry, seq=at, sealed_at=self.sealed_at)

    def personal_is_right(self) -> bool:
        """Whether its personal values are those that were sealed, or were erased."""
        if self.personal is None:
            return True
        digest = personal_digest(bytes(self.personal.salt), self.personal.values)
        return self.entry.personal_digest is not None and digest == bytes(self.entry.personal_digest)


def chains() -> list[UUID | None]:
    """Every organization with a trail, and None: the platform's."""
    with system_scope(), connections["system"].cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT organization_id FROM audit_entries WHERE organization_id IS NOT NULL ORDER BY 1"
        )
        return [None, *(row[0] for row in cursor.fetchall())]


def count(organizations: Iterable[UUID | None]) -> int:
    """How many entries `verify` will read: for a progress bar."""
    with system_scope():
        return sum(AuditEntry.objects.filter(organization_id=one).count() for one in organizations)


def forged(files: Iterable[HeadsFile]) -> list[str]:
    """Names of stored heads that none of the known keys signed."""
    return [file.name for file in files if file.heads is None]


def verify(organization: UUID | None, files: Sequence[HeadsFile], read: Callable[[int], object]) -> Verdict:
    """Read one chain from its start; it ends at the first broken link. `files` were read before the call.

    `read` is told how many entries more were read. Constant memory.
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
    """How far a chain was found whole: the last two links of it."""

    last: _Link | None = None
    before_last: _Link | None = None

    @property
    def length(self) -> int:
        """How many entries were found whole."""
        return self.last.seq if self.last else 0

    def step(self, one: _Link, rest: Iterator[_Link], known: Sequence[str]) -> Break | None:
        """Take the next link, or say what is wrong with it. `known` are the hashes of stored heads at this place."""
        at = self.length + 1
        if one.seq != at:
            return Break(Fault.REMOVED, at, one.entry.id, f"{one.seq - at} missing before this entry")
        if not one.follows(_hash(self.last), at=at):
            return self._broken(one, list(islice(rest, FARTHEST)))
        if self.last and one.entry.at < self.last.sealed_at - BACKDATED:
            return Break(Fault.INSERTED, at, one.entry.id, "dated before what was sealed when it came")
        if not one.personal_is_right():
            return Break(Fault.CHANGED, at, one.entry.id, "its personal values are not those that were sealed")
        if any(stored != one.hash.hex() for stored in known):
            return Break(
                Fault.REWRITTEN, at, one.entry.id, "a stored head has another hash here: all hashes were made anew"
            )
        self.before_last, self.last = self.last, one
        return None

    def tail(self, stored: int, oldest_unsealed: AuditEntry | None) -> Break | None:
        """What is wrong after the last link: `stored` is the longest that a stored head knew the chain."""
        if stored > self.length:
            return Break(Fault.CUT_TAIL, self.length + 1, None, f"a stored head knew {stored} entries")
        if self.last and oldest_unsealed and oldest_unsealed.at < self.last.sealed_at - BACKDATED:
            return Break(
                Fault.INSERTED, self.length + 1, oldest_unsealed.id, "dated before what was sealed when it came"
            )
        return None

    def _broken(self, one: _Link, rest: Sequence[_Link]) -> Break:
        """Which of the ways to break a link fits: what stands around it tells."""
        at, previous = one.seq, _hash(self.last)
        if any(later.follows(previous, at=at) for later in rest):
            if any(one.follows(later.hash, at=place) for later in rest for place in (later.seq, later.seq + 1)):
                return Break(Fault.REORDERED, at, one.entry.id, "it belongs to a later place")
            return Break(Fault.INSERTED, at, one.entry.id, "what belongs here comes later")
        if self.last and one.follows(_hash(self.before_last), at=at - 1):
            return Break(Fault.INSERTED, at - 1, self.last.entry.id, "what comes next belongs to its place")
        if rest and not rest[0].follows(one.hash, at=rest[0].seq):
            for missing in range(1, FARTHEST):
                if rest[0].follows(one.hash, at=rest[0].seq + missing):
                    return Break(Fault.REMOVED, at, one.entry.id, f"{missing} missing before this entry, renumbered")
        return Break(Fault.CHANGED, at, one.entry.id, "its content is not what was sealed")


def _hash(one: _Link | None) -> bytes:
    return one.hash if one else FIRST


def _known(organization: UUID | None, files: Iterable[HeadsFile]) -> Mapping[int, list[str]]:
    """The hashes that stored heads have of this chain, by place."""
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
