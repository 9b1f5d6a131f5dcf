"""Single sign-on: whose word is believed of whom."""

from django.db import models
from django.db.models.functions import Now

from apps.accounts.models.membership import Role
from apps.accounts.models.user import User
from apps.common.db.ids import new_id
from apps.common.db.scope import TenantManager
from apps.tenancy.models import OwnedByOrganization


class IdentityProvider(OwnedByOrganization):
    """Where people of an organization sign in instead: an OpenID Connect issuer, as the organization registered there.

    What it says is believed of this organization alone.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    name = models.CharField(max_length=100)
    issuer = models.CharField(max_length=255)
    client_id = models.CharField(max_length=255)
    sealed_secret = models.TextField()
    role_claim = models.CharField(max_length=100, null=True)
    """The claim that lists groups or roles; None: it says nothing of roles."""
    role_map = models.JSONField(default=dict)
    """From a value of that claim to a role."""
    default_role = models.CharField(max_length=50, choices=Role.choices, null=True)
    """Of who has no mapped group; None: such a person is not let in where roles are mapped, nor is a newcomer."""
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    objects = TenantManager["IdentityProvider"]()

    class Meta:
        db_table = "identity_providers"
        constraints = [
            models.UniqueConstraint(fields=["organization", "issuer"], name="identity_providers_organization_issuer")
        ]


class IdentityDomain(OwnedByOrganization):
    """A mail domain that is the organization's, as an operator of the platform has verified.

    Only for addresses in it does a provider's word link a sign-in with an account.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    domain = models.CharField(max_length=253)
    verified_at = models.DateTimeField()
    verified_by = models.UUIDField()

    objects = TenantManager["IdentityDomain"]()

    class Meta:
        db_table = "identity_domains"
        constraints = [
            models.UniqueConstraint(fields=["organization", "domain"], name="identity_domains_organization_domain")
        ]


class ExternalIdentity(OwnedByOrganization):
    """Whom (issuer, subject) names in this organization. It outlives the membership, so that nobody who was dismissed
    comes back as a newcomer.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    provider = models.ForeignKey(IdentityProvider, models.DO_NOTHING, db_constraint=False)
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    user = models.ForeignKey(User, models.DO_NOTHING, db_constraint=False, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    last_used_at = models.DateTimeField(null=True)

    objects = TenantManager["ExternalIdentity"]()

    class Meta:
        db_table = "external_identities"
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "issuer", "subject"], name="external_identities_issuer_subject"
            )
        ]
