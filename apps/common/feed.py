"""The feed: every committed change that people of an organization can see, in one order without holes.

`announce` queues; `scope.py` writes the queue just before COMMIT, so that the order of `seq` is the order of commits.
The one number is cursor of the live feed, order of the outbox, and version of whatever is cached.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec
from django.db import connections

from apps.common.scope import FeedRows, current_scope

RESUME_WINDOW: Final = 5000
"""A cursor further behind than this reads the list again instead; so many of the newest events are always there."""
KEEP: Final = timedelta(days=30)


class Audience(StrEnum):
    """The smallest circle that a message is for."""

    STAFF = "staff"
    RESPONSE = "response"
    GATEWAY = "gateway"


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """What a hub must know of a message to decide who gets it; travels before the text, on a line of its own."""

    seq: int
    kind: str
    audience: Audience
    site_id: UUID | None
    building_id: UUID | None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class FeedMessage:
    """One feed event as the clients get it: `text` is encoded once, for all of them."""

    organization_id: UUID
    envelope: Envelope
    text: str

    @property
    def seq(self) -> int:
        """Its place in the organization's order."""
        return self.envelope.seq

    def encode(self) -> bytes:
        """As the live bus carries it."""
        return msgspec.json.encode(self.envelope) + b"\n" + self.text.encode()

    @classmethod
    def decode(cls, organization_id: UUID, data: bytes) -> "FeedMessage":
        """What `encode` made. Raises msgspec.DecodeError."""
        envelope, _, text = data.partition(b"\n")
        return cls(organization_id, msgspec.json.decode(envelope, type=Envelope), text.decode())


def announce(
    *, organization_id: UUID, kind: str, audience: Audience, payload: str, building_id: UUID | None = None
) -> None:
    """Queue one feed event; `payload` is a JSON object whose members join the message."""
    announce_rows(
        "SELECT %s::uuid, %s::text, %s::text, NULL::uuid, %s::uuid, %s::text",
        [organization_id, kind, audience, building_id, payload],
    )


class Change(msgspec.Struct, frozen=True):
    """That something is another now: clients that show it read it again."""

    resource: str
    id: UUID


def announce_change(*, organization_id: UUID, resource: str, id: UUID, building_id: UUID | None = None) -> None:
    """Queue `changed` for the staff: which `resource` (places, people, devices, organization, …), and which of it."""
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


_COLUMNS = "organization_id, seq, kind, audience, site_id, building_id, traceparent, rfc3339(created_at), payload"


def since(organization: UUID, seq: int, *, limit: int) -> list[FeedMessage]:
    """The events of an organization after `seq`, in order."""
    with connections[current_scope().alias].cursor() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM feed_events WHERE organization_id = %s AND seq > %s ORDER BY seq LIMIT %s",
            [organization, seq, limit],
        )
        return [_message(*row) for row in cursor.fetchall()]


def unsent(*, limit: int) -> list[FeedMessage]:
    """What was committed and not yet published, of every organization: the outbox."""
    with connections[current_scope().alias].cursor() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM feed_events WHERE sent_at IS NULL ORDER BY organization_id, seq LIMIT %s",
            [limit],
        )
        return [_message(*row) for row in cursor.fetchall()]


def mark_sent(messages: Sequence[FeedMessage], at: datetime) -> None:
    """Take published events out of the outbox."""
    with connections[current_scope().alias].cursor() as cursor:
        cursor.execute(
            "UPDATE feed_events f SET sent_at = %s FROM unnest(%s::uuid[], %s::bigint[]) AS k(organization_id, seq)"
            " WHERE f.organization_id = k.organization_id AND f.seq = k.seq",
            [at, [message.organization_id for message in messages], [message.seq for message in messages]],
        )


def forget_old(*, now: datetime, limit: int) -> int:
    """Delete events that were published, are older than KEEP and that no cursor reaches; how many, at most `limit`."""
    with connections[current_scope().alias].cursor() as cursor:
        cursor.execute(
            "DELETE FROM feed_events WHERE ctid = ANY (ARRAY("
            " SELECT f.ctid FROM organization_heads h JOIN feed_events f ON f.organization_id = h.organization_id"
            " AND f.seq <= h.seq - %s WHERE f.sent_at IS NOT NULL AND f.created_at < %s LIMIT %s))",
            [RESUME_WINDOW, now - KEEP, limit],
        )
        deleted: int = cursor.rowcount
        return deleted


def heads() -> dict[UUID, int]:
    """The head of every organization in scope; one without a feed event yet is left out."""
    scope = current_scope()
    mine, params = (
        ("", []) if scope.organizations is None else (" WHERE organization_id = ANY (%s)", [[*scope.organizations]])
    )
    with connections[scope.alias].cursor() as cursor:
        cursor.execute(f"SELECT organization_id, seq FROM organization_heads{mine}", params)
        return {organization: int(seq) for organization, seq in cursor.fetchall()}


def _message(
    organization: UUID,
    seq: int,
    kind: str,
    audience: str,
    site: UUID | None,
    building: UUID | None,
    traceparent: str | None,
    at: str,
    payload: str,
) -> FeedMessage:
    text = f'{{"type":"{kind}","organization":"{organization}","seq":{seq},"at":"{at}",{payload[1:]}'
    return FeedMessage(organization, Envelope(seq, kind, Audience(audience), site, building, traceparent), text)
