"""The feed: every committed change that is visible to people of an organization, in one order.

`announce` queues events; the scope writes the queue just before COMMIT, so that `seq` follows the order of commits.
This one number is the cursor of the live feed, the order of the outbox, and the version of cached data. It is the time
of writing in microseconds, so that it reveals nothing about events that are not visible to a reader; each event names
the one before it, so that readers still notice gaps.

A database may lose commits in a failover or restore. Then it has another `epoch`, or the event at which a reader
stopped is missing; either way the reader starts over (`UnknownCursor`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec
from django.db import connections

from apps.common.db.scope import FeedRows, current_scope, register_outbox
from apps.common.feed import bus
from apps.common.observability import request_ids, tracing

RESUME_WINDOW: Final = 5000
"""A reader that missed more events than this reads the list again instead."""
KEEP: Final = timedelta(days=30)
"""How long an event is kept. A reader that stopped before that reads the list again too."""


class Audience(StrEnum):
    """The smallest group of people that may read a message.

    The two public ones are listed in `feed_append` too; a test keeps the lists equal.
    """

    STAFF = "staff"
    """People who may read open alerts."""
    RESPONSE = "response"
    """People who may read silent alerts."""
    DEVICES = "devices"
    """People who may read devices."""
    SILENT_DEVICES = "silent_devices"
    """People who may read both devices and silent alerts: for troubles caused by a silent press."""
    GATEWAY = "gateway"


PUBLIC: Final = frozenset({Audience.STAFF, Audience.DEVICES})
"""Audiences whose events may advance the head that is sent to everybody."""


class UnknownCursor(Exception):
    """No event of this history has that seq: it was lost in a restore or failover, or is no longer kept."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest event of an organization, and the newest that is visible to all of its staff."""

    seq: int
    public_seq: int


@dataclass(frozen=True, slots=True)
class Heads:
    """The heads of the organizations in scope, in the history named by `epoch`."""

    epoch: UUID
    organizations: Mapping[UUID, Head]

    def of(self, organization: UUID) -> Head:
        """Return the head of an organization; zero before its first event."""
        return self.organizations.get(organization, Head(0, 0))


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """What a hub needs to decide who receives a message; sent on a separate line before the text."""

    seq: int
    previous: int
    kind: str
    audience: Audience
    site_id: UUID | None
    building_id: UUID | None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class FeedMessage:
    """One feed event as clients receive it: `text` is encoded once, for all of them."""

    organization_id: UUID
    envelope: Envelope
    text: str

    @property
    def seq(self) -> int:
        """The event's position in the organization's order."""
        return self.envelope.seq

    def encode(self) -> bytes:
        """Encode the message for the live bus."""
        return msgspec.json.encode(self.envelope) + b"\n" + self.text.encode()

    @classmethod
    def decode(cls, organization_id: UUID, data: bytes) -> "FeedMessage":
        """Decode a message from `encode`. Raises msgspec.DecodeError."""
        envelope, _, text = data.partition(b"\n")
        return cls(organization_id, msgspec.json.decode(envelope, type=Envelope), text.decode())


def announce(
    *, organization_id: UUID, kind: str, audience: Audience, payload: str, building_id: UUID | None = None
) -> None:
    """Queue one feed event; the members of `payload`, a JSON object, become part of the message."""
    announce_rows(
        "SELECT %s::uuid, %s::text, %s::text, NULL::uuid, %s::uuid, %s::text",
        [organization_id, kind, audience, building_id, payload],
    )


class Change(msgspec.Struct, frozen=True):
    """Something has changed: clients that display it read it again."""

    resource: str
    id: UUID


def announce_change(*, organization_id: UUID, resource: str, id: UUID, building_id: UUID | None = None) -> None:
    """Queue `changed` for the staff, with the `resource` (places, people, devices, organization, …) and its id."""
    payload = msgspec.json.encode(Change(resource, id)).decode()
    announce(
        organization_id=organization_id,
        kind="changed",
        audience=Audience.STAFF,
        payload=payload,
        building_id=building_id,
    )


