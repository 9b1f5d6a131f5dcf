"""OpenID Connect, the code flow with PKCE (OpenID Connect Core 1.0, RFC 7636), spoken by django-allauth.

Its provider, adapter and OAuth 2 client find the endpoints, build the request and exchange the code, over sessions of
ours (`outbound.py`). What they leave out is here: a nonce, the issuer's own signature under an ID token, the issuer as
it was registered. Its tables and its flow are not used: they know no organization, and link by e-mail.
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
from apps.common.encryption import unseal
from apps.common.text import email_address, single_line

SCOPES: Final = ("openid", "profile", "email")
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures with a private key of the issuer's; nothing that our client secret could make."""
KEY_TYPES: Final = frozenset({"RSA", "EC", "OKP"})
CLOCKS_APART: Final = 60
"""Seconds by which the issuer's clock may differ from ours: for every time that a token tells."""
LONGEST_SUBJECT: Final = 255
LONGEST_NAME: Final = 100
LONGEST_EMAIL: Final = 255
GOOGLE: Final = "https://accounts.google.com"
"""One issuer for everybody: who is of a school says its `hd`."""
SECRET: Final = "client_secret"  # noqa: S105 (the purpose of a seal)


class NotProved(Exception):
    """The provider was not reached, or what it says proves nothing; the message says why, for the log alone."""


class Adapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Where allauth asks us: how it reaches other hosts."""

    def get_requests_session(self) -> OutboundSession:
        """A session that goes only where it may."""
        return OutboundSession()


class Request(msgspec.Struct, frozen=True):
    """What a sign-in carries from its start to its end; bound to one browser, so that nobody ends another's."""

    state: str
    nonce: str
    verifier: str


class Asserted(msgspec.Struct, frozen=True):
    """What the provider has proved. `email` only where it vouches that the address is the person's."""

    subject: str
    email: str | None
    first_name: str | None
    last_name: str | None
    groups: frozenset[str] | None
    """None: the token does not say, which is not the same as none at all."""


class _Claims(msgspec.Struct, frozen=True):
    """Of an ID token what is read here (OpenID Connect Core 1.0, 2 and 5.1)."""

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
    """Microsoft's: the address is in a domain that the directory's owner has verified."""
    hd: str | None = None
    """Google's: the domain of the school whose account this is."""
    given_name: str | None = None
    family_name: str | None = None


class _Client(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """allauth's adapter for one of our providers, without a request or a row of allauth's."""

    def __init__(self, provider: IdentityProvider) -> None:
        super().__init__(None, str(provider.id))
        self.app = SocialApp(
            provider=OpenIDConnectProvider.id,
            provider_id=str(provider.id),
            name=provider.name,
            client_id=provider.client_id,
            secret=unseal(provider.sealed_secret, purpose=SECRET),
            settings={"server_url": provider.issuer.rstrip("/")},
        )
        if self.openid_config.get("issuer") != provider.issuer:
            raise NotProved("another issuer than the one that is registered")

    def get_provider(self) -> Any:
        return OpenIDConnectProvider(request=None, app=self.app)

    def get_callback_url(self, request: object, app: object) -> str:
        return f"{settings.BASE_URL}{reverse('auth-oidc-callback', args=[self.provider_id])}"


def begin(provider: IdentityProvider, *, state: str, nonce: str) -> tuple[str, Request]:
    """Where to send the browser, and what to keep until it comes back. Raises NotProved."""
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
        raise NotProved("its sign-in page has no web address")
    return address, Request(state=state, nonce=nonce, verifier=verifier)


def finish(provider: IdentityProvider, request: Request, *, code: str, now: datetime) -> Asserted:
    """Exchange the code, and check what the provider says. Raises NotProved."""
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
    """The claims of a token that the issuer signed for us; times and nonce are looked at afterwards."""
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
        raise NotProved("expired, or not yet")
    if not compare_digest(claims.nonce.encode(), request.nonce.encode()):
        raise NotProved("made for another sign-in")
    others = isinstance(claims.aud, list) and len(claims.aud) > 1
    if (others or claims.azp is not None) and claims.azp != provider.client_id:
        raise NotProved("made for another client")
    if not 0 < len(claims.sub) <= LONGEST_SUBJECT or "\x00" in claims.sub:
        raise NotProved("a subject that can not be kept")


def _proven_email(claims: _Claims, issuer: str) -> str | None:
    """The address, where the provider vouches for it: `email_verified`, or Microsoft's `xms_edov`."""
    email = _normal(email_address, claims.email) or ""
    domain = domain_of(email)
    vouched = claims.email_verified in (True, "true") or claims.xms_edov in (True, 1, "1", "true")
    if not vouched or domain is None or len(email) > LONGEST_EMAIL or not _is_address(email):
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
    """The mail domain of an address, in lower case; None where it has none."""
    local, at, domain = email.rpartition("@")
    return domain.casefold() if local and at and "@" not in local and "\x00" not in email and domain else None


def _groups(payload: Mapping[str, Any], claim: str | None) -> frozenset[str] | None:
    """The person's groups as the token lists them; None where it lists none of them.

    A provider leaves the claim out where the list would be too long, and says where it is to be had instead
    (OpenID Connect Core 1.0, 5.6.2: `_claim_names`; Microsoft above 200 groups), or where it is not configured to
    tell it. An empty list is a statement: the person is in no group.
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
    """A text as it is kept; None where there is none, or where it holds what no text of ours may."""
    try:
        return normalize(text or "") or None
    except ValueError:
        return None
