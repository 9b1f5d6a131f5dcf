"""People and their permissions. Column names follow the requirements ("User Management")."""

from apps.accounts.models.identity_provider import ExternalIdentity, IdentityDomain, IdentityProvider
from apps.accounts.models.membership import Invitation, Membership, MembershipScope, Role
from apps.accounts.models.proof import Proof, ProofPurpose
from apps.accounts.models.push import Platform, PushRegistration
from apps.accounts.models.rights import (
    BuildingGrant,
    Permission,
    PlaceGrant,
    PlaceGrantManager,
    ServiceToken,
    SiteGrant,
    Visit,
)
from apps.accounts.models.sign_in import RefreshToken, SignIn, SignInChallenge, SignInKind
from apps.accounts.models.user import User, UserStatus

__all__ = [
    "BuildingGrant",
    "ExternalIdentity",
    "IdentityDomain",
    "IdentityProvider",
    "Invitation",
    "Membership",
    "MembershipScope",
    "Permission",
    "PlaceGrant",
    "PlaceGrantManager",
    "Platform",
    "Proof",
    "ProofPurpose",
    "PushRegistration",
    "RefreshToken",
    "Role",
    "ServiceToken",
    "SignIn",
    "SignInChallenge",
    "SignInKind",
    "SiteGrant",
    "User",
    "UserStatus",
    "Visit",
]
