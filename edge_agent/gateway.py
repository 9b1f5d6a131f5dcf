"""The path of a press from arrival to its effects, and every other change of the gateway's state.

The order is: decide, commit, act, confirm `stored`, forward. The commit has a deadline: when the disk is full,
read-only or stalled, the gateway acts anyway, does not confirm `stored`, and forwards from memory.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

import msgspec

from edge_agent import __version__, recognition, times
from edge_agent.accepted_press import AcceptedPress
from edge_agent.decision import closing
from edge_agent.decision.announcements import ANNOUNCEMENT_LIFETIME, Announcements, announce
from edge_agent.decision.floods import COLLAPSED, FLOOD_DETAIL, Floods
from edge_agent.decision.lifecycle import Stage, advance, may
from edge_agent.decision.policy import Policy
from edge_agent.decision.presses import decide
from edge_agent.decision.state import Alert, Decision, State
from edge_agent.ids import EventIds
from edge_agent.messages.actions import pa_action
from edge_agent.messages.building import Ack, Announcement
from edge_agent.messages.cloud import AlertDocument, Configuration
from edge_agent.messages.events import Event, PressEvent, Status
from edge_agent.messages.press import Press, PressId, press_of_topic, read_press
from edge_agent.order import InOrder, Outgoing
from edge_agent.recognition import Recognition
from edge_agent.standing import Troubles
from edge_agent.store import statements
from edge_agent.store.statements import Statement
from edge_agent.store.store import Kept
from edge_agent.times import Instant

log = logging.getLogger(__name__)

DEADLINE_SECONDS = 0.05
"""Maximum time from arrival to local action; the commit gets the rest after the decision."""

FOLLOW_UP_WAIT_SECONDS = 0.03
STALLED_SECONDS = 1.0
"""A commit that takes longer is reported as a trouble."""

ACT_AFTER_RESTART = timedelta(minutes=10)
"""An open alert that was stored but not announced when the gateway stopped is announced after a restart within this."""

QUEUE_SECONDS = 10.0
"""For this long after connecting to the broker, a message may be one that had been queued there."""


class Building(Protocol):
    """The building's buttons and speakers."""

    async def confirm_stored(self, ack: Ack) -> None:
        """Confirm a press to its button, which sends it again when this is lost."""

    async def announce(self, room: str, announcement: Announcement, within: float) -> bool:
        """Send an announcement to the speaker in `room`; False if that fails for `within` seconds."""


class Cloud(Protocol):
    """The connection to the cloud."""

    def offer(self, events: Sequence[Outgoing]) -> None:
        """Send these before older events."""


class Disk(recognition.Disk, Protocol):
    """The gateway's storage."""

    def submit(self, *writes: Statement) -> asyncio.Future[None]:
        """Write all of these in one transaction; the future completes when they are on the disk."""


