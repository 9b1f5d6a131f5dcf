"""Serializers of devices, for the OpenAPI document."""

from rest_framework import serializers

from apps.common.http.serializers import NamedSerializer
from apps.common.openapi.examples import openapi_example


@openapi_example(
    response={
        "id": "0198f2c4-6a10-7700-9c41-5d2e8f7a0700",
        "device": "ss-7c9ebd12f0a4",
        "gateway": {"id": "0198f2c4-6a10-7800-9c41-5d2e8f7a0800", "name": "Main building"},
        "kind": "battery_low",
        "detail": "2.41 V",
        "since": "2026-09-01T08:15:03.120Z",
    }
)
class TroubleSerializer(serializers.Serializer[object]):
    """A condition that may keep an alarm from working; without device and gateway, of the cloud itself."""

    id = serializers.UUIDField()
    device = serializers.CharField(allow_null=True)
    gateway = NamedSerializer(allow_null=True)
    kind = serializers.CharField()
    detail = serializers.CharField(allow_null=True)
    since = serializers.DateTimeField()
