"""One request of events, down to the one that the cloud will not take."""

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
    """Not now: nothing is known of these events. `hopeless`: trying soon cannot help (credentials)."""

    def __init__(self, reason: str, *, hopeless: bool = False) -> None:
        super().__init__(reason)
        self.hopeless = hopeless


class Ledger(Protocol):
    """Who writes down what became of each event."""

    epoch: str

    @property
    def confirmed(self) -> str | None:
        """The greatest event id that the cloud has said it keeps."""

    def answered(self, rows: Sequence[Row], answer: Answer, confirmed_before: str | None) -> None:
        """The cloud has spoken of these; `confirmed_before` they were sent."""

    def refused(self, row: Row, status: int) -> None:
        """The cloud refuses any request with this event in it."""


class Sender:
    """Sends at most 500 at once. A request that is refused for its body is split until the bad event is alone, so
    that it holds up nothing."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        credentials: Credentials,
        ledger: Ledger,
        clock: Callable[[], datetime],
    ) -> None:
        self._http, self._credentials, self._ledger, self._clock = http, credentials, ledger, clock

    async def send(self, rows: Sequence[Row]) -> None:
        """Every event is answered, refused or asked for again when this returns; UnavailableError: some are not."""
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
            raise UnavailableError(f"the cloud answered {answer.status_code}", hopeless=hopeless)
        self._ledger.answered(rows, _read(answer.content, len(rows)), confirmed)

    async def _post(self, rows: Sequence[Row]) -> httpx.Response:
        """Once more with a new token when the first is not taken."""
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
        raise UnavailableError(f"the cloud's answer cannot be read: {error}") from error
    if len(answer.results) != count:
        raise UnavailableError(f"{len(answer.results)} results for {count} events")
    return answer
