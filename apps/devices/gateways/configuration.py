"""The configuration of a gateway: one signed document whose version only increases."""

from datetime import datetime
from uuid import UUID

import jwt
import msgspec
from django.conf import settings

from apps.accounts.identity.keys.signing_keys import signing_key
from apps.common.access import Principal, require
from apps.common.times import rfc3339
from apps.devices.models import Device, DeviceStatus, Gateway, GatewayBuilding, GatewayRule
from apps.tenancy.models import Room


class ConfiguredRoom(msgspec.Struct, frozen=True):
    """A room, as the board in the building shows it."""

    id: UUID
    name: str
    floor: str
    building: str


class ConfiguredDevice(msgspec.Struct, frozen=True):
    """A button. `lifecycle` is administrative: no value of it ever blocks a press."""

    device: str
    room: UUID | None
    lifecycle: str
    power: str


class ConfiguredRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """The alert type of a pattern on a key; the first rule that matches applies."""

    pattern: str
    type: str
    key: int
    silent: bool = False
    device: str | None = None
    room: UUID | None = None


class ConfiguredSpeaker(msgspec.Struct, frozen=True):
    """The room of a PA endpoint, and the rooms that it covers."""

    room: UUID
    covers: list[UUID]


class Configuration(msgspec.Struct, frozen=True):
    """The document that `contracts/configuration` describes."""

    organization: UUID
    gateway: UUID
    version: int
    issued_at: datetime
    rooms: list[ConfiguredRoom]
    devices: list[ConfiguredDevice]
    rules: list[ConfiguredRule]
    speakers: list[ConfiguredSpeaker]
    v: int = 1


def configuration_version(gateway: Principal) -> int:
    """Return the version that the gateway should have."""
    organization = next(iter(gateway.grants))
    require(gateway, organization, "configuration", "read")
    return (
        Gateway.objects.only("configuration_version")
        .get(organization_id=organization, id=gateway.id)
        .configuration_version
    )


def signed_configuration(gateway: Principal, *, now: datetime) -> str:
    """Return the gateway's configuration as a compact JWS (RFC 7515), signed by the configuration key with ES256."""
    version = configuration_version(gateway)
    payload = msgspec.to_builtins(build_configuration(next(iter(gateway.grants)), gateway.id, version=version, now=now))
    payload["issued_at"] = rfc3339(now)
    key = signing_key(settings.CONFIG_KEY_FILE)
    return jwt.encode(payload, key.private, algorithm="ES256", headers={"typ": "ss-config+jwt", "kid": key.kid})


def build_configuration(organization: UUID, gateway: UUID, *, version: int, now: datetime) -> Configuration:
    """Build the document. Triggers raise its version when a row that it reads changes (0006_configuration)."""
    buildings = GatewayBuilding.objects.filter(organization_id=organization, gateway_id=gateway).values("building_id")
    rooms = Room.objects.filter(organization_id=organization, floor__building_id__in=buildings).select_related(
        "floor__building"
    )
    devices = Device.objects.filter(organization_id=organization, room_id__in=rooms.values("id")).order_by("device_id")
    rules = GatewayRule.objects.filter(organization_id=organization).select_related("device").order_by("id")
    specific_first = sorted(rules, key=lambda rule: (rule.device_id is None, rule.room_id is None))
    return Configuration(
        organization=organization,
        gateway=gateway,
        version=version,
        issued_at=now,
        rooms=[
            ConfiguredRoom(room.id, room.name or room.room_number, str(room.floor), room.floor.building.name)
            for room in rooms.order_by("id")
        ],
        devices=[
            ConfiguredDevice(device.device_id, device.room_id, _lifecycle(device.status), device.power)
            for device in devices
        ],
        rules=[
            ConfiguredRule(
                rule.pattern,
                rule.alert_type,
                rule.key,
                rule.is_silent,
                rule.device.device_id if rule.device else None,
                rule.room_id,
            )
            for rule in specific_first
        ],
        speakers=[],
    )


def _lifecycle(status: str) -> str:
    """Return the lifecycle behind the `status` column, which is `offline` for an active device that is not live."""
    return DeviceStatus.ACTIVE if status == DeviceStatus.OFFLINE else status
