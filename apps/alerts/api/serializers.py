"""Request bodies about alerts, and their problems."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.alerts.documents import CLOSE_REASONS, AlertDocument
from apps.common.http.serializers import StrictSerializer
from apps.common.openapi.examples import openapi_example
from apps.common.problems import ProblemSerializer


@extend_schema_field(AlertDocument)  # type: ignore[arg-type]
class AlertField(serializers.JSONField):
    """An alert."""


class IllegalTransitionSerializer(ProblemSerializer):
    """The problem returned when an action is not possible in the alert's state."""

    current = AlertField(help_text="The current alert, so that a client can display it at once.")


@openapi_example(request={"reason": "mistake"})
class ResolveSerializer(StrictSerializer):
    """Why the alert ends; the reason may be given later."""

    reason = serializers.ChoiceField(CLOSE_REASONS, required=False, allow_null=True)


@openapi_example(request={"device_id": "ss-7c9ebd12f0a4"})
class ArmDrillSerializer(StrictSerializer):
    """Which button starts the drill."""

    device_id = serializers.CharField(max_length=100)
