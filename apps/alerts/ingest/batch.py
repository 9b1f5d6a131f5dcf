"""A batch of gateway events: its sender, its time of arrival, and the troubles that it opens."""

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
"""A gateway clock whose error is larger than this is corrected by that error."""


OLDEST: Final = timedelta(days=90)
"""An older event than the hot history was dated by a clock that lost its time; its arrival time is used instead."""

NAME_DIGITS: Final = 16
"""Length of the digest in a name from the cloud: `{device}:{inst}:{seq}@{digest}` has at most 100 characters."""


class Quarantined(Exception):
    """This event is quarantined, with a reason code for programs and a detail text for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Dated(msgspec.Struct, frozen=True, gc=False):
    """When a press was made, by the cloud's clock: at some moment from `earliest` to `latest`.

    `pressed_at` is the displayed time; `original` is the gateway's value where it was not plausible.
    """

    pressed_at: datetime
    earliest: datetime
    latest: datetime
    original: datetime | None = None

    def is_before(self, end: datetime | None) -> bool:
        """Return whether the press was certainly made before `end` (None: never). Gateways send whole milliseconds."""
        return end is None or self.latest < end.replace(microsecond=end.microsecond // 1000 * 1000)


@dataclass(frozen=True)
class Batch:
    """The sender of a batch, its time of arrival, and the error of the sender's clock.

    `clock_error` is by how much the cloud's clock is ahead of the gateway's (negative: behind), measured from this
    request. It includes the time that the request took to arrive, so a negative value is certain.
    """

    gateway: Principal
    organization_id: UUID
    epoch: UUID
    received_at: datetime
    clock_error: timedelta

    @property
    def gateway_id(self) -> UUID:
        """The id of the gateway that sent the batch."""
        return self.gateway.id

    @cached_property
    def buildings(self) -> frozenset[UUID]:
        """The buildings that the gateway is responsible for."""
        return gateway_buildings(self.organization_id, self.gateway_id)

    def own_name(self, alert_id: str, *facts: object) -> str:
        """Return an alert name that no other gateway can use; `facts` distinguish presses of this gateway."""
        digest = sha256(":".join(map(str, (self.gateway_id, *facts))).encode()).hexdigest()
        return f"{alert_id}@{digest[:NAME_DIGITS]}"

    @cached_property
    def _clock_is_lost(self) -> bool:
        return abs(self.clock_error) > CLOCK_LIMIT

    @cached_property
    def _fast(self) -> timedelta:
        """The least amount by which the gateway's clock is ahead."""
        return timedelta(0) if self._clock_is_lost else max(-self.clock_error, timedelta(0))

    def _corrected(self, at: datetime) -> datetime | None:
        """Convert a time of the gateway to the cloud's clock; return None if it is not plausible."""
        try:
            corrected = at.astimezone(UTC) + (self.clock_error if self._clock_is_lost else timedelta(0))
        except OverflowError:
            return None
        return corrected if self.received_at - OLDEST <= corrected <= self.received_at + CLOCK_LIMIT else None

    def dated(self, hops: Hops) -> Dated:
        """Return when a press was made.

        The gateway gives bounds by the cloud's clock where it has measured the difference. Where it has not, or where
        its clock lost its time, the press may have been made at any moment before it arrived here.
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
        """Return when a person acted, never in the future and rather too early: a later press is a new alert."""
        corrected = self._corrected(at)
        return self.received_at if corrected is None else min(corrected - self._fast, self.received_at)

    def acted_after(self, at: datetime) -> datetime:
        """Return the earliest moment at which a person can have acted."""
        return self.received_at - OLDEST if self._corrected(at) is None else self.acted_at(at)

    def trouble(self, device: str | None, kind: str, detail: str | None, *, since: datetime | None = None) -> None:
        """Open a trouble of a device, or of the gateway itself (None)."""
        raise_trouble(
            organization_id=self.organization_id,
            gateway_id=self.gateway_id,
            device=device,
            kind=kind,
            detail=detail,
            since=since or self.received_at,
        )

    def remark(self, device: str | None, kind: str, detail: str) -> None:
        """Open a trouble together with an alarm; if it cannot be written now, log that and keep the alarm."""
        with skipped_when_locked(f"trouble {kind} of gateway {self.gateway_id}"):
            self.trouble(device, kind, detail)
