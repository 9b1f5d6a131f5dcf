"""The AsyncAPI document of the live feed: exactly the messages of the contract, and each reference resolves."""

import json
from collections.abc import Iterator
from typing import Any

from django.conf import settings

from apps.alerts import consumers
from contracts import ROOT

DOCUMENT: Any = json.loads((ROOT / "asyncapi.json").read_text())


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def resolve(reference: str) -> Any:
    file, _, pointer = reference.partition("#")
    found = json.loads((ROOT / file).read_text()) if file else DOCUMENT
    for step in pointer.strip("/").split("/") if pointer else ():
        found = found[step]
    return found


def test_every_reference_resolves() -> None:
    assert all(resolve(reference) for reference in references(DOCUMENT))


def test_messages_match_the_live_contract() -> None:
    names = {message["name"] for message in DOCUMENT["components"]["messages"].values()}
    schema = json.loads((ROOT / "live" / "schema.json").read_text())
    assert names == {*schema["properties"]["type"]["enum"], "resume"}


def test_session_cookie_name_matches_the_settings() -> None:
    assert DOCUMENT["components"]["securitySchemes"]["session"]["name"] in settings.SESSION_COOKIE_NAME


def test_close_codes_match_the_server() -> None:
    codes = (consumers.TOKEN_ENDED, consumers.NO_RIGHT, consumers.TOO_SLOW, consumers.GOING_AWAY)
    description = DOCUMENT["channels"]["alerts"]["description"]
    assert all(str(code) in description for code in codes)
