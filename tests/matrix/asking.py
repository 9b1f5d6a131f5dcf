"""One request as a caller makes it, and what it left behind."""

import json
import secrets
from dataclasses import dataclass
from ipaddress import IPv6Address

from django.db import connections
from django.test import Client

from apps.common.observability import request_ids
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
    path, data = data_of(entry, things)
    address = str(IPv6Address(b"\x20\x01\x0d\xb8" + secrets.token_bytes(12)))
    request_id = secrets.token_hex(16)
    headers[request_ids.HEADER] = request_id
    answer = Client(REMOTE_ADDR=address).generic(
        entry.method, path, data, content_type=entry.content_type, headers=headers
    )
    text = b"".join(answer).decode(errors="replace")
    return Answer(answer.status_code, answer.get("Content-Type", ""), text, changes_of(request_id))


def data_of(entry: Entry, things: Things) -> tuple[str, str | bytes]:
    """The path and the body of a request."""
    body = entry.body(things) if entry.body else ""
    return entry.path.format_map(things), body if isinstance(body, str | bytes) else json.dumps(body)


def changes_of(request_id: str) -> list[str]:
    """The actions of what one request changed, of every organization, whatever else is written meanwhile."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT action FROM audit_entries WHERE outcome = 'done' AND request_id = %s", [request_id])
        return sorted(row[0] for row in cursor.fetchall())
