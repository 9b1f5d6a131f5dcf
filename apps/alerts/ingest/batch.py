"""A batch as everything in ingest knows it: who sent it, when it came, and how it becomes a trouble."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from apps.common.time_limits import skipped_when_locked
from apps.devices.services import raise_trouble

CLOCK_LIMIT: Final = timedelta(days=1)
"""A gateway's clock that is off by more than this is corrected by what it is off."""


OLDEST: Final = timedelta(days=90)
"""What is older than the hot history was dated by a clock that lost its time; it is dated by its arrival."""


class Quarantined(Exception):
    """This one event is kept aside, with a word for programs and a sentence for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Batch(msgspec.Struct, frozen=True):
    """Who sent a batch, when it came, and by how much the sender's clock is off.

    Its times are moved by `clock_offset`; `slow` is by how much, at the most, they are still too early.
    """

    organization_id: UUID
    gateway_id: UUID
    epoch: UUID
    received_at: datetime
    clock_offset: timedelta
    slow: timedelta

    def dated(self, at: datetime) -> tuple[datetime, datetime | None]:
        """When something was, and what the gateway had said where that could not be believed."""
        corrected = at.astimezone(UTC) + self.clock_offset
        if self.received_at - OLDEST <= corrected <= self.received_at + CLOCK_LIMIT:
            return corrected, at if self.clock_offset else None
        return self.received_at, at

    def acted_at(self, at: datetime) -> datetime:
        """When a person acted. Never later than now: what is pressed after this would join what is closed by then."""
        return min(self.dated(at)[0], self.received_at)

    def trouble(self, device: str | None, kind: str, detail: str | None, *, since: datetime | None = None) -> None:
        """Open a trouble of the gateway (None), or of a device that it speaks of."""
        raise_trouble(
            organization_id=self.organization_id,
            gateway_id=self.gateway_id,
            device=device,
            kind=kind,
            detail=detail,
            since=since or self.received_at,
        )

    def remark(self, device: str | None, kind: str, detail: str) -> None:
        """Open a trouble beside an alarm: one that cannot be written now never costs the alarm, and is logged."""
        with skipped_when_locked(f"trouble {kind} of gateway {self.gateway_id}"):
            self.trouble(device, kind, detail)
