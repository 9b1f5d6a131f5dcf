"""Loading of P-256 keys from PEM files: every key of the cloud is on this curve (ES256, RFC 7518, 3.4)."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key


def load_private_key(file: Path) -> EllipticCurvePrivateKey:
    """Read an unencrypted private key. Raises OSError, and ValueError for anything but a P-256 key."""
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except (ValueError, TypeError) as error:  # TypeError: it is encrypted
        raise ValueError(f"{file}: {error}") from error
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError(f"{file} is not a P-256 private key")
    return key


def load_public_key(file: Path) -> EllipticCurvePublicKey:
    """Read a public key. Raises OSError, and ValueError for anything but a P-256 key."""
    try:
        key = load_pem_public_key(file.read_bytes())
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError(f"{file} is not a P-256 public key")
    return key
