"""People and what they may do where. Columns are the requirement's ("User Management")."""

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower, Now
from guardian.managers import UserObjectPermissionManager
from guardian.models import UserObjectPermissionBase

from apps.common.db.ids import new_id
from apps.common.db.scope import TenantManager
from apps.tenancy.models import Building, OwnedByOrganization, Site


class UserStatus(models.TextChoices):
    """Only an active person can sign in."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETED = "deleted"


class Role(models.TextChoices):
    """Roles of a membership, from most to least. A super admin is a flag on the user, never a membership."""

    ADMIN = "admin"
    MANAGER = "manager"
    OPERATOR = "operator"
    VIEWER = "viewer"


class User(AbstractBaseUser):
    """A person, in no organization by themselves: memberships say where they belong."""

    id = models.UUIDField(primary_key=True, default=new_id)
    email = models.EmailField(max_length=255, unique=True)
    phone = models.CharField(max_length=20, null=True)
    password = models.CharField(max_length=255, db_column="password_hash", null=True)  # type: ignore[assignment]
    first_name = models.CharField(max_length=100, null=True)
    last_name = models.CharField(max_length=100, null=True)
    status = models.CharField(max_length=20, choices=UserStatus.choices, default=UserStatus.ACTIVE, db_default="active")
    email_verified = models.BooleanField(default=False, db_default=False)
    phone_verified = models.BooleanField(default=False, db_default=False)
    is_super_admin = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    last_login = models.DateTimeField(db_column="last_login_at", null=True)
    locale = models.CharField(max_length=35, null=True)
    """A BCP 47 tag, as the person chose it; None: that of their organization."""

    USERNAME_FIELD = "email"
    objects = BaseUserManager["User"]()

    class Meta:
        db_table = "users"
        verbose_name, verbose_name_plural = "person", "people"

    @property
    def is_active(self) -> bool:  # type: ignore[override]
        """Whether this person may sign in."""
        return self.status == UserStatus.ACTIVE

    @property
    def has_password(self) -> bool:
        """Whether this person can sign in by one."""
        return bool(self.password) and self.has_usable_password()

    @property
    def full_name(self) -> str:
        """The name that colleagues see; the e-mail address where none was given."""
        return " ".join(part for part in (self.first_name, self.last_name) if part) or self.email


class MembershipScope(models.TextChoices):
    """Where the role holds: everywhere in the organization, or only at granted places."""

    ORGANIZATION = "organization"
    PLACES = "places"


class Membership(OwnedByOrganization):
    """One role of one person in one organization."""

    pk = models.CompositePrimaryKey("user_id", "organization_id")
    user = models.ForeignKey(User, models.DO_NOTHING, db_constraint=False, related_name="memberships")
    role = models.CharField(max_length=50, choices=Role.choices)
    scope = models.CharField(
        max_length=20, choices=MembershipScope.choices, default=MembershipScope.ORGANIZATION, db_default="organization"
    )
    created_at = models.DateTimeField(db_default=Now())
    name = models.CharField(max_length=201, default="", db_default="")
    """How this organization shows the person: their own name at first, then the organization's to change."""
    name_key = models.CharField(max_length=402, default="", db_default="", db_collation="C")
    """`name` folded (`apps.accounts.names`): what lists are ordered and searched by."""
    title = models.CharField(max_length=100, null=True)
    """What the person is there: "School nurse"."""
    trigger_only = models.BooleanField(default=False, db_default=False)
    """A day account: of its role it holds the right to raise an alarm and to see its own, nothing else."""
    expires_at = models.DateTimeField(null=True)
    """From here on it gives no right any more."""

    objects = TenantManager["Membership"]()

    class Meta:
        db_table = "user_organizations"
        indexes = [
            models.Index(name="idx_user_org", fields=["organization"]),
            models.Index(name="idx_user_org_name", fields=["organization", "name_key", "user"]),
        ]
        constraints = [
            models.CheckConstraint(
                name="user_organizations_day_account",
                condition=models.Q(trigger_only=False) | models.Q(role="operator", expires_at__isnull=False),
            )
        ]


