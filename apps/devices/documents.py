"""Representations of troubles; PostgreSQL itself builds the JSON of responses (`sql/trouble_document.sql`)."""

from uuid import UUID

import msgspec

from apps.common.openapi.examples import openapi_example
from apps.common.openapi.members import NamedDocument, Timestamp


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
class TroubleDocument(msgspec.Struct, frozen=True):
    """A condition that may keep an alarm from working; without device and gateway, of the cloud itself."""

    id: UUID
    device: str | None
    gateway: NamedDocument | None
    kind: str
    detail: str | None
    since: Timestamp
