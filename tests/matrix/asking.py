"""One request of a caller, and its effects."""

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
    """The response to the caller, and its entries in the audit trail."""

    status: int
    content_type: str
    text: str
    changes: list[str]


def ask(entry: Entry, things: Things, token: str | None) -> Answer:
    """Send the request from its own address, so that limits counted by address do not apply."""
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
    """Return the path and the body of a request."""
    body = entry.body(things) if entry.body else ""
    return entry.path.format_map(things), body if isinstance(body, str | bytes) else json.dumps(body)


def changes_of(request_id: str) -> list[str]:
    """Return the audit actions of one request, in all organizations, excluding concurrent requests."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT action FROM audit_entries WHERE outcome = 'done' AND request_id = %s", [request_id])
        return sorted(row[0] for row in cursor.fetchall())
