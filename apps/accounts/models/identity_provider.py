"""Single sign-on: identity providers, verified mail domains and linked identities."""

from django.db import models
from django.db.models.functions import Now

from apps.accounts.models.membership import Role
from apps.accounts.models.user import User
from apps.common.db.ids import new_id
from apps.common.db.scope import TenantManager
from apps.tenancy.models import OwnedByOrganization


class IdentityProvider(OwnedByOrganization):
    """An OpenID Connect issuer where people of an organization sign in, and the organization's registration there.

    It is trusted for this organization only.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    name = models.CharField(max_length=100)
    issuer = models.CharField(max_length=255)
    client_id = models.CharField(max_length=255)
    sealed_secret = models.TextField()
    role_claim = models.CharField(max_length=100, null=True)
    """The claim that lists groups or roles; None: the provider does not assign roles."""
    role_map = models.JSONField(default=dict)
    """Maps values of that claim to roles."""
    default_role = models.CharField(max_length=50, choices=Role.choices, null=True)
    """Role of people without a mapped group. None: they cannot sign in if roles are mapped, nor can newcomers."""
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
    """A mail domain of the organization, verified by a platform operator.

    A provider can link a sign-in to an account only for addresses in such a domain.
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
    """The person that (issuer, subject) identifies in this organization. It outlives the membership, so that a removed
    person cannot come back as a newcomer.
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