def announce_rows(sql: str, params: Sequence[Any]) -> None:
    """Queue the rows of a query: (organization_id, kind, audience, site_id, building_id, payload), read at COMMIT."""
    current_scope().feed.append(FeedRows(sql, list(params)))


def rows_to_extend(sql: str, kind: str, columns: int) -> list[list[Any]]:
    """Return the parameter lists, after `kind`, of the last queued query if it is this one; else of a new one.

    So any number of consecutive announcements becomes a single query.
    """
    queue = current_scope().feed
    if not (queue and queue[-1].sql == sql and queue[-1].params[0] == kind):
        announce_rows(sql, [kind, *([] for _ in range(columns))])
    return queue[-1].params[1:]


class _Outbox:
    """Writes the complete queue, and wakes the relay."""

    def append(self, alias: str, queued: Sequence[FeedRows]) -> None:
        """Give each row the next seq of its organization, in the order of the queue."""
        queries = " UNION ALL ".join(f"(SELECT {n}, q.* FROM ({rows.sql}) q)" for n, rows in enumerate(queued))
        columns = "organization_id, kind, audience, site_id, building_id, payload"
        params = [param for rows in queued for param in rows.params]
        with connections[alias].cursor() as cursor:
            cursor.execute(
                f"SELECT feed_append(array_agg(ROW({columns})::feed_item ORDER BY number), %s, %s)"
                f" FROM ({queries}) rows(number, {columns})",
                [request_ids.current(), tracing.traceparent(), *params],
            )

    def committed(self) -> None:
        """Wake the relay."""
        bus.poke()


register_outbox(_Outbox())


_COLUMNS = (
    "organization_id, seq, previous, kind, audience, site_id, building_id, traceparent, rfc3339(created_at), payload"
)


def since(organization: UUID, seq: int, *, limit: int) -> list[FeedMessage]:
    """Return the events of an organization after `seq`, in order; 0 is before the first. Raises UnknownCursor."""
    with connections[current_scope().alias].cursor() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM feed_events WHERE organization_id = %s AND seq >= %s ORDER BY seq LIMIT %s",
            [organization, seq, limit + 1],
        )
        messages = [_message(*row) for row in cursor.fetchall()]
    if seq and (not messages or messages[0].seq != seq):
        raise UnknownCursor()
    return messages[1:] if seq else messages[:limit]


def require_resumable(organization: UUID, seq: int) -> None:
    """Raise UnknownCursor if a reader that stopped at `seq` cannot resume, or reading the list again is faster."""
    with connections[current_scope().alias].cursor() as cursor:
        cursor.execute(
            "SELECT count(*), min(seq), bool_and(previous = before) FROM ("
            " SELECT seq, previous,"
            " lag(seq, 1, CASE WHEN %s = 0 THEN 0 ELSE previous END) OVER (ORDER BY seq) AS before"
            " FROM feed_events WHERE organization_id = %s AND seq >= %s ORDER BY seq LIMIT %s) newer",
            [seq, organization, seq, RESUME_WINDOW + 2],
        )
        count, first, is_whole = cursor.fetchone() or (0, None, None)
    newer = count if seq == 0 else count - 1
    if newer > RESUME_WINDOW or is_whole is False or first != (seq or first):
        raise UnknownCursor()


def unsent(*, limit: int) -> list[FeedMessage]:
    """Return the committed but unpublished events of every organization: the outbox."""
    with connections[current_scope().alias].cursor() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM feed_events WHERE sent_at IS NULL ORDER BY organization_id, seq LIMIT %s",
            [limit],
        )
        return [_message(*row) for row in cursor.fetchall()]


