"""OpenID Connect: the code flow with PKCE (OpenID Connect Core 1.0, RFC 7636), with django-allauth.

allauth's provider, adapter and OAuth 2 client find the endpoints, build the request and exchange the code, with our
sessions (`outbound.py`). This module adds the missing checks: the nonce, the issuer's signature of the ID token, and
the registered issuer. allauth's tables and flow are not used: they have no organizations, and link by e-mail.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from hmac import compare_digest
from typing import Any, Final

import jwt
import msgspec
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.utils import generate_code_challenge
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.urls import reverse
from requests import RequestException

from apps.accounts.models import IdentityProvider
from apps.accounts.single_sign_on.outbound import OutboundSession
from apps.common.encryption import decrypt
from apps.common.text import email_address, single_line

SCOPES: Final = ("openid", "profile", "email")
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Asymmetric algorithms only: signatures that cannot be made with our client secret."""
KEY_TYPES: Final = frozenset({"RSA", "EC", "OKP"})
CLOCKS_APART: Final = 60
"""Seconds by which the issuer's clock may differ from ours, for all times in a token."""
LONGEST_SUBJECT: Final = 255
LONGEST_NAME: Final = 100
LONGEST_EMAIL: Final = 255
GOOGLE: Final = "https://accounts.google.com"
"""Google uses one issuer for all accounts; the `hd` claim names the school's domain."""
SECRET: Final = "client_secret"  # noqa: S105 (names the purpose of an encryption)


class NotProved(Exception):
    """The provider cannot be reached or its response is not valid; the message gives the reason, only for the log."""


class Adapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Adapter that sets allauth's HTTP session."""

    def get_requests_session(self) -> OutboundSession:
        """Return a session that only connects to allowed hosts."""
        return OutboundSession()


class Request(msgspec.Struct, frozen=True):
    """State of a sign-in from its start to its end; bound to one browser, so that no other browser can complete it."""

    state: str
    nonce: str
    verifier: str


class Asserted(msgspec.Struct, frozen=True):
    """Verified claims of the provider. `email` is set only if the provider verified the address."""

    subject: str
    email: str | None
    first_name: str | None
    last_name: str | None
    groups: frozenset[str] | None
    """None: the token does not include groups, which is different from an empty list."""


class _Claims(msgspec.Struct, frozen=True):
    """The claims of an ID token that are used (OpenID Connect Core 1.0, 2 and 5.1)."""

    sub: str
    exp: float
    iat: float
    aud: str | list[str]
    nonce: str
    nbf: float | None = None
    auth_time: float | None = None
    azp: str | None = None
    email: str | None = None
    email_verified: bool | str | None = None
    xms_edov: bool | int | str | None = None
    """Microsoft: the address is in a domain that the directory's owner has verified."""
    hd: str | None = None
    """Google: the domain of the school that owns the account."""
    given_name: str | None = None
    family_name: str | None = None


