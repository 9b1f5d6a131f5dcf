"""ES256 signing keys (RFC 7518, 3.4) and their key ids."""

from base64 import urlsafe_b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from msgspec import Meta

from apps.common.keys import load_private_key

ALGORITHM: Final = "ES256"


class Jwk(msgspec.Struct, frozen=True):
    """A public key (RFC 7517, 4; RFC 7518, 6.2.1)."""

    kid: Annotated[str, Meta(description="Its RFC 7638 thumbprint.")]
    x: str
    y: str
    kty: str = "EC"
    crv: str = "P-256"
    use: str = "sig"
    alg: str = ALGORITHM


class SigningKey(msgspec.Struct, frozen=True):
    """A signing key, and the key id in the header of its tokens."""

    private: EllipticCurvePrivateKey
    kid: str

    @property
    def jwk(self) -> Jwk:
        """Return the public key."""
        x, y = _point(self.private)
        return Jwk(kid=self.kid, x=x, y=y)


@cache
def signing_key(file: Path) -> SigningKey:
    """Return the P-256 key of this PEM file, which is read once. Raises OSError, ValueError."""
    return load(file)


def load(file: Path) -> SigningKey:
    """Read the P-256 key of this PEM file now. Raises OSError, and ValueError for any other key."""
    private = load_private_key(file)
    return SigningKey(private=private, kid=thumbprint(private))


def thumbprint(private: EllipticCurvePrivateKey) -> str:
    """Return the JWK thumbprint of the public key (RFC 7638): SHA-256 over its required members in fixed order."""
    x, y = _point(private)
    return base64url(sha256(f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'.encode()).digest())


def base64url(data: bytes) -> str:
    """Encode as base64url without padding (RFC 7515, 2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _point(private: EllipticCurvePrivateKey) -> tuple[str, str]:
    numbers = private.public_key().public_numbers()
    x, y = (base64url(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return x, y