def mark_sent(messages: Sequence[FeedMessage], at: datetime) -> None:
    """Remove published events from the outbox."""
    with connections[current_scope().alias].cursor() as cursor:
        cursor.execute(
            "UPDATE feed_events f SET sent_at = %s FROM unnest(%s::uuid[], %s::bigint[]) AS k(organization_id, seq)"
            " WHERE f.organization_id = k.organization_id AND f.seq = k.seq",
            [at, [message.organization_id for message in messages], [message.seq for message in messages]],
        )


def forget_old(*, before: datetime, limit: int) -> int:
    """Delete up to `limit` published events from before a time; return how many.

    The heads stay: a reader that stopped there recognizes its history by them.
    """
    with connections[current_scope().alias].cursor() as cursor:
        cursor.execute(
            "DELETE FROM feed_events WHERE ctid = ANY (ARRAY("
            " SELECT f.ctid FROM organization_heads h JOIN feed_events f ON f.organization_id = h.organization_id"
            " AND f.seq <> h.seq AND f.seq <> h.public_seq"
            " WHERE f.sent_at IS NOT NULL AND f.created_at < %s LIMIT %s))",
            [before, limit],
        )
        deleted: int = cursor.rowcount
        return deleted


def count_missing(published: Mapping[UUID, int]) -> int:
    """Return how many of these events, one for each organization, are missing although they should still be kept.

    A head is kept forever, so a published event either still exists, or is older than the head and than KEEP.
    """
    with connections[current_scope().alias].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM unnest(%s::uuid[], %s::bigint[]) AS p(organization_id, seq)"
            " LEFT JOIN organization_heads h USING (organization_id)"
            " WHERE NOT EXISTS (SELECT FROM feed_events f WHERE f.organization_id = p.organization_id"
            "  AND f.seq = p.seq)"
            " AND (p.seq > coalesce(h.seq, 0) OR to_timestamp(p.seq / 1e6) > clock_timestamp() - %s::interval)",
            [list(published), list(published.values()), str(KEEP)],
        )
        (missing,) = cursor.fetchone() or (0,)
    return int(missing)


def heads() -> Heads:
    """Return the heads of every organization in scope and the epoch, with one query."""
    scope = current_scope()
    mine, params = (
        ("", []) if scope.organizations is None else (" AND h.organization_id = ANY (%s)", [[*scope.organizations]])
    )
    with connections[scope.alias].cursor() as cursor:
        cursor.execute(
            "SELECT e.epoch, h.organization_id, h.seq, h.public_seq FROM feed_epoch() AS e(epoch)"
            f" LEFT JOIN organization_heads h ON true{mine}",
            params,
        )
        rows: list[tuple[UUID, UUID | None, int, int]] = cursor.fetchall()
    return Heads(rows[0][0], {row[1]: Head(row[2], row[3]) for row in rows if row[1] is not None})


def epoch() -> UUID:
    """Return the identifier of this history of the database."""
    with connections[current_scope().alias].cursor() as cursor:
        cursor.execute("SELECT feed_epoch()")
        (value,) = cursor.fetchone() or (None,)
    if value is None:
        raise LookupError("the table feed_epoch has no row")
    return UUID(str(value))


def renew_epoch(*, reason: str) -> None:
    """Start a new history, so that every reader starts over. In the system scope."""
    with connections[current_scope().alias].cursor() as cursor:
        cursor.execute(
            "UPDATE feed_epoch SET nonce = gen_random_uuid(), renewed_at = clock_timestamp(), reason = %s", [reason]
        )


def _message(
    organization: UUID,
    seq: int,
    previous: int,
    kind: str,
    audience: str,
    site: UUID | None,
    building: UUID | None,
    traceparent: str | None,
    at: str,
    payload: str,
) -> FeedMessage:
    text = f'{{"type":"{kind}","organization":"{organization}","seq":{seq},"at":"{at}",{payload[1:]}'
    return FeedMessage(
        organization, Envelope(seq, previous, kind, Audience(audience), site, building, traceparent), text
    )
