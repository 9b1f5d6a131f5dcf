"""Programs that call the API with a service token."""

from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from apps.accounts.models import ServiceToken
from apps.accounts.rights.people_only import PEOPLE_ONLY
from apps.accounts.rights.service_principals import digest_of_token, new_service_token
from apps.common.db.scope import tenant_scope
from tests.kit.school import School


def make_service_token(school: School, rights: frozenset[str]) -> tuple[UUID, str]:
    """Create a service token with those of the rights that services can have; return its id and secret. This also
    works in a suspended school, where the API would refuse it.
    """
    secret = new_service_token()
    given = rights - {":".join(pair) for pair in PEOPLE_ONLY}
    now = timezone.now()
    with tenant_scope([school.organization]):
        token = ServiceToken.objects.create(
            organization_id=school.organization,
            name="Bells",
            scopes=sorted(given),
            digest=digest_of_token(secret),
            created_at=now,
            expires_at=now + timedelta(days=1),
        )
    return token.id, secret
