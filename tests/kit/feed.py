"""Changes published in the feed of an organization."""

import json
from uuid import UUID

from apps.common.db.scope import tenant_scope
from apps.common.feed import since
from tests.kit.school import School


def published_ids(organization: UUID, resource: str) -> list[str]:
    """Ids of the changed objects of this kind, oldest first."""
    with tenant_scope([organization]):
        messages = [json.loads(message.text) for message in since(organization, 0, limit=500)]
    return [one["id"] for one in messages if one["type"] == "changed" and one["resource"] == resource]


def feed_seqs(school: School) -> list[int]:
    """Return the numbers of all feed events of the school, in order."""
    with tenant_scope([school.organization]):
        return [message.seq for message in since(school.organization, 0, limit=10_000)]