class Invitation(OwnedByOrganization):
    """A role in an organization, offered to whoever reads the mail of an address.

    Its link carries a secret, of which only the SHA-256 digest is kept, and none until the mail is made.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    email = models.EmailField(max_length=255)
    role = models.CharField(max_length=50, choices=Role.choices)
    scope = models.CharField(max_length=20, choices=MembershipScope.choices, default=MembershipScope.ORGANIZATION)
    site_ids = ArrayField(models.UUIDField(), default=list)
    building_ids = ArrayField(models.UUIDField(), default=list)
    invited_by = models.UUIDField(null=True)
    """None: nobody in particular, where an organization is open to registration."""
    digest = models.BinaryField(max_length=32, null=True, unique=True)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects = TenantManager["Invitation"]()

    class Meta:
        db_table = "invitations"
        constraints = [
            models.UniqueConstraint(
                "organization",
                Lower("email"),
                name="invitations_open_email",
                condition=models.Q(accepted_at__isnull=True, revoked_at__isnull=True),
            )
        ]


class ProofPurpose(models.TextChoices):
    """What a sent secret proves, and so allows."""

    EMAIL = "email"
    PHONE = "phone"
    PASSWORD = "password"  # noqa: S105 (the name of a purpose)
    SIGN_IN = "sign_in"
    APP = "app"


class Proof(models.Model):
    """A secret that was sent to `value` (an address or a number), good once: who knows it reads what arrives there.

    Kept as a digest, and without one until the message is made.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    user = models.ForeignKey(User, models.CASCADE)
    purpose = models.CharField(max_length=20, choices=ProofPurpose.choices)
    value = models.CharField(max_length=255, null=True)
    digest = models.BinaryField(max_length=32, null=True, unique=True)
    attempts = models.SmallIntegerField(default=0, db_default=0)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "proofs"
        indexes = [models.Index(name="proofs_user_purpose", fields=["user", "purpose"])]


class SignInChallenge(models.Model):
    """A sign-in whose password was right and whose second factor is still to come: good once, for a few minutes."""

    id = models.UUIDField(primary_key=True, default=new_id)
    user = models.ForeignKey(User, models.CASCADE)
    digest = models.BinaryField(max_length=32, unique=True)
    passkey_state = models.JSONField(null=True)
    """What python-fido2 checks a passkey's answer against; None: the person has no passkey."""
    attempts = models.SmallIntegerField(default=0, db_default=0)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "sign_in_challenges"
        indexes = [models.Index(name="sign_in_challenges_user", fields=["user", "created_at"])]


class Platform(models.TextChoices):
    """What a push registration is sent through."""

    IOS = "ios"
    ANDROID = "android"
    WEB = "web"


class PushRegistration(models.Model):
    """A phone or browser that is told of alerts; its token belongs to whoever registered it last.

    One person may have it registered for their account and for schools whose sign-in they use, one row each: whoever
    sends to it sends once to a token.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    user = models.ForeignKey(User, models.CASCADE)
    token = models.CharField(max_length=1024)
    platform = models.CharField(max_length=10, choices=Platform.choices)
    app_version = models.CharField(max_length=50)
    created_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField()
    only_organization = models.UUIDField(null=True)
    """Whose alerts alone are told there, because that organization's identity provider vouched for the person."""

    class Meta:
        db_table = "push_registrations"
        constraints = [
            models.UniqueConstraint(
                fields=["token", "only_organization"],
                name="push_registrations_token_organization",
                nulls_distinct=False,
            )
        ]


class PlaceGrantManager(TenantManager[models.Model], UserObjectPermissionManager):
    """django-guardian's manager, within the scope."""