class _Client(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """allauth's adapter for one of our providers, without a request or a row in allauth's tables."""

    def __init__(self, provider: IdentityProvider) -> None:
        super().__init__(None, str(provider.id))
        self.app = SocialApp(
            provider=OpenIDConnectProvider.id,
            provider_id=str(provider.id),
            name=provider.name,
            client_id=provider.client_id,
            secret=decrypt(provider.sealed_secret, purpose=SECRET),
            settings={"server_url": provider.issuer.rstrip("/")},
        )
        if self.openid_config.get("issuer") != provider.issuer:
            raise NotProved("not the registered issuer")

    def get_provider(self) -> Any:
        return OpenIDConnectProvider(request=None, app=self.app)

    def get_callback_url(self, request: object, app: object) -> str:
        return f"{settings.BASE_URL}{reverse('auth-oidc-callback', args=[self.provider_id])}"


def begin(provider: IdentityProvider, *, state: str, nonce: str) -> tuple[str, Request]:
    """Return the URL for the browser, and the state to keep until it returns. Raises NotProved."""
    proof = generate_code_challenge()
    verifier: str = proof.pop("code_verifier")
    try:
        adapter = _Client(provider)
        client = adapter.get_client(None, adapter.app)
        client.state = state
        address: str = client.get_redirect_url(adapter.authorize_url, SCOPES, {**proof, "nonce": nonce})
    except (RequestException, OAuth2Error, KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotProved(str(error)) from error
    if not address.startswith(("https://", "http://")):
        raise NotProved("its authorization endpoint is not a web address")
    return address, Request(state=state, nonce=nonce, verifier=verifier)


def finish(provider: IdentityProvider, request: Request, *, code: str, now: datetime) -> Asserted:
    """Exchange the code and verify the provider's claims. Raises NotProved."""
    try:
        adapter = _Client(provider)
        answer = adapter.get_client(None, adapter.app).get_access_token(code, pkce_code_verifier=request.verifier)
        with OutboundSession() as session:
            response = session.get(adapter.openid_config["jwks_uri"])
            response.raise_for_status()
            keys = response.json()
        payload = _signed(answer["id_token"], keys, provider.issuer, provider.client_id)
        claims = msgspec.convert(payload, _Claims)
    except (RequestException, OAuth2Error, jwt.PyJWTError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotProved(type(error).__name__) from error
    _require_current(claims, provider, request, now)
    return Asserted(
        subject=claims.sub,
        email=_proven_email(claims, provider.issuer),
        first_name=_name(claims.given_name),
        last_name=_name(claims.family_name),
        groups=_groups(payload, provider.role_claim),
    )


def _signed(id_token: str, keys: Mapping[str, Any], issuer: str, client_id: str) -> dict[str, Any]:
    """Return the claims of a token that the issuer signed for us. Times and nonce are checked later."""
    header = jwt.get_unverified_header(id_token)
    usable = [key for key in jwt.PyJWKSet.from_dict(dict(keys)).keys if key.key_type in KEY_TYPES]
    named = [key for key in usable if key.key_id == header.get("kid")] if "kid" in header else usable
    if len(named) != 1:
        raise NotProved("signed with a key that the issuer does not publish")
    payload: dict[str, Any] = jwt.decode(
        id_token,
        named[0],
        algorithms=list(ALGORITHMS),
        issuer=issuer,
        audience=client_id,
        options={
            "require": ["exp", "iat", "iss", "aud", "sub"],
            "verify_exp": False,
            "verify_iat": False,
            "verify_nbf": False,
        },
    )
    return payload


def _require_current(claims: _Claims, provider: IdentityProvider, request: Request, now: datetime) -> None:
    seconds = now.timestamp()
    begun = [at for at in (claims.iat, claims.nbf, claims.auth_time) if at is not None]
    if not all(at - CLOCKS_APART <= seconds for at in begun) or not seconds < claims.exp + CLOCKS_APART:
        raise NotProved("expired, or not valid yet")
    if not compare_digest(claims.nonce.encode(), request.nonce.encode()):
        raise NotProved("issued for another sign-in")
    others = isinstance(claims.aud, list) and len(claims.aud) > 1
    if (others or claims.azp is not None) and claims.azp != provider.client_id:
        raise NotProved("issued for another client")
    if not 0 < len(claims.sub) <= LONGEST_SUBJECT or "\x00" in claims.sub:
        raise NotProved("a subject that cannot be stored")


def _proven_email(claims: _Claims, issuer: str) -> str | None:
    """Return the address if the provider verified it: `email_verified`, or Microsoft's `xms_edov`."""
    email = _normal(email_address, claims.email) or ""
    domain = domain_of(email)
    verified = claims.email_verified in (True, "true") or claims.xms_edov in (True, 1, "1", "true")
    if not verified or domain is None or len(email) > LONGEST_EMAIL or not _is_address(email):
        return None
    if (claims.hd is not None or issuer == GOOGLE) and (claims.hd or "").casefold() != domain:
        return None
    return email


def _is_address(email: str) -> bool:
    try:
        validate_email(email)
    except ValidationError:
        return False
    return True


def domain_of(email: str) -> str | None:
    """Return the mail domain of an address, in lower case; None if it has none."""
    local, at, domain = email.rpartition("@")
    return domain.casefold() if local and at and "@" not in local and "\x00" not in email and domain else None


def _groups(payload: Mapping[str, Any], claim: str | None) -> frozenset[str] | None:
    """Return the person's groups from the token; None if the token does not include them.

    A provider leaves the claim out if the list would be too long, and then names the place where it is available
    (OpenID Connect Core 1.0, 5.6.2: `_claim_names`; Microsoft above 200 groups), or if it is not configured to send
    it. An empty list means that the person is in no group.
    """
    value = payload.get(claim) if claim else None
    elsewhere = payload.get("_claim_names")
    if isinstance(elsewhere, Mapping) and claim in elsewhere:
        return None
    if isinstance(value, str):
        return frozenset({value})
    return frozenset(one for one in value if isinstance(one, str)) if isinstance(value, list) else None


def _name(name: str | None) -> str | None:
    normal = _normal(single_line, name)
    return normal[:LONGEST_NAME].strip() if normal else None


def _normal(normalize: Callable[[str], str], text: str | None) -> str | None:
    """Return a text as it is stored; None if there is none or it contains characters that are not allowed."""
    try:
        return normalize(text or "") or None
    except ValueError:
        return None
