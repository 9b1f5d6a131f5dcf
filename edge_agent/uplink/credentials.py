"""Authentication of the gateway: OAuth client_credentials with private_key_jwt (RFC 7523, ES256)."""

import asyncio
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

import httpx
import jwt
import msgspec

from edge_agent import times
from edge_agent.messages.cloud import Token
from edge_agent.settings import Settings

TOKEN_PATH = "/api/v1/oauth/token"  # noqa: S105
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 60
CLOCK_MOVED = timedelta(seconds=ASSERTION_SECONDS / 2)
"""A clock step during a request that a slow response does not explain."""
RENEW_AT = 0.8
"""Fraction of a token's lifetime after which it is renewed."""

_decoder = msgspec.json.Decoder(Token)


class CredentialsRefusedError(Exception):
    """The cloud rejects this gateway's key: an early retry cannot help."""


class Credentials:
    """One access token for all connections to the cloud, renewed before it expires."""

    def __init__(
        self, settings: Settings, http: httpx.AsyncClient, *, clock: Callable[[], datetime] = times.now
    ) -> None:
        self._settings, self._http, self._clock = settings, http, clock
        self._lock = asyncio.Lock()
        self._token = ""
        self._renew_at = 0.0

    async def token(self) -> str:
        """Return a valid token; raise httpx.HTTPError without a cloud, CredentialsRefusedError if it rejects the
        key."""
        async with self._lock:
            if not self._token or time.monotonic() >= self._renew_at:
                asked = time.monotonic()
                token = await self._ask()
                self._token, self._renew_at = token.access_token, asked + token.expires_in * RENEW_AT
            return self._token

    def forget(self, token: str) -> None:
        """Drop a token that the cloud rejected."""
        if token == self._token:
            self._token = ""

    async def _ask(self) -> Token:
        issued = self._clock()
        answer = await self._present(issued)
        if answer.is_client_error and abs(self._clock() - issued) > CLOCK_MOVED:
            # The rejection set the clock: the assertion had been dated by a wrong one.
            answer = await self._present(self._clock())
        if answer.is_client_error and answer.status_code not in (408, 425, 429):
            raise CredentialsRefusedError(f"the token endpoint returned {answer.status_code}")
        answer.raise_for_status()
        try:
            return _decoder.decode(answer.content)
        except msgspec.MsgspecError as error:
            raise httpx.DecodingError(f"no token in the response: {error}") from error

    async def _present(self, issued_at: datetime) -> httpx.Response:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self._assertion(issued_at),
        }
        return await self._http.post(TOKEN_PATH, data=form)

    def _assertion(self, issued_at: datetime) -> str:
        issued = int(issued_at.timestamp())
        claims = {
            "iss": self._settings.gateway_id,
            "sub": self._settings.gateway_id,
            "aud": self._settings.cloud_url + TOKEN_PATH,
            "iat": issued,
            "exp": issued + ASSERTION_SECONDS,
            "jti": str(uuid.uuid4()),
        }
        return jwt.encode(claims, self._settings.key, algorithm="ES256")
