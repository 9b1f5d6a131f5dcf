"""Secrets of this machine, made once at random and kept in the state folder with mode 0600."""

import secrets
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from devstack.paths import Layout, write_private


def _password() -> str:
    return secrets.token_urlsafe(48)


class Credentials(msgspec.Struct, frozen=True):
    """Passwords and the like; the key pairs lie beside it as PEM."""

    superuser_password: str = msgspec.field(default_factory=_password)
    owner_password: str = msgspec.field(default_factory=_password)
    app_password: str = msgspec.field(default_factory=_password)
    system_password: str = msgspec.field(default_factory=_password)
    valkey_password: str = msgspec.field(default_factory=_password)
    secret_key: str = msgspec.field(default_factory=_password)


# One key pair for each purpose: stealing one must not open the others.
TOKEN_KEYS = "tokens"  # noqa: S105  (the name of a folder)
"""A folder, of which each file is named for the moment from which its key signs."""
CONFIGURATION_KEY = "configuration.pem"
AUDIT_KEY = "audit.pem"
CONFIGURATION_PUBLIC_KEY = "configuration.public.pem"
GATEWAY_KEY = "gateway.pem"
GATEWAY_PUBLIC_KEY = "gateway.public.pem"


def credentials(place: Layout) -> Credentials:
    """The secrets of this state folder, made at the first call."""
    path = place.keys / "credentials.json"
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Credentials)
    except FileNotFoundError:
        found = Credentials()
        write_private(path, msgspec.json.encode(found))
    return found


def make_key_pairs(place: Layout) -> None:
    """Token, audit, configuration and gateway keys (P-256), where missing, each with its public half."""
    tokens = place.keys / TOKEN_KEYS
    tokens.mkdir(mode=0o700, exist_ok=True)
    if not any(tokens.iterdir()):
        write_private(tokens / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.pem", new_key())
    for private, public in (
        (AUDIT_KEY, None),
        (CONFIGURATION_KEY, CONFIGURATION_PUBLIC_KEY),
        (GATEWAY_KEY, GATEWAY_PUBLIC_KEY),
    ):
        path = place.keys / private
        if not path.exists():
            write_private(path, new_key())
        if public is not None and not (place.keys / public).exists():
            write_private(place.keys / public, public_half(path))


def new_key() -> bytes:
    """A P-256 private key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_half(private: Path) -> bytes:
    """The public key of a private key's file, as PEM."""
    key = load_pem_private_key(private.read_bytes(), password=None)
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
