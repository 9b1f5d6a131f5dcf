"""A press as the button sends it, read so that nothing in, before or after it can cost the alarm.

The broker has proved who published on a button's alert topic, so every message there is a press by somebody. Reading
goes down these stages and cannot fail: the whole message; its frozen core; the same in the text between the outermost
braces, with what is no JSON mended; single fields found in the text; and at last the topic alone. From the second stage
on the press carries a doubt, which becomes a trouble that people see.
"""

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import msgspec

MAX_BYTES = 512
"""A longer body is read all the same, and doubted."""
DEVICE = re.compile(r"ss-[0-9a-z]{4,60}")
"""What a device may be called: the common name of its certificate, which the broker has proved."""

Inst = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{8}\Z")]
Seq = Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Pattern = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"\A[^\x00]*\Z")]
Key = Annotated[int, msgspec.Meta(ge=1, le=8)]
PressId = tuple[str, str, int]
"""(device, inst, seq): names a press for ever."""

ONLY_KEY = 1
"""The key of a button that has one and names none."""

VERSION = 1
"""Of another version only the frozen core and what names the press are taken: its age may be counted otherwise."""

UNIDENTIFIED = "unidentified_press"
"""The doubt about a press whose `inst` and `seq` could not be read: they were made from its body."""

FIRST_YEAR, LAST_YEAR = 1970, 2999
"""The years that a message can carry (contracts/common)."""


class _Identity(msgspec.Struct):
    """Tells presses apart. The topic names the device."""

    inst: Inst
    seq: Seq
    device: msgspec.Raw = msgspec.Raw(b"null")


class _Core(_Identity, kw_only=True):
    pattern: Pattern


class _Body(_Core, kw_only=True):
    """Version 1 in full."""

    v: int
    boot: Count
    uptime_ms: Count
    age_ms: Count | None
    key: Key | None = None
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    clock: str | None = None


class _Found(msgspec.Struct):
    """Single fields as they stood in a text that is no message. No age and no time: a damaged one could put a press
    before a close that it came after."""

    inst: Inst | None = None
    seq: Seq | None = None
    pattern: Pattern | None = None
    boot: Count | None = None
    uptime_ms: Count | None = None
    key: Key | None = None


class Press(msgspec.Struct, frozen=True, kw_only=True):
    """One press, as far as it could be read. `pattern` is None when it could not; `doubts` say what was wrong.

    `at` is in UTC. `clock_broken`: the button gave a time that no calendar has, or no message can carry.
    """

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
    clock_broken: bool = False
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


_body = msgspec.json.Decoder(_Body)
_core = msgspec.json.Decoder(_Core)
_identity = msgspec.json.Decoder(_Identity)
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_NUMBER = rb'"%b"\s*:\s*(0|[1-9][0-9]{0,15})(?=\s*[,}\]])'
_TEXT = rb'"%b"\s*:\s*("[^"\\\x00-\x1f\x7f-\xff]{1,64}")'
_FIELDS = {
    field.name: re.compile((_TEXT if field.name in ("inst", "pattern") else _NUMBER) % field.name.encode())
    for field in msgspec.structs.fields(_Found)
}
_NO_JSON_NUMBER = re.compile(rb"(?<=[:\[,])\s*[-+]?(?:nan|inf|infinity)(?=\s*[,}\]])", re.IGNORECASE)


def read_press(device: str, body: bytes) -> Press:
    """The press that `body` is, for `device` of the topic: the broker has proved that name, the body only claims one.

    Raises nothing. A pattern that cannot be read is as an unknown one.
    """
    name, doubts = _named(device)
    if len(body) > MAX_BYTES:
        doubts += ("oversize_press",)
    press = _read_whole(name, body) or _read_core(name, body)
    if press is None:
        doubts += ("unreadable_press",)
        press = _read_mended(name, body) or _read_fields(name, body)
    return msgspec.structs.replace(press, doubts=(*doubts, *press.doubts)) if doubts else press


def press_of_topic(device: str, body: bytes) -> Press:
    """A press of which nothing is known but that `device` sent something."""
    name, doubts = _named(device)
    inst, seq = made_identity(body)
    return Press(device=name, inst=inst, seq=seq, pattern=None, doubts=(*doubts, "unreadable_press", UNIDENTIFIED))


