"""One press from its arrival to its effects, and all else that changes what the gateway knows.

The order is: decide, then commit, then act, then say `stored`, then forward. The commit races a deadline: when the
disk is full, read-only or stalled, the gateway acts all the same, does not say `stored`, and forwards from memory.
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
from edge_agent.decision import closing
from edge_agent.decision.floods import COLLAPSED, FLOOD_DETAIL, Floods
from edge_agent.decision.lifecycle import Stage, advance, may
from edge_agent.decision.policy import Policy
from edge_agent.decision.presses import decide
from edge_agent.decision.sounding import PLAY_LIFETIME, Plays, sound
from edge_agent.decision.state import Alert, Decision, State
from edge_agent.ids import EventIds
from edge_agent.messages.actions import pa_action
from edge_agent.messages.building import Ack, Play
from edge_agent.messages.cloud import AlertDocument, Configuration
from edge_agent.messages.events import Event, PressEvent, Status
from edge_agent.messages.press import Press, PressId, press_of_topic, read_press
from edge_agent.order import InOrder, Outgoing
from edge_agent.recognition import Recognition
from edge_agent.standing import Troubles
from edge_agent.store import statements
from edge_agent.store.statements import Statement
from edge_agent.store.store import Kept
from edge_agent.taken import Taken
from edge_agent.times import Instant

log = logging.getLogger(__name__)

DEADLINE_SECONDS = 0.05
"""Decision and local action, from arrival; the commit gets what is left of it."""

BOOKS_WAIT_SECONDS = 0.03
STALLED_SECONDS = 1.0
"""A commit that takes longer is a trouble that people are told of."""

ACT_AFTER_RESTART = timedelta(minutes=10)
"""An open alert that was stored but had not sounded when the gateway stopped sounds when it starts again within."""

QUEUE_SECONDS = 10.0
"""For so long after the broker is there, a message may be one that waited at it."""


class Building(Protocol):
    """The buttons and speakers of the building."""

    async def acknowledge(self, ack: Ack) -> None:
        """Tell a button; it asks again when this is lost."""

    async def say(self, room: str, play: Play, within: float) -> bool:
        """Hand a message to the speaker in `room`; False when that could not be done `within` seconds."""


class Cloud(Protocol):
    """The way to the cloud."""

    def offer(self, events: Sequence[Outgoing]) -> None:
        """Send these before anything older."""


class Disk(recognition.Disk, Protocol):
    """Where the gateway writes."""

    def submit(self, *writes: Statement) -> asyncio.Future[None]:
        """All of these at once; done when they are on the disk."""


@dataclass(slots=True)
class Gateway:
    """The only one that changes the state. Runs in the event loop; nothing in it waits for disk or network but
    the press whose own effects depend on it."""

    disk: Disk
    building: Building
    cloud: Cloud
    tasks: asyncio.TaskGroup
    clock: Callable[[], Instant] = times.instant
    state: State = field(default_factory=lambda: State(boot=times.boot()))
    ids: EventIds = field(default_factory=EventIds)
    _unstored: dict[PressId, asyncio.Future[None]] = field(default_factory=dict)
    _acted: list[Taken] = field(default_factory=list)
    _order: InOrder = field(default_factory=InOrder)
    _effects: set[asyncio.Task[None]] = field(default_factory=set)
    floods: Floods = field(default_factory=Floods)
    _recognition: Recognition = field(init=False)
    _troubles: Troubles = field(init=False)
    _linked_at: float | None = None
    """`Instant.elapsed` since when the broker is there; None while it is not."""

    def __post_init__(self) -> None:
        self._recognition = Recognition(self.disk, self._spawn)
        self._troubles = Troubles(self.state, self._now, self.tell)

    def receive(self, device: str, body: bytes) -> None:
        """A message on a button's alert topic has arrived. Raises nothing: a message that is not confirmed to the
        broker comes again and again, and blocks those behind it."""
        now, deadline = self.clock(), asyncio.get_running_loop().time() + DEADLINE_SECONDS
        for read in (read_press, press_of_topic):
            try:
                press = read(device, body)
                self._recognition.then(self.state.seen, press, partial(self._take, press, body, now, deadline))
            except Exception:
                log.exception("a press could not be taken", extra={"device": device})
            else:
                return

    def flooded(self, device: str) -> None:
        """A message was let go of, since more of this button wait than can be taken."""
        now = self.clock()
        if self.floods.dropped(device, now.elapsed):
            self._troubles.began(device, "press_flood", FLOOD_DETAIL)

    def _take(self, press: Press, body: bytes, now: Instant, deadline: float) -> None:
        decision = self._decide(press, now)
        if not decision.repeat:
            if self.floods.count(press.device, now.elapsed):
                self._troubles.began(press.device, "press_flood", FLOOD_DETAIL)
            decision = self.floods.thin(self.state, decision, now.elapsed)
        self.state.apply(decision)
        ack = Ack(device=press.device, inst=press.inst, seq=press.seq)
        if decision.repeat:
            self._repeat(decision.press, ack)
        else:
            self._carry_out(decision, ack, body, now, deadline)

    def _decide(self, press: Press, now: Instant) -> Decision:
        """By what is known; should that itself be broken, as if nothing were known: a press never goes unheard."""
        queued = self._linked_at is None or now.elapsed - self._linked_at < QUEUE_SECONDS
        try:
            return decide(self.state, press, now, queued=queued)
        except Exception:
            log.exception("a press could not be decided by what is known", extra={"device": press.device})
            self.trouble("undecided_press", detail=f"the press of {press.device} was taken by itself")
        try:
            return decide(State(policy=self.state.policy, boot=self.state.boot), press, now)
        except Exception:
            log.exception("nor by the configuration", extra={"device": press.device})
            return decide(State(boot=self.state.boot), press, now)

    def _repeat(self, press: Press, ack: Ack) -> None:
        """Say `stored` again, unless it is not yet: then the one that waits for the disk will say it."""
        if press.id not in self._unstored:
            self._spawn(self.building.acknowledge(ack))

    def _carry_out(self, decision: Decision, ack: Ack, body: bytes, now: Instant, deadline: float) -> None:
        """Commit, and act when that is done or the deadline has come. Callbacks, no task: 200 may press at once."""
        press, events = decision.press, self._stamped(decision.events)
        self._order.expect(events)
        alert_id = None if decision.last is None else decision.last.alert_id
        writes = [statements.press(press, decision.outcome, alert_id, now.wall, body), *statements.events(events)]
        writes += map(statements.alert, decision.ended)
        if decision.alert is not None:
            writes.append(statements.alert(decision.alert))
        stored = self._unstored[press.id] = self.disk.submit(*writes)
        taken = Taken(decision, events, ack, stored)
        timer = asyncio.get_running_loop().call_at(deadline, self._late, taken)
        stored.add_done_callback(partial(self._settled, taken, timer))

    def _settled(self, taken: Taken, timer: asyncio.TimerHandle, stored: asyncio.Future[None]) -> None:
        """On the disk; or it never will be, and then no button is ever told that it is."""
        timer.cancel()
        good = not stored.cancelled() and stored.exception() is None
        if good:
            self._unstored.pop(taken.decision.press.id, None)
            self._spawn(self.building.acknowledge(taken.ack))
        if not taken.acted:
            self._act_on(taken, stored_at=self.clock().wall if good else None)
        elif good:
            self.recovered("store_failing")

    def _late(self, taken: Taken) -> None:
        """The disk was not in time: act all the same, and say so when it takes much longer."""
        self._act_on(taken, stored_at=None)
        asyncio.get_running_loop().call_later(STALLED_SECONDS, self._stalled, taken)

    def _stalled(self, taken: Taken) -> None:
        if not taken.stored.done():
            self.trouble("store_failing", detail="presses are acted on and forwarded, but not stored here")

    def _act_on(self, taken: Taken, *, stored_at: datetime | None) -> None:
        taken.acted, taken.stored_at = True, stored_at
        if taken.decision.plays:
            self._act(taken.decision.plays)
            taken.acted_at = self.clock().wall
        self._afterwards(taken)

    def _afterwards(self, taken: Taken) -> None:
        """Forward, and keep the books, when no other press waits to be told `stored`, or 30 ms later."""
        self._acted.append(taken)
        if len(self._acted) == 1:
            self._spawn(self._keep_books())

    async def _keep_books(self) -> None:
        loop = asyncio.get_running_loop()
        latest = loop.time() + BOOKS_WAIT_SECONDS
        await asyncio.sleep(0)
        while self._unstored and loop.time() < latest:
            await asyncio.sleep(0.001)
        batch, self._acted = self._acted, []
        writes = [write for taken in batch for write in self._passed(taken)]
        self._offer([Outgoing(event, taken.stored) for taken in batch for event in taken.events])
        if writes:
            self.disk.submit(*writes)
        for taken in batch:
            press = ":".join(map(str, taken.decision.press.id))
            level = logging.DEBUG if taken.decision.outcome == COLLAPSED else logging.INFO
            stored = taken.stored_at is not None
            log.log(level, "press %s", taken.decision.outcome, extra={"press": press, "stored": stored})

    def _passed(self, taken: Taken) -> Iterable[Statement]:
        """Write down which hops were passed."""
        for event in taken.events:
            if isinstance(event, PressEvent):
                event.hops.stored_at = None if taken.stored_at is None else times.text(taken.stored_at)
                event.hops.acted_at = None if taken.acted_at is None else times.text(taken.acted_at)
                yield statements.amended(event)
        last = taken.decision.last
        alert = None if last is None else self.state.alerts.get(last.alert_id)
        if alert is not None and may(alert.stage, Stage.ACTED):
            yield self._put(msgspec.structs.replace(alert, stage=advance(alert.stage, Stage.ACTED)))

    def _act(self, plays: Plays) -> None:
        for room, play in plays:
            self._spawn(self._play(room, play))

    async def _play(self, room: str, play: Play) -> None:
        done = await self.building.say(room, play, PLAY_LIFETIME.total_seconds())
        if not done:
            log.error("a speaker could not be told", extra={"room": room, "alert": play.alert_id})
            self.state.sounding.pop(room, None)
        self.tell([pa_action(room, play, self.clock().wall, done=done)])

    def tell(self, events: Iterable[Event]) -> None:
        """Store these events, and send them to the cloud."""
        stamped = self._stamped(events)
        if stamped:
            stored = self.disk.submit(*statements.events(stamped))
            self._offer([Outgoing(event, stored) for event in stamped])

    def _offer(self, outgoing: Sequence[Outgoing]) -> None:
        if ready := self._order.ready(outgoing):
            self.cloud.offer(ready)

    def trouble(self, word: str, *, detail: str | None = None) -> None:
        """Something is wrong with the gateway itself."""
        self._troubles.began(None, word, detail)

    def recovered(self, word: str) -> None:
        """It is right again."""
        self._troubles.ended(None, word)

    def link(self, there: bool) -> None:
        """The broker of the building came, or went away."""
        self._linked_at = self.clock().elapsed if there else None
        if there:
            self.recovered("broker")
        else:
            self.trouble("broker", detail="no connection to the broker of the building")

    def load(self, kept: Kept) -> None:
        """What the store remembers."""
        if kept.greatest is not None:
            self.ids.raise_floor(kept.greatest)
        self.state.seen.load(kept.seen.greatest, kept.seen.latest, complete=kept.seen.complete)
        self.state.load(kept.alerts)
        self._troubles.load(kept.troubles, refused=kept.refused > 0)

    def configure(self, configuration: Configuration) -> None:
        """From now on decide by this."""
        self.state.policy = Policy.of(configuration)
        self._troubles.configured()

    def learn(self, document: AlertDocument, also: Sequence[Statement] = ()) -> None:
        """The cloud says how an alert stands. `also` is written in the same transaction as what this leads to."""
        learned = closing.learn(self.state, document, self.clock())
        if learned is None:
            self.disk.submit(*also)
            return
        if not learned.alert.open:
            log.info("an alert was closed in the cloud", extra={"alert": learned.alert.alert_id})
        self.disk.submit(self._put(learned.alert), *also)
        self.state.sounding.update(learned.sounding)
        self._act(learned.plays)

    def arm(self, device: str, expires_at: datetime) -> None:
        """The next press of this device is a drill."""
        if closing.arm(self.state, device, expires_at, self.clock()):
            log.info("armed for a drill", extra={"device": device})
        else:
            log.warning("not armed for a drill: it came too late", extra={"device": device})

    def forwarded(self, alert_ids: Iterable[str]) -> None:
        """The cloud has these alerts."""
        writes = []
        for alert_id in dict.fromkeys(alert_ids):
            alert = self.state.alerts.get(alert_id)
            if alert is not None and may(alert.stage, Stage.FORWARDED):
                writes.append(self._put(msgspec.structs.replace(alert, stage=Stage.FORWARDED)))
        if writes:
            self.disk.submit(*writes)

    def resume(self) -> None:
        """After a start: sound what was stored and had not sounded yet."""
        now = self.clock()
        for alert in list(self.state.alerts.values()):
            if alert.open and alert.stage is Stage.DECIDED:
                plays: Plays = ()
                if self._since(alert, now) <= ACT_AFTER_RESTART:
                    alert, plays, sounding = sound(self.state, alert, now)  # noqa: PLW2901
                    self.state.sounding.update(sounding)
                self._act(plays)
                self.disk.submit(self._put(msgspec.structs.replace(alert, stage=Stage.ACTED)))

    def _since(self, alert: Alert, now: Instant) -> timedelta:
        """How long ago an alert was raised; by the wall clock only over a restart of the machine."""
        if alert.boot == self.state.boot:
            return timedelta(seconds=now.elapsed - alert.arrived)
        return now.wall - alert.raised_at

    def tick(self) -> None:
        """Every few seconds: let go of what is over."""
        now = self.clock()
        self.state.forget(now)
        self.state.seen.forget(self._unstored)
        for device, collapsed in self.floods.over(now.elapsed):
            log.info("a flood is over", extra={"device": device, "collapsed": collapsed})
            self._troubles.ended(device, "press_flood", f"{collapsed} presses were only counted")
        self._troubles.look()

    def sweep(self) -> None:
        """Now and then: let the disk go of what the cloud has had for long."""
        self.disk.submit(*statements.swept(self.clock().wall))

    async def finish(self, seconds: float) -> None:
        """Carry out what was taken, for as long as given; then leave it: a button that was not told asks again."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while waiting := [one for one in (*self._unstored.values(), *self._effects) if not one.done()]:
                    await asyncio.wait(waiting)
        for effect in list(self._effects):
            effect.cancel()

    def status(self, depth: int, clock_offset: timedelta | None = None) -> None:
        """Tell how the gateway is."""
        self.tell(
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
    """One press that goes wrong must not stop the gateway for the others."""
    try:
        await work
    except Exception:
        log.exception("an effect failed")
