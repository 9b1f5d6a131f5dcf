"""demo.json: access to the demo school for scripts."""

import msgspec

from devstack.errors import Refusal
from devstack.machine.paths import Layout, write_private


class Person(msgspec.Struct, frozen=True):
    """The login of one of the demo's people."""

    email: str
    password: str


class Mqtt(msgspec.Struct, frozen=True):
    """The broker; `ca` is the CA file for clients, with the certificates in the folder `buttons` beside it."""

    host: str
    port: int
    ca: str


class Demo(msgspec.Struct, frozen=True):
    """The content of demo.json (mode 0600)."""

    base_url: str
    organization_id: str
    users: dict[str, Person]
    devices: list[str]
    mqtt: Mqtt


def load(place: Layout) -> Demo:
    """Read the demo school of this state folder."""
    try:
        return msgspec.json.decode(place.demo.read_bytes(), type=Demo)
    except FileNotFoundError:
        raise Refusal("There is no demo school yet: run ./dev up.") from None


def save(place: Layout, demo: Demo) -> None:
    """Write demo.json atomically."""
    write_private(place.demo, msgspec.json.format(msgspec.json.encode(demo), indent=2) + b"\n")
