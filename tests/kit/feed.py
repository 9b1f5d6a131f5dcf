"""Changes published in the feed of an organization."""

import json
from uuid import UUID

from apps.common.db.scope import tenant_scope
from apps.common.feed import since


def published_ids(organization: UUID, resource: str) -> list[str]:
    """Ids of the changed objects of this kind, oldest first."""
    with tenant_scope([organization]):
        messages = [json.loads(message.text) for message in since(organization, 0, limit=500)]
    return [one["id"] for one in messages if one["type"] == "changed" and one["resource"] == resource]
