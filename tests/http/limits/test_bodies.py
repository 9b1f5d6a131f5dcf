"""Memory limits of request bodies while they arrive."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from pytest_django import Settings

from apps.common.http.limits.body_limits import BodyTooSlow
from safesignal.bodies import Bodies
from tests.kit.patience import WAIT_SECONDS

pytestmark = pytest.mark.slow


def part(body: bytes, *, more: bool) -> Mapping[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_oldest_unfinished_body_is_dropped_when_bodies_use_too_much_memory(settings: Settings) -> None:
    settings.BODY_SECONDS = 10 * WAIT_SECONDS
    bodies = Bodies(memory=10)
    lines: list[asyncio.Queue[Mapping[str, Any]]] = [asyncio.Queue(), asyncio.Queue()]
    first, second = (asyncio.ensure_future(bodies.read([], line.get)) for line in lines)
    for line in lines:
        await line.put(part(b"123456", more=True))
    async with asyncio.timeout(WAIT_SECONDS):
        with pytest.raises(BodyTooSlow):
            await first
        await lines[1].put(part(b"7", more=False))
        assert await second == b"1234567"
