"""A press as the button sends it, read so that nothing but a missing identity can cost the alarm."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec

MAX_BYTES = 512
DEVICE = re.compile(r"ss-[0-9a-z]{4,60}")
"""What a device may be called: the common name of its certificate, which the broker has proved."""

Inst = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{8}\Z")]
Seq = Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
PressId = tuple[str, str, int]
"""(device, inst, seq): names a press for ever."""

ONLY_KEY = 1
"""The key of a button that has one and names none."""


class _Identity(msgspec.Struct):
    """What must be readable: without it nothing can be told apart or acknowledged. The topic names the device."""

    inst: Inst
    seq: Seq
    device: msgspec.Raw = msgspec.Raw(b"null")


class _Core(_Identity, kw_only=True):
    pattern: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"\A[^\x00]*\Z")]


class _Body(_Core, kw_only=True):
    """Version 1 in full."""

    v: int
    boot: Count
    uptime_ms: Count
    age_ms: Count | None
    key: Annotated[int, msgspec.Meta(ge=1, le=8)] | None = None
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    clock: str | None = None


class Press(msgspec.Struct, frozen=True, kw_only=True):
    """One press, as far as it could be read. `pattern` is None when it could not; `doubts` say what was wrong."""

    device: str
    inst: str
    seq: int
    pattern: str | None
    boot: int | None = None
    uptime_ms: int | None = None
    age_ms: int | None = None
    key: int | None = None
    at: datetime | None = None
    clock: str | None = None
    doubts: tuple[str, ...] = ()

    @property
    def id(self) -> PressId:
        """Its name for ever."""
        return self.device, self.inst, self.seq

    @property
    def fingerprint(self) -> str:
        """What stays the same each time that a button sends one press; age, battery and clock do not."""
        facts = (self.pattern, self.key, self.boot, self.uptime_ms)
        return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message that is no press: why, and the SHA-256 of its body."""

    device: str | None
    topic: str
    reason: str
    digest: str


_body = msgspec.json.Decoder(_Body)
_core = msgspec.json.Decoder(_Core)
_identity = msgspec.json.Decoder(_Identity)
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def read_press(topic: str, device: str, body: bytes) -> Press | Refusal:
    """The press in `body`, for `device` of the topic: the broker has proved that name, the body only claims one.

    A gateway that can read the frozen core raises the alarm, whatever the rest says; a pattern that it cannot read
    is as an unknown one.
    """
    if DEVICE.fullmatch(device) is None:
        return _refusal(topic, None, "device_name", body)
    if len(body) > MAX_BYTES:
        return _refusal(topic, device, "oversize", body)
    try:
        found = _read(device, body)
    except _UNREADABLE as error:
        reason = "no_identity" if isinstance(error, msgspec.ValidationError) else "not_json"
        return _refusal(topic, device, reason, body)
    return found


def _read(device: str, body: bytes) -> Press:
    try:
        full = _body.decode(body)
    except _UNREADABLE:
        return _read_core(device, body)
    doubts = _doubt_device(device, full)
    if full.v != 1:
        doubts += ("unknown_version",)
    return Press(
        device=device,
        inst=full.inst,
        seq=full.seq,
        pattern=full.pattern,
        boot=full.boot,
        uptime_ms=full.uptime_ms,
        age_ms=full.age_ms,
        key=full.key,
        at=full.at,
        clock=full.clock,
        doubts=doubts,
    )


def _read_core(device: str, body: bytes) -> Press:
    try:
        core = _core.decode(body)
    except _UNREADABLE:
        named = _identity.decode(body)
        doubts = ("unreadable_press", *_doubt_device(device, named))
        return Press(device=device, inst=named.inst, seq=named.seq, pattern=None, doubts=doubts)
    doubts = ("unreadable_press", *_doubt_device(device, core))
    return Press(device=device, inst=core.inst, seq=core.seq, pattern=core.pattern, doubts=doubts)


def _doubt_device(device: str, claimed: _Identity) -> tuple[str, ...]:
    return () if bytes(claimed.device) == msgspec.json.encode(device) else ("other_device_in_body",)


def _refusal(topic: str, device: str | None, reason: str, body: bytes) -> Refusal:
    return Refusal(device, topic.replace("\0", "")[:200], reason, hashlib.sha256(body).hexdigest())
