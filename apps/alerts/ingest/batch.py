"""A batch as everything in ingest knows it: who sent it, when it came, and how it becomes a trouble."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from typing import Final
from uuid import UUID

import msgspec
from msgspec import UnsetType

from apps.alerts.ingest.messages import Hops
from apps.common.access import Principal
from apps.common.db.time_limits import skipped_when_locked
from apps.devices.selectors import gateway_buildings
from apps.devices.services import raise_trouble

CLOCK_LIMIT: Final = timedelta(days=1)
"""A gateway's clock that is off by more than this is corrected by what it is off."""


OLDEST: Final = timedelta(days=90)
"""What is older than the hot history was dated by a clock that lost its time; it is dated by its arrival."""

NAME_DIGITS: Final = 16
"""Of the digest in a name that the cloud gives: `{device}:{inst}:{seq}@{digest}` has 100 characters at most."""


class Quarantined(Exception):
    """This one event is kept aside, with a word for programs and a sentence for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Dated(msgspec.Struct, frozen=True, gc=False):
    """When a press was, by the cloud's clock: at some moment from `earliest` to `latest`.

    `pressed_at` is the moment that is shown; `original` what the gateway had said, where that could not be believed.
    """

    pressed_at: datetime
    earliest: datetime
    latest: datetime
    original: datetime | None = None

    def is_before(self, end: datetime | None) -> bool:
        """Whether the press was certainly made before this; None has not come. Gateways give whole milliseconds."""
        return end is None or self.latest < end.replace(microsecond=end.microsecond // 1000 * 1000)


@dataclass(frozen=True)
class Batch:
    """Who sent a batch, when it came, and by how much the sender's clock is off.

    `clock_error` is what the cloud's clock is ahead of the gateway's (negative: behind), as measured at this sending;
    the time that the request was under way is part of it, so a negative one is certain.
    """

    gateway: Principal
    organization_id: UUID
    epoch: UUID
    received_at: datetime
    clock_error: timedelta

    @property
    def gateway_id(self) -> UUID:
        """The sender."""
        return self.gateway.id

    @cached_property
    def buildings(self) -> frozenset[UUID]:
        """The buildings that the gateway speaks for."""
        return gateway_buildings(self.organization_id, self.gateway_id)

    def own_name(self, alert_id: str, *facts: object) -> str:
        """A name for an alert that no other gateway can give; with `facts`, for one press that differs from another."""
        digest = sha256(":".join(map(str, (self.gateway_id, *facts))).encode()).hexdigest()
        return f"{alert_id}@{digest[:NAME_DIGITS]}"

    @cached_property
    def _clock_is_lost(self) -> bool:
        return abs(self.clock_error) > CLOCK_LIMIT

    @cached_property
    def _fast(self) -> timedelta:
        """By how much, at least, the gateway's clock is ahead."""
        return timedelta(0) if self._clock_is_lost else max(-self.clock_error, timedelta(0))

    def _corrected(self, at: datetime) -> datetime | None:
        """A time of the gateway's by the cloud's clock; None when it cannot be believed."""
        try:
            corrected = at.astimezone(UTC) + (self.clock_error if self._clock_is_lost else timedelta(0))
        except OverflowError:
            return None
        return corrected if self.received_at - OLDEST <= corrected <= self.received_at + CLOCK_LIMIT else None

    def dated(self, hops: Hops) -> Dated:
        """When a press was. The gateway bounds it by the cloud's clock, as far as it has measured that. Where it has
        not, or where its clock is lost, the press may have been at any moment until it arrived here.
        """
        corrected = self._corrected(hops.pressed_at)
        if corrected is None:
            return Dated(self.received_at, self.received_at - OLDEST, self.received_at, hops.pressed_at)
        pressed_at = min(corrected, self.received_at)
        if self._clock_is_lost:
            return Dated(pressed_at, pressed_at, self.received_at, hops.pressed_at)
        if isinstance(hops.latest_at, UnsetType) or isinstance(hops.earliest_at, UnsetType):
            return Dated(pressed_at, min(corrected - self._fast, pressed_at), self.received_at)
        earliest = self.received_at - OLDEST if hops.earliest_at is None else hops.earliest_at
        latest = self.received_at if hops.latest_at is None else hops.latest_at
        return Dated(pressed_at, min(earliest, pressed_at), min(max(latest, pressed_at), self.received_at))

    def acted_at(self, at: datetime) -> datetime:
        """When a person acted. Never later than now, and rather too early: what is pressed after it is a new alert."""
        corrected = self._corrected(at)
        return self.received_at if corrected is None else min(corrected - self._fast, self.received_at)

    def acted_after(self, at: datetime) -> datetime:
        """The earliest moment at which a person can have acted."""
        return self.received_at - OLDEST if self._corrected(at) is None else self.acted_at(at)

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
