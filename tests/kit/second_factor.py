"""People with a second factor: codes of an authenticator app, and a passkey in software."""

import json
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from django.test import Client
from django.utils import timezone
from fido2 import cbor

from apps.accounts.identity.sign_in import services as sign_in
from tests.kit.callers import send
from tests.kit.people import PASSWORD, Person

JSON = "application/json"
USER_PRESENT, USER_VERIFIED, HAS_CREDENTIAL = 0x01, 0x04, 0x40


def code(secret: str, *, steps: int = 0, at: datetime | None = None) -> str:
    """The code in the authenticator app, `steps` of 30 s from now."""
    now = int((at or timezone.now()).timestamp())
    value: str = format_hotp_value(hotp_value(secret, now // 30 + steps))
    return value


class Api:
    """The API as called by one person, without another sign-in."""

    def __init__(self, person: Person, address: str, token: str = "") -> None:
        self.client = Client(REMOTE_ADDR=address)
        self.person = person
        self.token = token or sign_in.begin(user=person.user, now=timezone.now()).access

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        return send(self.client, method, path, body, authorization=f"Bearer {self.token}", **headers)

    def confirmed(self, method: str, path: str, body: object = None) -> Any:
        """Call the API after confirming the password."""
        answer = self.ask("POST", "me/confirmation", {"password": PASSWORD})
        assert answer.status_code == 200, answer.content
        return self.ask(method, path, body, **{"x-confirmation": answer.json()["confirmation"]})

    def set_up_totp(self) -> tuple[str, list[str]]:
        """Set up an app with the code of the previous step; return its secret and the recovery codes."""
        begun = self.confirmed("POST", "me/mfa/totp").json()
        done = self.ask(
            "PUT", "me/mfa/totp", {"enrolment": begun["enrolment"], "code": code(begun["secret"], steps=-1)}
        )
        assert done.status_code == 200, done.content
        return begun["secret"], done.json()["recovery_codes"]

    def set_up_passkey(self, passkey: "Passkey", name: str = "Phone") -> Any:
        begun = self.confirmed("POST", "me/mfa/passkeys").json()
        body = {"enrolment": begun["enrolment"], "name": name, "credential": passkey.created(begun["options"])}
        return self.ask("PUT", "me/mfa/passkeys", body)


@dataclass
class Passkey:
    """An authenticator in software (WebAuthn level 2, 6): one key for one site, with a counter."""

    origin: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    counter: int = 0

    def created(self, options: dict[str, Any]) -> dict[str, Any]:
        """`navigator.credentials.create(options)`, as JSON; attestation `none`."""
        point = self.key.public_key().public_numbers()
        x, y = (number.to_bytes(32, "big") for number in (point.x, point.y))
        public_key = cbor.encode({1: 2, 3: -7, -1: 1, -2: x, -3: y})  # RFC 9053, 7.1: EC2, ES256, P-256
        credential = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + public_key
        data = self._authenticator_data(options["rp"]["id"], HAS_CREDENTIAL) + credential
        attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        client_data = self._client_data("webauthn.create", options["challenge"])
        return self._credential(clientDataJSON=client_data, attestationObject=attestation)

    def signed(self, options: dict[str, Any]) -> dict[str, Any]:
        """`navigator.credentials.get(options)`, as JSON."""
        self.counter += 1
        data = self._authenticator_data(options["rpId"], 0)
        client_data = self._client_data("webauthn.get", options["challenge"])
        signature = self.key.sign(data + sha256(client_data).digest(), ec.ECDSA(SHA256()))
        return self._credential(clientDataJSON=client_data, authenticatorData=data, signature=signature)

    def _authenticator_data(self, site: str, flags: int) -> bytes:
        flags |= USER_PRESENT | USER_VERIFIED
        return sha256(site.encode()).digest() + bytes([flags]) + self.counter.to_bytes(4, "big")

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _credential(self, **response: bytes) -> dict[str, Any]:
        return {
            "id": encoded(self.id),
            "rawId": encoded(self.id),
            "type": "public-key",
            "clientExtensionResults": {},
            "response": {name: encoded(value) for name, value in response.items()},
        }


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
