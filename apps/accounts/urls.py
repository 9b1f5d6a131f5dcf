"""URLs under /api/v1/."""

from django.urls import path, register_converter

from apps.accounts import openapi  # noqa: F401 (registers the authentication scheme with the OpenAPI generator)
from apps.accounts.identity.api import sessions
from apps.accounts.identity.api.auth import LoginView, LogoutView, RefreshView
from apps.accounts.identity.api.passwords import ForgotPasswordView, ResetPasswordView
from apps.accounts.identity.api.second_factors import (
    ConfirmationView,
    PasskeysView,
    PasskeyView,
    RecoveryCodesView,
    SecondFactorsView,
    SecondStepView,
    TotpView,
)
from apps.accounts.own_account.api.devices import DevicesView, DeviceView
from apps.accounts.own_account.api.me import (
    ExportView,
    MeView,
    OwnEmailView,
    OwnPasswordView,
    OwnPhoneView,
    VerifyEmailView,
    VerifyPhoneView,
)
from apps.accounts.people.api.day_accounts import DayAccountsView, DayAccountView, DaySignInView
from apps.accounts.people.api.invitations import InvitationsView, InvitationView, ResendInvitationView
from apps.accounts.people.api.people import PeopleView, PersonOrganizationsView, PersonOrganizationView, PersonView
from apps.accounts.people.api.registration import AcceptInvitationView, RegisterView
from apps.accounts.people.api.tables import export_table, import_table
from apps.accounts.rights.api import service_tokens
from apps.accounts.rights.api.platform import EndVisitView, PermissionsView, RolePermissionsView, VisitsView
from apps.accounts.single_sign_on.api.flow import AppCodeView, CallbackView, SignInPlacesView, StartView
from apps.accounts.single_sign_on.api.providers import (
    IdentityDomainsView,
    IdentityDomainView,
    IdentityProvidersView,
    IdentityProviderView,
)
from apps.common.concurrency import bounded_transfer
from apps.common.csv.endpoints import table_paths
from apps.common.http.endpoints import own_scope, public_endpoint


class DomainConverter:
    """A mail domain: letters, digits and hyphens between dots."""

    regex = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,63}"

    def to_python(self, value: str) -> str:
        """Return the domain in lower case, as it is stored."""
        return value.lower()

    def to_url(self, value: str) -> str:
        """Return the domain unchanged."""
        return value


register_converter(DomainConverter, "domain")

urlpatterns = [
    path("auth/login", public_endpoint(LoginView.as_view()), name="auth-login"),
    path("auth/login/second-factor", public_endpoint(SecondStepView.as_view()), name="auth-second-factor"),
    path("auth/oidc", public_endpoint(SignInPlacesView.as_view()), name="auth-oidc"),
    path("auth/oidc/token", public_endpoint(AppCodeView.as_view()), name="auth-oidc-token"),
    path("auth/oidc/<uuid:provider_id>/start", public_endpoint(StartView.as_view()), name="auth-oidc-start"),
    path("auth/oidc/<uuid:provider_id>/callback", public_endpoint(CallbackView.as_view()), name="auth-oidc-callback"),
    path("auth/refresh", public_endpoint(RefreshView.as_view()), name="auth-refresh"),
    path("auth/logout", public_endpoint(LogoutView.as_view()), name="auth-logout"),
    *table_paths(
        "people",
        importer=import_table,
        exporter=export_table,
        description="All lines or none. New people are invited; existing people get the role of their lines.",
    ),
    path("auth/register", public_endpoint(RegisterView.as_view())),
    path("auth/invitations/accept", AcceptInvitationView.as_view()),
    path("auth/password/forgot", public_endpoint(ForgotPasswordView.as_view())),
    path("auth/password/reset", public_endpoint(ResetPasswordView.as_view())),
    path("auth/email/verify", public_endpoint(VerifyEmailView.as_view())),
    path("me", MeView.as_view()),
    path("me/password", OwnPasswordView.as_view()),
    path("me/email", OwnEmailView.as_view()),
    path("me/phone", OwnPhoneView.as_view()),
    path("me/phone/verify", own_scope(VerifyPhoneView.as_view())),
    path("me/devices", DevicesView.as_view()),
    path("me/devices/<uuid:registration_id>", DeviceView.as_view()),
    path("me/export", bounded_transfer(ExportView.as_view())),
    path("me/confirmation", ConfirmationView.as_view(), name="me-confirmation"),
    path("me/mfa", SecondFactorsView.as_view(), name="me-mfa"),
    path("me/mfa/totp", TotpView.as_view(), name="me-mfa-totp"),
    path("me/mfa/passkeys", PasskeysView.as_view(), name="me-mfa-passkeys"),
    path("me/mfa/passkeys/<int:passkey_id>", PasskeyView.as_view(), name="me-mfa-passkey"),
    path("me/mfa/recovery-codes", RecoveryCodesView.as_view(), name="me-mfa-recovery-codes"),
    path("organizations/<uuid:organization_id>/identity-providers", IdentityProvidersView.as_view()),
    path("organizations/<uuid:organization_id>/identity-providers/<uuid:provider_id>", IdentityProviderView.as_view()),
    path("organizations/<uuid:organization_id>/identity-domains", IdentityDomainsView.as_view()),
    path("organizations/<uuid:organization_id>/identity-domains/<domain:domain>", IdentityDomainView.as_view()),
    path("auth/logout-all", sessions.LogoutAllView.as_view()),
    path("me/sessions", sessions.SessionsView.as_view()),
    path("me/sessions/<uuid:session_id>", sessions.SessionView.as_view()),
    path("organizations/<uuid:organization_id>/service-tokens", service_tokens.ServiceTokensView.as_view()),
    path(
        "organizations/<uuid:organization_id>/service-tokens/<uuid:token_id>",
        service_tokens.ServiceTokenView.as_view(),
    ),
    path("users", PeopleView.as_view()),
    path("users/<uuid:user_id>", PersonView.as_view()),
    path("users/<uuid:user_id>/organizations", PersonOrganizationsView.as_view()),
    path("users/<uuid:user_id>/organizations/<uuid:organization_id>", PersonOrganizationView.as_view()),
    path("organizations/<uuid:organization_id>/invitations", InvitationsView.as_view()),
    path("organizations/<uuid:organization_id>/invitations/<uuid:invitation_id>", InvitationView.as_view()),
    path(
        "organizations/<uuid:organization_id>/invitations/<uuid:invitation_id>/resend", ResendInvitationView.as_view()
    ),
    path("auth/day", public_endpoint(DaySignInView.as_view())),
    path("organizations/<uuid:organization_id>/day-accounts", DayAccountsView.as_view()),
    path("organizations/<uuid:organization_id>/day-accounts/<uuid:user_id>", DayAccountView.as_view()),
    path("organizations/<uuid:organization_id>/visits", VisitsView.as_view()),
    path("organizations/<uuid:organization_id>/visits/<uuid:visit_id>/end", EndVisitView.as_view()),
    path("permissions", PermissionsView.as_view()),
    path("permissions/<slug:role>", RolePermissionsView.as_view()),
]
