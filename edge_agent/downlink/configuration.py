"""The gateway's configuration: fetched, verified by signature, kept on disk, never replaced by an older version."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

import httpx
import jwt
import msgspec

from edge_agent.backoff import Backoff
from edge_agent.messages.cloud import Configuration
from edge_agent.settings import Settings
from edge_agent.uplink.credentials import Credentials, CredentialsRefusedError

log = logging.getLogger(__name__)

CONFIG_PATH = "/api/v1/edge/config"
FILE = "configuration.jws"
TYPE = "ss-config+jwt"
LOOK_AGAIN_SECONDS = 300.0
_decoder = msgspec.json.Decoder(Configuration)


class ConfigurationRefusedError(Exception):
    """A configuration with an invalid signature, for another gateway, unreadable, or older than the current one."""


class ConfigurationKeeper:
    """`on_change` is called with each configuration that takes effect, including the stored copy at startup."""

    def __init__(
        self,
        settings: Settings,
        http: httpx.AsyncClient,
        credentials: Credentials,
        on_change: Callable[[Configuration], None],
    ) -> None:
        self._settings, self._http, self._credentials = settings, http, credentials
        self._on_change = on_change
        self._file = settings.state_dir / FILE
        self._changed = asyncio.Event()
        self.version = 0

    def load(self) -> bool:
        """Apply the stored copy after verifying it again; False if there is none."""
        try:
            self._apply(self._file.read_bytes())
        except FileNotFoundError:
            return False
        except (OSError, ConfigurationRefusedError) as error:
            log.error("the stored configuration was rejected", extra={"reason": str(error)})
            return False
        return True

    def changed(self, gateway: str | None = None) -> None:
        """Fetch again because the cloud has a newer configuration for `gateway` (None: for this one)."""
        if gateway in (None, self._settings.gateway_id):
            self._changed.set()

    async def run(self) -> None:
        """Fetch at startup, on every notification, and every five minutes."""
        backoff = Backoff(first=0.5, greatest=30.0)
        while True:
            self._changed.clear()
            try:
                await self._fetch()
            except ConfigurationRefusedError as error:
                log.error("a configuration was rejected", extra={"reason": str(error)})
                wait = LOOK_AGAIN_SECONDS
            except (httpx.HTTPError, CredentialsRefusedError) as error:
                log.info("the configuration could not be fetched", extra={"reason": str(error) or type(error).__name__})
                wait = backoff.wait()
            else:
                backoff.reset()
                wait = LOOK_AGAIN_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()

    async def _fetch(self) -> None:
        token = await self._credentials.token()
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/jose"}
        if self.version:
            headers["If-None-Match"] = f'"{self.version}"'
        answer = await self._http.get(CONFIG_PATH, headers=headers)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._credentials.forget(token)
        if answer.status_code == httpx.codes.NOT_MODIFIED:
            return
        answer.raise_for_status()
        if self._apply(answer.content):
            await asyncio.to_thread(_keep, self._file, answer.content)

    def _apply(self, signed: bytes) -> bool:
        """Verify and apply a configuration; False if it is already in effect."""
        configuration = self._proved(signed)
        if configuration.version < self.version:
            raise ConfigurationRefusedError(f"version {configuration.version} after {self.version}")
        if configuration.version == self.version:
            return False
        self.version = configuration.version
        self._on_change(configuration)
        log.info("configuration applied", extra={"version": self.version})
        return True

    def _proved(self, signed: bytes) -> Configuration:
        try:
            whole = jwt.PyJWS().decode_complete(signed.strip(), self._settings.config_public_key, algorithms=["ES256"])
            if whole["header"].get("typ") != TYPE:
                raise ConfigurationRefusedError("signed, but not a configuration")
            configuration = _decoder.decode(whole["payload"])
        except (jwt.InvalidTokenError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ConfigurationRefusedError(str(error)) from error
        if configuration.gateway != self._settings.gateway_id:
            raise ConfigurationRefusedError("issued for another gateway")
        return configuration


def _keep(path: Path, signed: bytes) -> None:
    """Replace the stored copy atomically. A failed write only loses the copy."""
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as file:
            file.write(signed)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        log.error("the configuration could not be stored", extra={"reason": str(error)})
