"""How the OpenAPI document describes alerts; PostgreSQL itself builds the JSON of responses."""

from typing import Final

import msgspec
from rest_framework import serializers

from apps.common.http.serializers import NamedSerializer, StrictSerializer
from apps.common.openapi.examples import openapi_example
from apps.common.problems import ProblemSerializer
from contracts import alert_types, examples

ALERTS: Final[dict[str, dict[str, object]]] = {
    one.name: msgspec.json.decode(one.raw) for one in examples("alert", "valid")
}
"""The contract's examples, by name."""
CLOSE_REASONS = ["real", "drill", "test", "mistake", "fault"]


class AlertRoomSerializer(serializers.Serializer[object]):
    """A room as it was named when the alert was raised."""

    id = serializers.UUIDField()
    room_number = serializers.CharField()
    name = serializers.CharField(allow_null=True)


class PlaceSerializer(serializers.Serializer[object]):
    """The alert's place, as it was named when the alert was raised."""

    site = NamedSerializer()
    building = NamedSerializer()
    floor = NamedSerializer()
    room = AlertRoomSerializer()


class AlertDeviceSerializer(serializers.Serializer[object]):
    """The button; `id` is null for one that is not registered."""

    id = serializers.UUIDField(allow_null=True)
    device_id = serializers.CharField()


class ApprovalsSerializer(serializers.Serializer[object]):
    """How many different people have approved ending the alert, and how many are required."""

    given = serializers.IntegerField()
    required = serializers.IntegerField()  # type: ignore[assignment]
    by = NamedSerializer(many=True)


class HopsSerializer(serializers.Serializer[object]):
    """When the press passed each point."""

    pressed_at = serializers.DateTimeField()
    arrived_at = serializers.DateTimeField()
    stored_at = serializers.DateTimeField(allow_null=True)
    acted_at = serializers.DateTimeField(allow_null=True)
    received_at = serializers.DateTimeField()


@openapi_example(response=ALERTS["acknowledged"])
class AlertSerializer(serializers.Serializer[object]):
    """One alert."""

    id = serializers.UUIDField()
    alert_id = serializers.CharField(max_length=100)
    organization_id = serializers.UUIDField()
    alert_type = serializers.ChoiceField([one.type for one in alert_types()])
    severity = serializers.ChoiceField(["low", "medium", "high", "critical"])
    status = serializers.ChoiceField(["new", "acknowledged", "resolved", "cancelled"])
    source = serializers.ChoiceField(  # type: ignore[assignment]
        ["button", "mobile", "web", "api"]
    )
    is_drill = serializers.BooleanField()
    is_silent = serializers.BooleanField()
    is_late = serializers.BooleanField()
    is_unattributed = serializers.BooleanField()
    device = AlertDeviceSerializer(allow_null=True)
    room_id = serializers.UUIDField(allow_null=True)
    place = PlaceSerializer(allow_null=True)
    triggered_at = serializers.DateTimeField()
    received_at = serializers.DateTimeField()
    presses = serializers.IntegerField()
    last_pressed_at = serializers.DateTimeField()
    acknowledged_at = serializers.DateTimeField(allow_null=True)
    acknowledged_by = NamedSerializer(allow_null=True)
    resolved_at = serializers.DateTimeField(allow_null=True)
    resolved_by = NamedSerializer(allow_null=True)
    approvals = ApprovalsSerializer()
    close_reason = serializers.ChoiceField(CLOSE_REASONS, allow_null=True)
    hops = HopsSerializer()


@openapi_example(response={"next": None, "previous": None, "results": [ALERTS["acknowledged"]]})
class AlertPageSerializer(serializers.Serializer[object]):
    """A page of a list."""

    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = AlertSerializer(many=True)


@openapi_example(response={"code": "awaiting_second_person", "alert": ALERTS["one_of_two_approvals"]})
class AwaitingSerializer(serializers.Serializer[object]):
    """The first of two persons has agreed."""

    code = serializers.ChoiceField(["awaiting_second_person"])
    alert = AlertSerializer()


class IllegalTransitionSerializer(ProblemSerializer):
    """The problem returned when an action is not possible in the alert's state."""

    current = AlertSerializer(help_text="The current alert, so that a client can display it at once.")


@openapi_example(request={"reason": "mistake"})
class ResolveSerializer(StrictSerializer):
    """Why the alert ends; the reason may be given later."""

    reason = serializers.ChoiceField(CLOSE_REASONS, required=False, allow_null=True)


@openapi_example(request={"device_id": "ss-7c9ebd12f0a4"})
class ArmDrillSerializer(StrictSerializer):
    """Which button starts the drill."""

    device_id = serializers.CharField(max_length=100)


@openapi_example(response={"device_id": "ss-7c9ebd12f0a4", "expires_at": "2026-09-01T08:16:03.120Z"})
class ArmedDrillSerializer(serializers.Serializer[object]):
    """A press of this button until `expires_at` starts a drill; every other press is real."""

    device_id = serializers.CharField()
    expires_at = serializers.DateTimeField()


class ArmedButtonSerializer(ArmedDrillSerializer):
    """A button that is armed now, with the room that it hangs in."""

    building_id = serializers.UUIDField(allow_null=True)
    room = serializers.CharField(allow_null=True)
    armed_at = serializers.DateTimeField()


@openapi_example(
    response={
        "results": [
            {
                "device_id": "ss-7c9ebd12f0a4",
                "building_id": "0198f2c4-6a10-7003-9c41-5d2e8f7a0003",
                "room": "Room 12",
                "armed_at": "2026-09-01T08:15:03.120Z",
                "expires_at": "2026-09-01T08:16:03.120Z",
            }
        ]
    }
)
class ArmedButtonsSerializer(serializers.Serializer[object]):
    """The buttons that are armed now."""

    results = ArmedButtonSerializer(many=True)
