"""Fuzzing with a hundred thousand bodies around valid presses: none is lost, and none raises an exception.

The generator is seeded; set SAFESIGNAL_FUZZ_SEED and SAFESIGNAL_FUZZ_BODIES for another run.
"""

import os
import random
from collections.abc import Callable

import msgspec
import pytest

from edge_agent.decision.presses import decide
from edge_agent.decision.state import State
from edge_agent.messages.events import PressEvent, TroubleBegan
from edge_agent.messages.press import UNIDENTIFIED, read_press
from tests.edge.support.school import DEVICES, instant, policy

BODIES = int(os.environ.get("SAFESIGNAL_FUZZ_BODIES", "100000"))
SEED = int(os.environ.get("SAFESIGNAL_FUZZ_SEED", "20260901"))
DEVICE, INST = DEVICES[0], "a1b2c3d4"
PATTERNS = ("long", "short", "triple", "double", "sos")

TIMES = (
    "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "0000-00-00T00:00:00Z", "1969-12-31T23:59:59.999Z",
    "2026-09-01T08:00:00.000Z", "2026-09-01T08:00:00", "2026-02-30T08:00:00Z", "2026-09-01T23:59:60Z",
    "10000-01-01T00:00:00Z", "3000-01-01T00:00:00Z", "-001-01-01T00:00:00Z", "2026-09-01T24:00:00Z", "", "now",
)  # fmt: skip
NUMBERS = (
    "0", "-0", "-1", "1e999", "-1e-999", "1.5", "01", "+1", "0x10", "1_000", "nan", "NaN", "-nan", "inf", "-inf",
    "Infinity", "-Infinity", str(2**31), str(2**32), str(2**53), str(2**63), str(2**64), "9" * 400, "1e", ".5", "-",
)  # fmt: skip
OTHERS = (
    "null", "true", "undefined", "None", "[]", "{}", "[" * 300, '{"a":' * 100, '"\\ud800"', '"\\u0000"', "\x00", "}",
    "]", "'long'", "/* no */ 1", '"unended',
)  # fmt: skip
BESIDE = ("v", "boot", "uptime_ms", "age_ms", "at", "clock", "key", "batt_mv", "temperature", "rssi", "later")
AROUND = (
    b"\0", b"\0\0\0\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\r\n", b" ", b"\x1a", b"\x7f", b"OK", b"}", b"]", b"//", b"-",
)  # fmt: skip

Fields = list[tuple[str, str]]


def usual(chance: random.Random, seq: int) -> Fields:
    """Return the fields of a valid press, each value as JSON."""
    fields = [
        ("v", "1"), ("device", f'"{DEVICE}"'), ("inst", f'"{INST}"'), ("seq", str(seq)),
        ("boot", "17"), ("uptime_ms", str(1000 * seq)), ("age_ms", "0"), ("pattern", f'"{chance.choice(PATTERNS)}"'),
    ]  # fmt: skip
    if chance.random() < 0.5:
        fields += [("at", '"2026-09-01T08:00:00.000Z"'), ("clock", '"ntp"')]
    return fields


def value(chance: random.Random) -> str:
    """Return a value in place of a number or a time."""
    kind = chance.randrange(4)
    if kind == 0:
        return f'"{chance.choice(TIMES)}"'
    if kind == 1:
        return chance.choice(NUMBERS)
    if kind == 2:
        return str(chance.randrange(-(2**70), 2**70))
    return chance.choice(OTHERS)


def text(fields: Fields) -> bytes:
    return ("{" + ",".join(f'"{name}":{json_value}' for name, json_value in fields) + "}").encode()


def noise(chance: random.Random) -> bytes:
    """Return bytes without a field name."""
    if chance.random() < 0.5:
        return b"".join(chance.choices(AROUND, k=chance.randint(1, 4)))
    return chance.randbytes(chance.randint(1, 40)).replace(b'"', b"").replace(b"{", b"").replace(b"\\", b"")


def other_values(chance: random.Random, fields: Fields) -> bytes:
    changed = dict(fields)
    for name in chance.sample(BESIDE, chance.randint(1, 3)):
        changed[name] = value(chance)
    order = list(changed.items())
    chance.shuffle(order)
    return text(order)


def surrounded(chance: random.Random, fields: Fields) -> bytes:
    body = text(fields) if chance.random() < 0.5 else other_values(chance, fields)
    before, after = chance.choice([(noise(chance), b""), (b"", noise(chance)), (noise(chance), noise(chance))])
    return before + body + after


def between(chance: random.Random, fields: Fields) -> bytes:
    """Insert noise between two fields."""
    place = chance.randrange(1, len(fields))
    return text(fields[:place])[:-1] + b"," + noise(chance) + b"," + text(fields[place:])[1:]


def cut_after_the_core(chance: random.Random, fields: Fields) -> bytes:
    core = ("device", "inst", "seq", "pattern")
    fields = sorted(fields, key=lambda field: field[0] not in core)
    whole, least = text(fields), len(text(fields[:4])[:-1] + b",")
    return whole[: chance.randint(least, len(whole))]


def wide(chance: random.Random, fields: Fields) -> bytes:
    """Encode as UTF-16, which adds a NUL to each byte."""
    order = chance.choice(["utf-16", "utf-16-le", "utf-16-be"])
    return text(fields).decode().encode(order)


KEEPS_THE_CORE: tuple[Callable[[random.Random, Fields], bytes], ...] = (
    other_values,
    surrounded,
    between,
    cut_after_the_core,
    wide,
)


@pytest.mark.slow
def test_no_press_is_lost_with_damage_around_core() -> None:
    """The press is read exactly, and a trouble reported if the body is not a valid press."""
    chance = random.Random(SEED)
    state = State(policy=policy())
    for number in range(BODIES // 2):
        if number % 100 == 0:
            state = State(policy=policy())
        fields = usual(chance, number + 1)
        body = chance.choice(KEEPS_THE_CORE)(chance, fields)
        press = read_press(DEVICE, body)
        assert (press.id, press.pattern) == ((DEVICE, INST, number + 1), dict(fields)["pattern"].strip('"')), body
        decision = decide(state, press, instant(number))
        state.apply(decision)
        assert decision.outcome in ("raised", "pressed_again"), (decision.outcome, body)
        msgspec.json.encode(decision.events)


@pytest.mark.slow
def test_every_damaged_body_raises_alarm() -> None:
    """Bytes are changed, removed, duplicated and inserted anywhere. An unidentifiable press is reported as a
    trouble."""
    chance = random.Random(SEED + 1)
    empty = State(policy=policy())
    for number in range(BODIES // 2):
        body = bytearray(
            text(usual(chance, number + 1)) if number % 3 else surrounded(chance, usual(chance, number + 1))
        )
        for _ in range(chance.randint(1, 6)):
            place = chance.randrange(len(body) + 1)
            length = chance.randint(0, 12)
            body[place : place + length] = chance.choice([b"", noise(chance), bytes(body[place : place + 30])])
        press = read_press(DEVICE, bytes(body))
        decision = decide(empty, press, instant(number))
        assert decision.outcome == "raised", bytes(body)
        msgspec.json.encode(decision.events)
        assert sum(isinstance(event, PressEvent) for event in decision.events) == 1
        if UNIDENTIFIED in press.doubts:
            troubles = {event.trouble for event in decision.events if isinstance(event, TroubleBegan)}
            assert {UNIDENTIFIED, "unreadable_press"} <= troubles
