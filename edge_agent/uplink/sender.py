"""Sending of events in requests, split to isolate an event that the cloud refuses."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import httpx
import msgspec

from edge_agent import times
from edge_agent.messages.cloud import Answer
from edge_agent.store.backlog import Row
from edge_agent.uplink.credentials import Credentials, CredentialsRefusedError

EVENTS_PATH = "/api/v1/edge/events"
EVENTS_AT_ONCE = 500
_ABOUT_THE_BODY = frozenset({400, 413, 422})
_decoder = msgspec.json.Decoder(Answer)


class UnavailableError(Exception):
    """The state of these events at the cloud is unknown. `hopeless`: an early retry cannot help (credentials)."""

    def __init__(self, reason: str, *, hopeless: bool = False) -> None:
        super().__init__(reason)
        self.hopeless = hopeless


class Ledger(Protocol):
    """Recorder of the result of each event."""

    epoch: str

    @property
    def confirmed(self) -> str | None:
        """The greatest event id that the cloud has confirmed."""

    def answered(self, rows: Sequence[Row], answer: Answer, confirmed_before: str | None) -> None:
        """Record the response for these events; `confirmed_before` is `confirmed` when they were sent."""

    def refused(self, row: Row, status: int) -> None:
        """Record an event that the cloud refuses in any request."""


class Sender:
    """Sends at most 500 events per request. A request refused for its body is split until the bad event is isolated, so
    that it blocks no others."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        credentials: Credentials,
        ledger: Ledger,
        clock: Callable[[], datetime],
    ) -> None:
        self._http, self._credentials, self._ledger, self._clock = http, credentials, ledger, clock

    async def send(self, rows: Sequence[Row]) -> None:
        """Send events until each is answered, refused or to be retried; raise UnavailableError if some are not."""
        for start in range(0, len(rows), EVENTS_AT_ONCE):
            await self._send(rows[start : start + EVENTS_AT_ONCE])

    async def _send(self, rows: Sequence[Row]) -> None:
        confirmed = self._ledger.confirmed
        answer = await self._post(rows)
        if answer.status_code in _ABOUT_THE_BODY:
            if len(rows) == 1:
                self._ledger.refused(rows[0], answer.status_code)
                return
            half = len(rows) // 2
            await self._send(rows[:half])
            await self._send(rows[half:])
            return
        if answer.status_code != httpx.codes.OK:
            hopeless = answer.status_code in (401, 403)
            raise UnavailableError(f"the cloud returned {answer.status_code}", hopeless=hopeless)
        self._ledger.answered(rows, _read(answer.content, len(rows)), confirmed)

    async def _post(self, rows: Sequence[Row]) -> httpx.Response:
        """Post the events, once more with a new token if the first is rejected."""
        head = f'{{"epoch":"{self._ledger.epoch}","sent_at":"{times.text(self._clock())}","events":['
        body = head.encode() + b",".join(row.payload for row in rows) + b"]}"
        try:
            token = await self._credentials.token()
            answer = await self._request(body, token)
            if answer.status_code == httpx.codes.UNAUTHORIZED:
                self._credentials.forget(token)
                answer = await self._request(body, await self._credentials.token())
        except CredentialsRefusedError as error:
            raise UnavailableError(str(error), hopeless=True) from error
        except httpx.HTTPError as error:
            raise UnavailableError(str(error) or type(error).__name__) from error
        return answer

    async def _request(self, body: bytes, token: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return await self._http.post(EVENTS_PATH, content=body, headers=headers)


def _read(body: bytes, count: int) -> Answer:
    try:
        answer = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnavailableError(f"the cloud's response cannot be read: {error}") from error
    if len(answer.results) != count:
        raise UnavailableError(f"{len(answer.results)} results for {count} events")
    return answer
