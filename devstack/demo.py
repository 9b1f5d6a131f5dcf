"""demo.json: how a script finds its way into the demo school."""

import msgspec

from devstack.errors import Refusal
from devstack.paths import Layout, write_private


class Person(msgspec.Struct, frozen=True):
    """How one of the demo's people logs in."""

    email: str
    password: str


class Mqtt(msgspec.Struct, frozen=True):
    """The broker; `ca` is the file of the authority that its clients trust. Certificates lie in `buttons` beside it."""

    host: str
    port: int
    ca: str


class Demo(msgspec.Struct, frozen=True):
    """The whole file (mode 0600)."""

    base_url: str
    organization_id: str
    users: dict[str, Person]
    devices: list[str]
    mqtt: Mqtt


def load(place: Layout) -> Demo:
    """The demo school of this state folder."""
    try:
        return msgspec.json.decode(place.demo.read_bytes(), type=Demo)
    except FileNotFoundError:
        raise Refusal("There is no demo school yet: ./dev up makes it.") from None


def save(place: Layout, demo: Demo) -> None:
    """Write it so that a reader finds either the old file or the new one."""
    write_private(place.demo, msgspec.json.format(msgspec.json.encode(demo), indent=2) + b"\n")
