"""The contract between button, gateway, cloud and people's clients: where its files are, and typed access to them.

README.md beside this file says what they hold. Needs msgspec and nothing of Django, so that the gateway can use it too.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

ROOT = Path(__file__).parent

ExampleSet = Literal["valid", "invalid", "frozen_core"]
"""`frozen_core` is of presses only: not valid, and yet a gateway raises the alarm."""

Severity = Literal["low", "medium", "high", "critical"]


@dataclass(frozen=True, slots=True)
class Example:
    """One example of a message; `name` says what it shows, `raw` is the JSON as it stands in the file."""

    message: str
    name: str
    raw: bytes


class AlertType(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What holds for every alert of one type unless a school decides otherwise."""

    type: str
    severity: Severity
    phrase: str | None
    """Of the Standard Response Protocol; `{…}` is filled by the school."""
    priority: int
    """On PA the greater pre-empts."""
    two_person: bool
    """Whether two different people must end it."""
    never_sounds_in_room_of_origin: bool
    label: str
    """On the board; so are those that follow."""
    saying: str
    """What to do, in plain words."""
    outside_help: str | None
    """What to do about help from outside; None: nothing."""
    colour: str
    """Behind white text; of the Standard Response Protocol where it has one."""
    icon: str
    """An SVG path, drawn as a line in a box of 48 by 48."""


class Patterns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which type a pattern is when no rule of the configuration says so."""

    patterns: Mapping[str, str]
    otherwise: str

    def type_of(self, pattern: str) -> str:
        """The type of any pattern, known or not."""
        return self.patterns.get(pattern, self.otherwise)


def load(name: str) -> bytes:
    """A data file such as `permissions.json`, undecoded."""
    return (ROOT / name).read_bytes()


def permissions() -> dict[str, list[str]]:
    """Role -> every `resource:action` that it may, what the roles below it may included."""
    return msgspec.json.decode(load("permissions.json"), type=dict[str, list[str]])


def alert_types() -> list[AlertType]:
    """All types, the gravest first."""
    return msgspec.json.decode(load("alert_types.json"), type=list[AlertType])


if TYPE_CHECKING:
    AlertTypeName = str
else:
    AlertTypeName = Literal[tuple(one.type for one in alert_types())]
"""The name of a type. msgspec refuses any other; a type checker reads no JSON and takes it for a string."""


def grammar(definition: str) -> str:
    """The regular expression of a text that common/schema.json defines, for `re`: it lets no line break at the end."""

    class Definition(msgspec.Struct):
        pattern: str | None = None

    class Definitions(msgspec.Struct):
        definitions: dict[str, Definition] = msgspec.field(name="$defs")

    common = msgspec.json.decode(load("common/schema.json"), type=Definitions)
    pattern = common.definitions[definition].pattern
    if pattern is None:
        raise KeyError(definition)
    return pattern.removesuffix("$") + r"\Z"


def patterns() -> Patterns:
    """The default mapping of patterns to types."""
    return msgspec.json.decode(load("patterns.json"), type=Patterns)


class Topic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The MQTT route of one message: topic, sender, receiver, QoS."""

    message: str
    topic: str
    sender: Literal["button", "gateway", "pa"] = msgspec.field(name="from")
    receiver: Literal["button", "gateway", "pa"] = msgspec.field(name="to")
    qos: int
    retained: bool

    def of(self, name: str) -> str:
        """The topic of one device or room; with `+` the filter for all."""
        return re.sub(r"\{\w+\}", lambda _: name, self.topic)


def topics() -> dict[str, Topic]:
    """The MQTT topics, by the message that travels there."""
    return {one.message: one for one in msgspec.json.decode(load("topics.json"), type=list[Topic])}


class TroubleKind(msgspec.Struct, frozen=True):
    """What begins and ends a kind of trouble; `of`: gateway or device."""

    of: str
    ends_by: list[str]
    begins: str
    ends: str


def gateway_troubles() -> dict[str, TroubleKind]:
    """The kinds of trouble that a gateway reports."""

    class Table(msgspec.Struct):
        kinds: dict[str, TroubleKind]

    return msgspec.json.decode(load("gateway_troubles.json"), type=Table).kinds


def messages() -> list[str]:
    """The names of all messages (`common` holds definitions only)."""
    return sorted(path.parent.name for path in ROOT.glob("*/schema.json") if path.parent.name != "common")


def examples(message: str, kind: ExampleSet) -> Iterator[Example]:
    """The examples of one message, in the order of their names."""
    for path in sorted((ROOT / message / "examples" / kind).glob("*.json")):
        yield Example(message, path.stem, path.read_bytes())
