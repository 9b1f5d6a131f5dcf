"""Personal responses are never cached, for any caller and any status."""

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
"""Public responses that are the same for everybody and may be cached."""
ASK = ("anonymous", "admin of the school", "viewer of the school", "super admin with a visit")


def is_not_kept(header: str, *, has_etag: bool) -> bool:
    """Return whether the header is `no-store`, or allows only the browser to store it and to revalidate each time."""
    directives = {one.strip() for one in header.split(",")}
    return "no-store" in directives or (
        directives >= {"private", "no-cache"} and has_etag and "public" not in directives
    )


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_personal_responses_are_not_cached(
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
        cache_control = answer.get("Cache-Control", "")
        assert entry.path in FOR_EVERYBODY or is_not_kept(cache_control, has_etag="ETag" in answer), (
            f"{caller} at {entry}: {answer.status_code} with Cache-Control: {cache_control!r}"
        )
        caller.asked.use_up()
