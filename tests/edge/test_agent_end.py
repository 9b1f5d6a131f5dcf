"""The end of a gateway whose service swallows a cancellation, as libraries do when it arrives with a result."""

import asyncio

import pytest

from edge_agent import agent


async def test_service_that_swallows_a_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "CANCEL_AGAIN_SECONDS", 0.01)
    swallowed = 0

    async def service() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if swallowed == 2:
                    raise
                swallowed += 1

    task = asyncio.create_task(service())
    await asyncio.sleep(0)
    await agent.end([task])
    assert task.cancelled() and swallowed == 2
