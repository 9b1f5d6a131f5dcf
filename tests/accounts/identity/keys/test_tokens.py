"""Access tokens that are accepted, and those that are refused."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from rest_framework_simplejwt.exceptions import TokenError

from apps.accounts.identity.keys import tokens
from apps.accounts.identity.keys.key_ring import key_ring
from apps.accounts.identity.keys.signing_keys import base64url
from apps.common.access import PrincipalKind
from apps.common.db.ids import new_id

NOW = datetime(2026, 9, 1, 8, 15, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
SUBJECT = new_id()
SCHOOL = new_id()
SIGN_IN = new_id()
OF_A_PERSON = {
    "sid": str(SIGN_IN),
    "email": "tess@example.edu",
    "organizations": [{"id": str(SCHOOL), "role": "operator"}],
}


def mint(**claims: object) -> str:
    return tokens.mint(
        kind=PrincipalKind.PERSON, subject=SUBJECT, claims={**OF_A_PERSON, **claims}, lifetime=QUARTER, now=NOW
    )


def forge(
    *, key: object = None, algorithm: str = "ES256", headers: dict[str, object] | None = None, **changes: object
) -> str:
    """A valid token except for the given changes; claims set to None are left out."""
    own = key_ring().signing(NOW)
    payload: dict[str, Any] = {
        "iss": settings.BASE_URL,
        "aud": "safesignal",
        "sub": str(SUBJECT),
        "kind": "person",
        "jti": str(new_id()),
        "iat": int(NOW.timestamp()),
        "exp": int((NOW + QUARTER).timestamp()),
        **OF_A_PERSON,
        **changes,
    }
    payload = {name: value for name, value in payload.items() if value is not None}
    header: dict[str, Any] = {"typ": "at+jwt", "kid": own.kid, **(headers or {})}
    signing: Any = own.private if key is None else key
    return jwt.encode(payload, signing, algorithm=algorithm, headers=header)


def test_token_contains_subject_organizations_and_expiry() -> None:
    claims = tokens.verify(mint(), now=NOW)
    assert claims.sub == SUBJECT
    assert claims.kind is PrincipalKind.PERSON
    assert claims.sid == SIGN_IN
    assert claims.email == "tess@example.edu"
    assert [(each.id, each.role) for each in claims.organizations or ()] == [(SCHOOL, "operator")]
    assert (claims.iat, claims.exp) == (int(NOW.timestamp()), int((NOW + QUARTER).timestamp()))
    assert isinstance(claims.jti, UUID)


def test_forged_token_without_changes_is_valid() -> None:
    assert tokens.verify(forge(), now=NOW).sub == SUBJECT


def test_changing_a_parsed_token_does_not_affect_later_verification() -> None:
    token = mint()
    tokens.PrincipalToken(token, now=NOW)["sub"] = str(new_id())
    assert tokens.verify(token, now=NOW).sub == SUBJECT


def test_kid_is_the_rfc_7638_thumbprint() -> None:
    key = key_ring().signing(NOW)
    point = key.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    x, y = (base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (point[1:33], point[33:]))
    jwk = json.dumps({"crv": "P-256", "kty": "EC", "x": x, "y": y}, separators=(",", ":")).encode()
    header = jwt.get_unverified_header(mint())
    assert header["kid"] == base64.urlsafe_b64encode(hashlib.sha256(jwk).digest()).rstrip(b"=").decode()
    assert (header["typ"], header["alg"]) == ("at+jwt", "ES256")


@pytest.mark.parametrize("later", [QUARTER, QUARTER + timedelta(seconds=1), timedelta(days=400)])
def test_expired_token_is_refused_after_an_earlier_verification(later: timedelta) -> None:
    token = mint()
    tokens.verify(token, now=NOW + QUARTER - timedelta(seconds=1))
    with pytest.raises(TokenError, match="expired"):
        tokens.verify(token, now=NOW + later)


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "kind", "jti", "iat", "exp", "sid", "email", "organizations"])
def test_every_claim_is_required(claim: str) -> None:
    without: dict[str, Any] = {claim: None}
    with pytest.raises(TokenError):
        tokens.verify(forge(**without), now=NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://staging.example"},
        {"aud": "another"},
        {"aud": ["safesignal", "another"]},
        {"kind": "responder"},
        {"sub": "not-a-uuid"},
        {"exp": "tomorrow"},
        {"exp": 1e300},
        {"organizations": [{"id": "x", "role": "admin"}]},
        {"headers": {"typ": "JWT"}},
        {"headers": {"typ": "ss-config+jwt"}},
        {"headers": {"kid": "another"}},
        pytest.param({"key": ec.generate_private_key(ec.SECP256R1())}, id="another key"),
    ],
    ids=str,
)
def test_foreign_token_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(TokenError):
        tokens.verify(forge(**changes), now=NOW)


def test_token_without_signature_is_refused() -> None:
    with pytest.raises(TokenError):
        tokens.verify(forge(key="", algorithm="none"), now=NOW)
    head, body, _ = mint().split(".")
    with pytest.raises(TokenError):
        tokens.verify(f"{head}.{body}.", now=NOW)


def test_public_key_is_not_accepted_as_hmac_secret() -> None:
    """The classic algorithm confusion: HS256 with the text of the public key as the secret."""
    own = key_ring().signing(NOW)
    secret = own.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    body = mint().split(".")[1]
    head = base64url(json.dumps({"alg": "HS256", "typ": "at+jwt", "kid": own.kid}).encode())
    signature = base64url(hmac.digest(secret, f"{head}.{body}".encode(), "sha256"))
    with pytest.raises(TokenError):
        tokens.verify(f"{head}.{body}.{signature}", now=NOW)


def test_changed_claim_breaks_the_signature() -> None:
    head, body, signature = mint().split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["sub"] = str(new_id())
    with pytest.raises(TokenError):
        tokens.verify(f"{head}.{base64url(json.dumps(claims).encode())}.{signature}", now=NOW)


@pytest.mark.parametrize(
    "garbage",
    ["", ".", "..", "a.b.c", "\x00", "é" * 40, "x" * 9000, base64url(b"[" * 5000) + ".e30.AA"],
    ids=["empty", "dot", "dots", "letters", "nul", "accents", "long", "nested"],
)
def test_garbage_is_refused_without_error(garbage: str) -> None:
    with pytest.raises(TokenError):
        tokens.verify(garbage, now=NOW)


def test_gateway_token_is_refused_as_token_of_a_person() -> None:
    token = tokens.mint(kind=PrincipalKind.GATEWAY, subject=SUBJECT, claims={}, lifetime=QUARTER, now=NOW)
    assert tokens.verify(token, now=NOW).kind is PrincipalKind.GATEWAY
    with pytest.raises(TokenError, match="gateway"):
        tokens.verify(token, kind=PrincipalKind.PERSON, now=NOW)


def test_token_is_refused_in_another_environment_with_the_same_key(monkeypatch: pytest.MonkeyPatch) -> None:
    token = mint()
    tokens.verify(token, now=NOW)
    monkeypatch.setattr(settings, "BASE_URL", "https://another.example")
    with pytest.raises(TokenError):
        tokens.verify(token, now=NOW)