def made_identity(source: bytes) -> tuple[str, int]:
    """`inst` and `seq` for a press that has none: the same for the same source."""
    digest = hashlib.sha256(source).hexdigest()
    return digest[:8], int(digest[8:16], 16) % (2**32 - 1) + 1


def _named(device: str) -> tuple[str, tuple[str, ...]]:
    """The device's name, or one made from it when no message can carry it."""
    if DEVICE.fullmatch(device) is not None:
        return device, ()
    return f"ss-{hashlib.sha256(device.encode(errors='replace')).hexdigest()[:16]}", ("device_name",)


def _read_whole(device: str, body: bytes) -> Press | None:
    try:
        full = _body.decode(body)
    except _UNREADABLE:
        return None
    known = full.v == VERSION
    at = None if full.at is None or not known else _in_utc(full.at)
    return Press(
        device=device,
        inst=full.inst,
        seq=full.seq,
        pattern=full.pattern,
        boot=full.boot,
        uptime_ms=full.uptime_ms,
        age_ms=full.age_ms if known else None,
        key=full.key,
        at=at,
        clock=full.clock,
        clock_broken=known and full.at is not None and at is None,
        doubts=(*_doubt_device(device, full), *(() if known else ("unknown_version",))),
    )


def _read_core(device: str, body: bytes) -> Press | None:
    """The frozen core, or its identity alone, and of the rest what can be read."""
    try:
        named = _identity.decode(body)
    except _UNREADABLE:
        return None
    pattern: str | None
    try:
        pattern = _core.decode(body).pattern
    except _UNREADABLE:
        pattern = None
    doubts = ("unreadable_press", *_doubt_device(device, named))
    rest = _found(body)
    return Press(
        device=device,
        inst=named.inst,
        seq=named.seq,
        pattern=pattern,
        boot=rest.boot,
        uptime_ms=rest.uptime_ms,
        key=rest.key,
        doubts=doubts,
    )


def _read_mended(device: str, body: bytes) -> Press | None:
    """The message in the text between the outermost braces, without NULs and numbers that JSON does not have."""
    for text in _mended(body):
        press = _read_whole(device, text) or _read_core(device, text)
        if press is not None:
            doubts = tuple(doubt for doubt in press.doubts if doubt != "unreadable_press")
            return msgspec.structs.replace(press, doubts=doubts)
    return None


def _mended(body: bytes) -> Iterator[bytes]:
    text = body.replace(b"\0", b"")
    start = text.find(b"{")
    if start < 0:
        return
    for end in dict.fromkeys((text.rfind(b"}") + 1, text.find(b"}") + 1)):
        yield _NO_JSON_NUMBER.sub(b"null", text[start:end])


def _read_fields(device: str, body: bytes) -> Press:
    """What single fields say, wherever they stand; an identity made from the body where none can be read."""
    found = _found(body.replace(b"\0", b""))
    doubts: tuple[str, ...] = ()
    inst, seq = found.inst, found.seq
    if inst is None or seq is None:
        inst, seq = made_identity(body)
        doubts = (UNIDENTIFIED,)
    return Press(
        device=device,
        inst=inst,
        seq=seq,
        pattern=found.pattern,
        boot=found.boot,
        uptime_ms=found.uptime_ms,
        key=found.key,
        doubts=doubts,
    )


def _found(text: bytes) -> _Found:
    """Each field by itself: the first that stands there and that a press may have."""
    found = _Found()
    for field in msgspec.structs.fields(_Found):
        match = _FIELDS[field.name].search(text)
        if match is not None:
            try:
                setattr(found, field.name, msgspec.json.decode(match[1], type=field.type))  # noqa: TID251 -- plain types
            except _UNREADABLE:
                continue
    return found


def _in_utc(at: datetime) -> datetime | None:
    """None at the edge of the calendar, where a zone leads out of it."""
    try:
        moved = at.astimezone(UTC)
    except OverflowError:
        return None
    return moved if FIRST_YEAR <= moved.year <= LAST_YEAR else None


def _doubt_device(device: str, claimed: _Identity) -> tuple[str, ...]:
    return () if bytes(claimed.device) == msgspec.json.encode(device) else ("other_device_in_body",)
