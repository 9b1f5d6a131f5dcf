"""What the gateway knows of its buildings: fetched, proved by signature, kept on disk, never older than before."""

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
    """Not signed by the pinned key, not for this gateway, unreadable, or older than what is known."""


class ConfigurationKeeper:
    """`on_change` hears each configuration that takes effect, the kept copy at start included."""

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
        """The last good copy, proved again; False when there is none."""
        try:
            self._take(self._file.read_bytes())
        except FileNotFoundError:
            return False
        except (OSError, ConfigurationRefusedError) as error:
            log.error("the kept configuration is not used", extra={"reason": str(error)})
            return False
        return True

    def changed(self, gateway: str | None = None) -> None:
        """The cloud says that there is a newer one for `gateway`; None: for this one."""
        if gateway in (None, self._settings.gateway_id):
            self._changed.set()

    async def run(self) -> None:
        """Fetch now, whenever told, and every five minutes."""
        backoff = Backoff(first=0.5, greatest=30.0)
        while True:
            self._changed.clear()
            try:
                await self._fetch()
            except ConfigurationRefusedError as error:
                log.error("a configuration was refused", extra={"reason": str(error)})
                wait = LOOK_AGAIN_SECONDS
            except (httpx.HTTPError, CredentialsRefusedError) as error:
                log.info("no configuration fetched", extra={"reason": str(error) or type(error).__name__})
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
        if self._take(answer.content):
            await asyncio.to_thread(_keep, self._file, answer.content)

    def _take(self, signed: bytes) -> bool:
        """Make it take effect; False when it is the one that already does."""
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
                raise ConfigurationRefusedError("signed, but no configuration")
            configuration = _decoder.decode(whole["payload"])
        except (jwt.InvalidTokenError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ConfigurationRefusedError(str(error)) from error
        if configuration.gateway != self._settings.gateway_id:
            raise ConfigurationRefusedError("it is another gateway's")
        return configuration


def _keep(path: Path, signed: bytes) -> None:
    """In place of the last one, whole or not at all. A disk that does not take it costs only the copy."""
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as file:
            file.write(signed)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        log.error("the configuration could not be kept", extra={"reason": str(error)})
