"""One request as a caller makes it, and what it left behind."""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address

from django.db import connections
from django.test import Client

from tests.matrix.entry import Entry
from tests.matrix.things import Things


@dataclass(frozen=True)
class Answer:
    """What the caller was told, and what the audit trail says of it."""

    status: int
    content_type: str
    text: str
    changes: list[str]


def ask(entry: Entry, things: Things, token: str | None) -> Answer:
    """Ask, from an address of its own: no limit that is counted by address is meant here."""
    headers = dict(entry.headers(things)) if entry.headers else {}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    path = entry.path.format_map(things)
    body = entry.body(things) if entry.body else ""
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    address = str(IPv6Address(b"\x20\x01\x0d\xb8" + secrets.token_bytes(12)))
    began = moment()
    answer = Client(REMOTE_ADDR=address).generic(
        entry.method, path, data, content_type=entry.content_type, headers=headers
    )
    text = b"".join(answer).decode(errors="replace")
    return Answer(answer.status_code, answer.get("Content-Type", ""), text, changes_since(began))


def moment() -> datetime:
    """Now, by the clock of the database."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
        return now


def changes_since(began: datetime) -> list[str]:
    """The actions of what was changed since then, of every organization; a test whose clock is ahead left others."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT action FROM audit_entries WHERE outcome = 'done' AND at BETWEEN %s AND clock_timestamp()", [began]
        )
        return sorted(row[0] for row in cursor.fetchall())
