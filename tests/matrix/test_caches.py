"""No answer about somebody is kept by a cache, whoever asks and whatever comes of it."""

import secrets
from ipaddress import IPv6Address

import pytest
from django.test import Client

from tests.matrix.asking import data_of
from tests.matrix.callers import Caller, World
from tests.matrix.entry import Entry
from tests.matrix.routes import ENTRIES

pytestmark = pytest.mark.slow

FOR_EVERYBODY = {"/.well-known/jwks.json"}
"""What says the same to everybody, and may be kept."""
ASK = ("nobody", "admin of the school", "viewer of the school", "super admin with a visit")


def is_not_kept(header: str, *, has_etag: bool) -> bool:
    """`no-store`, or what only the browser itself keeps, and asks about each time."""
    said = {one.strip() for one in header.split(",")}
    return "no-store" in said or (said >= {"private", "no-cache"} and has_etag and "public" not in said)


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_no_answer_about_somebody_is_kept_by_a_cache(
    entry: Entry, world: World, everybody: list[tuple[Caller, str | None]]
) -> None:
    for caller, token in everybody:
        if caller.name not in ASK:
            continue
        headers = dict(entry.headers(caller.asked)) if entry.headers else {}
        if token is not None:
            headers["authorization"] = f"Bearer {caller.make_token() if entry.uses_caller else token}"
        client = Client(REMOTE_ADDR=str(IPv6Address(b"\x20\x01\x0d\xb8" + secrets.token_bytes(12))))
        path, data = data_of(entry, caller.asked)
        answer = client.generic(entry.method, path, data, content_type=entry.content_type, headers=headers)
        told = answer.get("Cache-Control", "")
        assert entry.path in FOR_EVERYBODY or is_not_kept(told, has_etag="ETag" in answer), (
            f"{caller} at {entry}: {answer.status_code} with Cache-Control: {told!r}"
        )
        caller.asked.use_up()
