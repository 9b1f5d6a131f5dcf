"""Reading of presses as sent by buttons, so that no damage to a message can cost the alarm.

The broker has authenticated the publisher of a button's alert topic, so every message there is a press. Reading cannot
fail. It tries in turn: the whole message; its frozen core; both again in the text between the outermost braces after
repairing invalid JSON; single fields in the text; and finally the topic alone. From the second stage on the press
carries a doubt, which is reported as a trouble.
"""

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import msgspec

MAX_BYTES = 512
"""Maximum size of a valid body; a longer one is read with a doubt."""
DEVICE = re.compile(r"ss-[0-9a-z]{4,60}")
"""A valid device name: the common name of its certificate, authenticated by the broker."""

Inst = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{8}\Z")]
Seq = Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Pattern = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"\A[^\x00]*\Z")]
Key = Annotated[int, msgspec.Meta(ge=1, le=8)]
PressId = tuple[str, str, int]
"""(device, inst, seq): the permanent name of a press."""

ONLY_KEY = 1
"""The key of a button that has one and does not name it."""

VERSION = 1
"""Messages of other versions are read for the frozen core and identity only: their age may be counted differently."""

UNIDENTIFIED = "unidentified_press"
"""Doubt about a press whose `inst` and `seq` were unreadable and are derived from its body."""

FIRST_YEAR, LAST_YEAR = 1970, 2999
"""The years that a message can contain (contracts/common)."""


class _Identity(msgspec.Struct):
    """Identity of a press within its device, which is named by the topic."""

    inst: Inst
    seq: Seq
    device: msgspec.Raw = msgspec.Raw(b"null")


class _Core(_Identity, kw_only=True):
    pattern: Pattern


class _Body(_Core, kw_only=True):
    """A complete message of version 1."""

    v: int
    boot: Count
    uptime_ms: Count
    age_ms: Count | None
    key: Key | None = None
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    clock: str | None = None


class _LooseFields(msgspec.Struct):
    """Single fields from the text of an unreadable message. Age and time are left out: a damaged one could date a press
    before a close that preceded it."""

    inst: Inst | None = None
    seq: Seq | None = None
    pattern: Pattern | None = None
    boot: Count | None = None
    uptime_ms: Count | None = None
    key: Key | None = None


class Press(msgspec.Struct, frozen=True, kw_only=True):
    """One press, as far as it was readable. An unreadable `pattern` is None; `doubts` say what was wrong.

    `at` is in UTC. `clock_broken`: the button sent a time that is invalid or out of range.
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
        """The permanent name of the press."""
        return self.device, self.inst, self.seq

    @property
    def fingerprint(self) -> str:
        """Hash of the fields that stay the same each time a button sends one press, unlike age, battery and clock."""
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
    for field in msgspec.structs.fields(_LooseFields)
}
_NO_JSON_NUMBER = re.compile(rb"(?<=[:\[,])\s*[-+]?(?:nan|inf|infinity)(?=\s*[,}\]])", re.IGNORECASE)


def read_press(device: str, body: bytes) -> Press:
    """Read the press in `body`, sent on the topic of `device`. The broker authenticated that name, the body only claims
    one.

    Never raises. An unreadable pattern is treated as an unknown one.
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
    """Return a press of which only the device is known."""
    name, doubts = _named(device)
    inst, seq = derived_identity(body)
    return Press(device=name, inst=inst, seq=seq, pattern=None, doubts=(*doubts, "unreadable_press", UNIDENTIFIED))


def derived_identity(source: bytes) -> tuple[str, int]:
    """Derive `inst` and `seq` for a press without them: the same for the same source."""
    digest = hashlib.sha256(source).hexdigest()
    return digest[:8], int(digest[8:16], 16) % (2**32 - 1) + 1


def _named(device: str) -> tuple[str, tuple[str, ...]]:
    """Return the device's name, or a derived one if it is not valid in messages."""
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
    """Read the frozen core, or its identity alone, and the remaining fields where readable."""
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
    rest = _search_fields(body)
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
    """Read the text between the outermost braces, without NULs and numbers that are invalid JSON."""
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
    """Read single fields wherever they are in the text, with a derived identity if none is readable."""
    fields = _search_fields(body.replace(b"\0", b""))
    doubts: tuple[str, ...] = ()
    inst, seq = fields.inst, fields.seq
    if inst is None or seq is None:
        inst, seq = derived_identity(body)
        doubts = (UNIDENTIFIED,)
    return Press(
        device=device,
        inst=inst,
        seq=seq,
        pattern=fields.pattern,
        boot=fields.boot,
        uptime_ms=fields.uptime_ms,
        key=fields.key,
        doubts=doubts,
    )


def _search_fields(text: bytes) -> _LooseFields:
    """Search the text for each field, and use its first valid occurrence."""
    fields = _LooseFields()
    for field in msgspec.structs.fields(_LooseFields):
        match = _FIELDS[field.name].search(text)
        if match is not None:
            try:
                setattr(fields, field.name, msgspec.json.decode(match[1], type=field.type))  # noqa: TID251 -- plain types
            except _UNREADABLE:
                continue
    return fields


def _in_utc(at: datetime) -> datetime | None:
    """Convert to UTC; None at the edge of the calendar, where the conversion overflows."""
    try:
        moved = at.astimezone(UTC)
    except OverflowError:
        return None
    return moved if FIRST_YEAR <= moved.year <= LAST_YEAR else None


def _doubt_device(device: str, claimed: _Identity) -> tuple[str, ...]:
    return () if bytes(claimed.device) == msgspec.json.encode(device) else ("other_device_in_body",)
