"""The encoders, called as by the button's application: a struct in, a body or a refusal out."""

import json
from collections.abc import Iterator
from ctypes import Structure, byref, c_char, c_char_p, c_int, c_int64, c_size_t, c_uint32, create_string_buffer

import pytest
from message_core import library

from contracts import Example, ExampleSet, examples
from contracts.validation import problems, validator

NO_SPACE, TOO_LONG, OUT_OF_RANGE, BAD_TEXT, MISSING = 1, 2, 6, 7, 8


class Press(Structure):
    _fields_ = [
        ("device", c_char * 64),
        ("inst", c_char * 9),
        ("seq", c_int64),
        ("boot", c_int64),
        ("uptime_ms", c_int64),
        ("age_ms", c_int64),
        ("pattern", c_char * 25),
        ("key", c_int64),
        ("at", c_char * 25),
        ("clock", c_char * 17),
        ("batt_mv", c_int64),
        ("has", c_uint32),
    ]


class Health(Structure):
    _fields_ = [
        ("device", c_char * 64),
        ("boot", c_int64),
        ("uptime_ms", c_int64),
        ("free_heap", c_int64),
        ("presses", c_int64),
        ("fw", c_char * 33),
        ("rssi", c_int64),
        ("batt_mv", c_int64),
        ("power", c_int),
        ("at", c_char * 25),
        ("clock", c_char * 17),
        ("has", c_uint32),
    ]


STRUCTS: dict[str, type[Press] | type[Health]] = {"press": Press, "health": Health}
HAS = {"press": {"age_ms": 1, "key": 2, "batt_mv": 4}, "health": {"rssi": 1, "batt_mv": 2, "power": 4}}
POWERS = ["mains", "battery"]


class CannotCarryError(Exception):
    """The struct cannot represent this value, so the mistake is impossible in C."""


def carried(kind: object, value: object) -> int | bytes:
    if kind in {c_int64, c_int} and isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and kind is c_int and value in POWERS:
        return POWERS.index(value)
    if isinstance(value, str) and kind not in {c_int64, c_int}:
        size = kind._length_  # type: ignore[attr-defined]  # a type of array, made at run time
        # A text that fills its array is unterminated, which the encoder must detect; a longer one does not fit at all.
        if "\0" not in value and len(value) <= size:
            return value.encode("ascii")
    raise CannotCarryError


def struct_of(example: Example) -> Press | Health:
    value = json.loads(example.raw)
    kinds = {field[0]: field[1] for field in STRUCTS[example.message]._fields_}
    if not isinstance(value, dict) or value.get("v") != 1 or len(example.raw) > 512:
        raise CannotCarryError
    struct = STRUCTS[example.message]()
    for name in set(kinds) - {"has"}:
        flag = HAS[example.message].get(name, 0)
        if value.get(name) is None and (flag or name not in value):
            continue
        setattr(struct, name, carried(kinds[name], value[name]))
        struct.has |= flag
    if any(kinds[name] is c_int64 and name not in value for name in set(kinds) - {"has", *HAS[example.message]}):
        raise CannotCarryError  # A required number is always present.
    if example.message == "press" and "age_ms" not in value:
        raise CannotCarryError  # A missing value cannot be represented: the encoder writes null.
    return struct


def encode(struct: Press | Health, capacity: int = 512, name: str = "") -> tuple[int, bytes]:
    """Return status and body; the bytes behind the capacity must be unchanged."""
    name = name or ("ss_press_encode" if isinstance(struct, Press) else "ss_health_encode")
    out = create_string_buffer(b"\xa5" * (capacity + 8), capacity + 8)
    length = c_size_t(77)
    status = getattr(library(), name)(byref(struct), out, c_size_t(capacity), byref(length))
    assert out.raw[capacity:] == b"\xa5" * 8
    return int(status), out.raw[: length.value]


def carriable(kind: ExampleSet) -> Iterator[Example]:
    for message in STRUCTS:
        for example in examples(message, kind):
            try:
                struct_of(example)
            except CannotCarryError:
                continue
            yield example


def label(example: Example) -> str:
    return f"{example.message}/{example.name}"


def usual_press() -> Press:
    (example,) = [example for example in examples("press", "valid") if example.name == "usual"]
    struct = struct_of(example)
    assert isinstance(struct, Press)
    return struct


@pytest.mark.parametrize("example", carriable("valid"), ids=label)
def test_valid_example_is_written_from_its_fields(example: Example) -> None:
    status, body = encode(struct_of(example))
    assert status == 0
    value, written = json.loads(example.raw), json.loads(body)
    assert written == {key: value[key] for key in value if key in written}
    assert set(value) - set(written) <= {"temperature_c", "extra", "channel"}  # the unknown fields of the examples
    assert problems(example.message, body) == []


@pytest.mark.parametrize("example", [*carriable("invalid"), *carriable("frozen_core")], ids=label)
def test_invalid_example_is_refused_and_nothing_is_written(example: Example) -> None:
    status, body = encode(struct_of(example))
    assert status in {OUT_OF_RANGE, BAD_TEXT, MISSING}
    assert body == b""


@pytest.mark.parametrize("example", [e for e in carriable("frozen_core") if "upper_case" not in e.name], ids=label)
def test_refused_press_is_still_sent_as_its_frozen_core(example: Example) -> None:
    status, body = encode(struct_of(example), name="ss_press_encode_core")
    assert status == 0
    value = json.loads(example.raw)
    assert json.loads(body) == {"v": 1} | {key: value[key] for key in ("device", "inst", "seq", "pattern")}
    assert validator("press", "core").is_valid(json.loads(body))


def test_most_examples_fit_the_structs() -> None:
    assert len(list(carriable("valid"))) == sum(1 for message in STRUCTS for _ in examples(message, "valid"))
    names = {label(example) for kind in ("invalid", "frozen_core") for example in carriable(kind)}
    assert {"press/seq_zero", "press/seq_over_32_bits", "press/device_too_long", "press/at_without_clock"} <= names


def test_unterminated_text_is_refused() -> None:
    press = usual_press()
    press.device = b"ss-" + b"a" * 61
    assert encode(press) == (BAD_TEXT, b"")


def test_empty_struct_is_refused() -> None:
    assert encode(Press()) == (BAD_TEXT, b"")
    assert encode(Health()) == (BAD_TEXT, b"")


def test_smaller_buffers_are_refused_and_never_overrun() -> None:
    press = usual_press()
    _, body = encode(press)
    for capacity in range(len(body)):
        assert encode(press, capacity) == (NO_SPACE, b"")
    assert encode(press, len(body)) == (0, body)


def test_largest_press_and_health_fit_512_bytes_with_room_to_spare() -> None:
    for message in STRUCTS:
        (greatest,) = [example for example in examples(message, "valid") if example.name == "greatest_numbers"]
        _, body = encode(struct_of(greatest))
        assert 0 < len(body) <= 400


def test_every_status_has_a_text() -> None:
    text = library().ss_status_text
    text.restype = c_char_p
    texts = [text(status).decode() for status in range(11)]
    assert texts[0] == "ok"
    assert len(set(texts)) == len(texts)
    assert text(11) == text(-1) == b"unknown status"