class PlaceGrant(OwnedByOrganization, UserObjectPermissionBase):
    """A place where the role of a membership of scope `places` holds: a permission `as_<role>` on it.

    Written together with the membership (`services.memberships.grant_places`), and always as its role. It goes with its
    place, and with the membership (foreign keys in the migration).
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    user = models.ForeignKey(User, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    objects = PlaceGrantManager()  # type: ignore[misc]

    class Meta:
        abstract = True


class SiteGrant(PlaceGrant):
    """Holds at a site and at each building of it, those included that are added later."""

    content_object = models.ForeignKey(Site, models.DO_NOTHING, db_constraint=False, db_column="site_id")

    class Meta:
        db_table = "site_grants"
        constraints = [models.UniqueConstraint(fields=["user", "content_object"], name="site_grants_user_site")]


class BuildingGrant(PlaceGrant):
    """Holds at one building."""

    content_object = models.ForeignKey(Building, models.DO_NOTHING, db_constraint=False, db_column="building_id")

    class Meta:
        db_table = "building_grants"
        constraints = [models.UniqueConstraint(fields=["user", "content_object"], name="building_grants_user_building")]


class Visit(OwnedByOrganization):
    """A super admin's look into an organization: with a reason and an end, for its admins to see."""

    id = models.UUIDField(primary_key=True, default=new_id)
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    reason = models.CharField(max_length=500)
    started_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    """Set where it was ended before `ends_at`."""
    ended_by = models.UUIDField(null=True)

    objects = TenantManager["Visit"]()

    class Meta:
        db_table = "platform_visits"


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


class Permission(models.Model):
    """What a role may: data, seeded from `contracts/permissions.json`."""

    id = models.UUIDField(primary_key=True, default=new_id)
    role = models.CharField(max_length=50)
    resource = models.CharField(max_length=100)
    action = models.CharField(max_length=50)

    class Meta:
        db_table = "permissions"
        constraints = [
            models.UniqueConstraint(fields=["role", "resource", "action"], name="permissions_role_resource_action")
        ]


class SignInKind(models.TextChoices):
    """What a sign-in is carried on by: tokens of an app or a script, or the session cookie of a browser."""

    APP = "app"
    BROWSER = "browser"


class SignIn(models.Model):
    """A person who has shown who they are, on one device. It ends by being deleted, and opens no door from then on.

    Access tokens carry its id as `sid`, a browser's session does too: each door asks whether it is still there.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    user = models.ForeignKey(User, models.CASCADE)
    kind = models.CharField(max_length=10, choices=SignInKind.choices)
    device = models.CharField(max_length=100)
    """For its owner to recognize it by: "Firefox on Windows"."""
    address = models.GenericIPAddressField(null=True)
    """Where it was last used from; goes with the sign-in."""
    only_organization = models.UUIDField(null=True)
    """Where alone it gives rights, because that organization's identity provider vouched for it."""
    created_at = models.DateTimeField()
    used_at = models.DateTimeField()
    """To within ten minutes."""
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "sign_ins"
        indexes = [models.Index(name="sign_ins_expires", fields=["expires_at"])]


class RefreshToken(models.Model):
    """A refresh token that was given out, kept as a digest; a family is one sign-in."""

    id = models.UUIDField(primary_key=True, default=new_id)
    family = models.ForeignKey(SignIn, models.CASCADE, db_column="family")
    user = models.ForeignKey(User, models.CASCADE)
    digest = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "refresh_tokens"
        indexes = [models.Index(name="refresh_tokens_expires", fields=["expires_at"])]


class ServiceToken(OwnedByOrganization):
    """A key of another system of the organization, kept as a digest: a caller of its own, never a person."""

    id = models.UUIDField(primary_key=True, default=new_id)
    name = models.CharField(max_length=100)
    scopes = ArrayField(models.CharField(max_length=151))
    """`resource:action` of the permissions table. It holds of them what an admin of the organization still may."""
    digest = models.BinaryField(max_length=32, unique=True)
    created_by = models.UUIDField(null=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    """To within two minutes."""

    objects = TenantManager["ServiceToken"]()

    class Meta:
        db_table = "service_tokens"
        indexes = [models.Index(name="service_tokens_organization", fields=["organization", "created_at", "id"])]