@dataclass(slots=True)
class Gateway:
    """The only writer of the state. It runs in the event loop and never waits for disk or network, except for the
    effects of a press that depend on them."""

    disk: Disk
    building: Building
    cloud: Cloud
    tasks: asyncio.TaskGroup
    clock: Callable[[], Instant] = times.instant
    state: State = field(default_factory=lambda: State(boot=times.boot()))
    ids: EventIds = field(default_factory=EventIds)
    _unstored: dict[PressId, asyncio.Future[None]] = field(default_factory=dict)
    _acted: list[AcceptedPress] = field(default_factory=list)
    _order: InOrder = field(default_factory=InOrder)
    _effects: set[asyncio.Task[None]] = field(default_factory=set)
    floods: Floods = field(default_factory=Floods)
    _recognition: Recognition = field(init=False)
    _troubles: Troubles = field(init=False)
    _linked_at: float | None = None
    """`Instant.elapsed` of the connection to the broker; None while disconnected."""

    def __post_init__(self) -> None:
        self._recognition = Recognition(self.disk, self._spawn)
        self._troubles = Troubles(self.state, self._now, self.publish)

    def receive(self, device: str, body: bytes) -> None:
        """Process a message on a button's alert topic, without raising: a message without a PUBACK is redelivered
        forever and blocks those after it."""
        now, deadline = self.clock(), asyncio.get_running_loop().time() + DEADLINE_SECONDS
        for read in (read_press, press_of_topic):
            try:
                press = read(device, body)
                self._recognition.then(self.state.seen, press, partial(self._accept, press, body, now, deadline))
            except Exception:
                log.exception("a press could not be processed", extra={"device": device})
            else:
                return

    def flooded(self, device: str) -> None:
        """Record a message that was dropped because too many of this button wait."""
        now = self.clock()
        if self.floods.dropped(device, now.elapsed):
            self._troubles.began(device, "press_flood", FLOOD_DETAIL)

    def _accept(self, press: Press, body: bytes, now: Instant, deadline: float) -> None:
        decision = self._decide(press, now)
        if not decision.repeat:
            if self.floods.count(press.device, now.elapsed):
                self._troubles.began(press.device, "press_flood", FLOOD_DETAIL)
            decision = self.floods.collapse(self.state, decision, now.elapsed)
        self.state.apply(decision)
        ack = Ack(device=press.device, inst=press.inst, seq=press.seq)
        if decision.repeat:
            self._repeat(decision.press, ack)
        else:
            self._carry_out(decision, ack, body, now, deadline)

    def _decide(self, press: Press, now: Instant) -> Decision:
        """Decide by the known state; if that fails, by the configuration, and last by the defaults: no press is
        ignored."""
        queued = self._linked_at is None or now.elapsed - self._linked_at < QUEUE_SECONDS
        try:
            return decide(self.state, press, now, queued=queued)
        except Exception:
            log.exception("a press could not be decided by the state", extra={"device": press.device})
            self.trouble("undecided_press", detail=f"the press of {press.device} was decided without the state")
        try:
            return decide(State(policy=self.state.policy, boot=self.state.boot), press, now)
        except Exception:
            log.exception("a press could not be decided by the configuration", extra={"device": press.device})
            return decide(State(boot=self.state.boot), press, now)

    def _repeat(self, press: Press, ack: Ack) -> None:
        """Confirm `stored` again, unless the first write is still pending: its completion confirms it."""
        if press.id not in self._unstored:
            self._spawn(self.building.confirm_stored(ack))

    def _carry_out(self, decision: Decision, ack: Ack, body: bytes, now: Instant, deadline: float) -> None:
        """Commit, and act when that is done or the deadline passes. Uses callbacks, not a task: 200 may press at
        once."""
        press, events = decision.press, self._stamped(decision.events)
        self._order.expect(events)
        alert_id = None if decision.last is None else decision.last.alert_id
        writes = [statements.press(press, decision.outcome, alert_id, now.wall, body), *statements.events(events)]
        writes += map(statements.alert, decision.ended)
        if decision.alert is not None:
            writes.append(statements.alert(decision.alert))
        stored = self._unstored[press.id] = self.disk.submit(*writes)
        accepted = AcceptedPress(decision, events, ack, stored)
        timer = asyncio.get_running_loop().call_at(deadline, self._late, accepted)
        stored.add_done_callback(partial(self._settled, accepted, timer))

    def _settled(self, accepted: AcceptedPress, timer: asyncio.TimerHandle, stored: asyncio.Future[None]) -> None:
        """Handle the end of a commit; a failed one is never confirmed to the button."""
        timer.cancel()
        good = not stored.cancelled() and stored.exception() is None
        if good:
            self._unstored.pop(accepted.decision.press.id, None)
            self._spawn(self.building.confirm_stored(accepted.ack))
        if not accepted.acted:
            self._act_on(accepted, stored_at=self.clock().wall if good else None)
        elif good:
            self.recovered("store_failing")

    def _late(self, accepted: AcceptedPress) -> None:
        """Act without the disk at the deadline, and report a trouble if the commit takes much longer."""
        self._act_on(accepted, stored_at=None)
        asyncio.get_running_loop().call_later(STALLED_SECONDS, self._stalled, accepted)

    def _stalled(self, accepted: AcceptedPress) -> None:
        if not accepted.stored.done():
            self.trouble("store_failing", detail="presses are acted on and forwarded, but not stored here")

    def _act_on(self, accepted: AcceptedPress, *, stored_at: datetime | None) -> None:
        accepted.acted, accepted.stored_at = True, stored_at
        if accepted.decision.announcements:
            self._act(accepted.decision.announcements)
            accepted.acted_at = self.clock().wall
        self._follow_up(accepted)

    def _follow_up(self, accepted: AcceptedPress) -> None:
        """Forward and record hops once no press waits for its confirmation, at most 30 ms later."""
        self._acted.append(accepted)
        if len(self._acted) == 1:
            self._spawn(self._run_follow_up())

    async def _run_follow_up(self) -> None:
        loop = asyncio.get_running_loop()
        latest = loop.time() + FOLLOW_UP_WAIT_SECONDS
        await asyncio.sleep(0)
        while self._unstored and loop.time() < latest:
            await asyncio.sleep(0.001)
        batch, self._acted = self._acted, []
        writes = [write for accepted in batch for write in self._hop_writes(accepted)]
        self._offer([Outgoing(event, accepted.stored) for accepted in batch for event in accepted.events])
        if writes:
            self.disk.submit(*writes)
        for accepted in batch:
            press = ":".join(map(str, accepted.decision.press.id))
            level = logging.DEBUG if accepted.decision.outcome == COLLAPSED else logging.INFO
            stored = accepted.stored_at is not None
            log.log(level, "press %s", accepted.decision.outcome, extra={"press": press, "stored": stored})

    def _hop_writes(self, accepted: AcceptedPress) -> Iterable[Statement]:
        """Return the writes that record the hops passed."""
        for event in accepted.events:
            if isinstance(event, PressEvent):
                event.hops.stored_at = None if accepted.stored_at is None else times.text(accepted.stored_at)
                event.hops.acted_at = None if accepted.acted_at is None else times.text(accepted.acted_at)
                yield statements.amended(event)
        last = accepted.decision.last
        alert = None if last is None else self.state.alerts.get(last.alert_id)
        if alert is not None and may(alert.stage, Stage.ACTED):
            yield self._put(msgspec.structs.replace(alert, stage=advance(alert.stage, Stage.ACTED)))

    def _act(self, announcements: Announcements) -> None:
        for room, announcement in announcements:
            self._spawn(self._announce(room, announcement))

    async def _announce(self, room: str, announcement: Announcement) -> None:
        done = await self.building.announce(room, announcement, ANNOUNCEMENT_LIFETIME.total_seconds())
        if not done:
            log.error("an announcement could not be delivered", extra={"room": room, "alert": announcement.alert_id})
            self.state.speakers.pop(room, None)
        self.publish([pa_action(room, announcement, self.clock().wall, done=done)])

    def publish(self, events: Iterable[Event]) -> None:
        """Store these events and send them to the cloud."""
        stamped = self._stamped(events)
        if stamped:
            stored = self.disk.submit(*statements.events(stamped))
            self._offer([Outgoing(event, stored) for event in stamped])

    def _offer(self, outgoing: Sequence[Outgoing]) -> None:
        if ready := self._order.ready(outgoing):
            self.cloud.offer(ready)

    def trouble(self, kind: str, *, detail: str | None = None) -> None:
        """Begin a trouble of the gateway itself."""
        self._troubles.began(None, kind, detail)

    def recovered(self, kind: str) -> None:
        """End a trouble of the gateway itself."""
        self._troubles.ended(None, kind)

    def link(self, there: bool) -> None:
        """Handle a change of the connection to the building's broker."""
        self._linked_at = self.clock().elapsed if there else None
        if there:
            self.recovered("broker")
        else:
            self.trouble("broker", detail="no connection to the building's broker")

    def load(self, kept: Kept) -> None:
        """Restore the stored state."""
        if kept.greatest is not None:
            self.ids.raise_floor(kept.greatest)
        self.state.seen.load(kept.seen.greatest, kept.seen.latest, complete=kept.seen.complete)
        self.state.load(kept.alerts)
        self._troubles.load(kept.troubles, refused=kept.refused > 0)

    def configure(self, configuration: Configuration) -> None:
        """Apply a new configuration."""
        self.state.policy = Policy.of(configuration)
        self._troubles.configured()

    def apply_document(self, document: AlertDocument, also: Sequence[Statement] = ()) -> None:
        """Apply an alert document of the cloud. `also` is written in the same transaction as the result."""
        update = closing.apply_document(self.state, document, self.clock())
        if update is None:
            self.disk.submit(*also)
            return
        if not update.alert.open:
            log.info("an alert was closed in the cloud", extra={"alert": update.alert.alert_id})
        self.disk.submit(self._put(update.alert), *also)
        self.state.speakers.update(update.speakers)
        self._act(update.announcements)

    def arm(self, device: str, expires_at: datetime) -> None:
        """Make the next press of this device a drill."""
        if closing.arm(self.state, device, expires_at, self.clock()):
            log.info("armed for a drill", extra={"device": device})
        else:
            log.warning("not armed for a drill: the command arrived too late", extra={"device": device})

    def forwarded(self, alert_ids: Iterable[str]) -> None:
        """Mark these alerts as forwarded to the cloud."""
        writes = []
        for alert_id in dict.fromkeys(alert_ids):
            alert = self.state.alerts.get(alert_id)
            if alert is not None and may(alert.stage, Stage.FORWARDED):
                writes.append(self._put(msgspec.structs.replace(alert, stage=Stage.FORWARDED)))
        if writes:
            self.disk.submit(*writes)

    def resume(self) -> None:
        """Announce, at startup, alerts that were stored but not announced before the gateway stopped."""
        now = self.clock()
        for alert in list(self.state.alerts.values()):
            if alert.open and alert.stage is Stage.DECIDED:
                announcements: Announcements = ()
                if self._since(alert, now) <= ACT_AFTER_RESTART:
                    alert, announcements, speakers = announce(self.state, alert, now)  # noqa: PLW2901
                    self.state.speakers.update(speakers)
                self._act(announcements)
                self.disk.submit(self._put(msgspec.structs.replace(alert, stage=Stage.ACTED)))

    def _since(self, alert: Alert, now: Instant) -> timedelta:
        """Return the age of an alert, by the wall clock only if the machine restarted since."""
        if alert.boot == self.state.boot:
            return timedelta(seconds=now.elapsed - alert.arrived)
        return now.wall - alert.raised_at

    def tick(self) -> None:
        """Drop expired state; runs every few seconds."""
        now = self.clock()
        self.state.forget(now)
        self.state.seen.forget(self._unstored)
        for device, collapsed in self.floods.over(now.elapsed):
            log.info("a flood is over", extra={"device": device, "collapsed": collapsed})
            self._troubles.ended(device, "press_flood", f"{collapsed} presses were only counted")
        self._troubles.end_quiet()

    def sweep(self) -> None:
        """Delete events from the disk that the cloud has had for 30 days; runs hourly."""
        self.disk.submit(*statements.swept(self.clock().wall))

    async def finish(self, seconds: float) -> None:
        """Complete accepted presses, for at most `seconds`; buttons without a confirmation send theirs again."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while waiting := [one for one in (*self._unstored.values(), *self._effects) if not one.done()]:
                    await asyncio.wait(waiting)
        for effect in list(self._effects):
            effect.cancel()

    def status(self, depth: int, clock_offset: timedelta | None = None) -> None:
        """Publish the gateway's status."""
        self.publish(
            [
                Status(
                    at=times.text(self.clock().wall),
                    versions={"agent": __version__},
                    queue_depth=depth,
                    clock_offset_ms=None if clock_offset is None else clock_offset // timedelta(milliseconds=1),
                    configuration=self.state.policy.version,
                    troubles=self._troubles.list(),
                )
            ]
        )

    def _now(self) -> Instant:
        return self.clock()

    def _put(self, alert: Alert) -> Statement:
        self.state.put(alert)
        return statements.alert(alert)

    def _stamped(self, events: Iterable[Event]) -> list[Event]:
        stamped = list(events)
        for event in stamped:
            event.event_id = self.ids.next(self.clock().wall)
        return stamped

    def _spawn(self, work: Awaitable[None]) -> None:
        effect = self.tasks.create_task(_guarded(work))
        self._effects.add(effect)
        effect.add_done_callback(self._effects.discard)


async def _guarded(work: Awaitable[None]) -> None:
    """Log a failing effect: it must not stop the gateway for other presses."""
    try:
        await work
    except Exception:
        log.exception("an effect failed")
