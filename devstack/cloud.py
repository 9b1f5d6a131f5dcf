"""The little of the cloud's API that the commands here use, as a member of staff."""

from datetime import datetime
from types import TracebackType
from typing import Self, TypeVar

import httpx
import msgspec

from devstack.demo import Person
from devstack.errors import Refusal

Answer = TypeVar("Answer")
SECONDS = 10.0
PAGE = 100


class Unreachable(Exception):
    """The cloud does not answer (a press works all the same)."""


class Tokens(msgspec.Struct, frozen=True):
    """What a login gives."""

    access: str


class DeviceReference(msgspec.Struct, frozen=True):
    """The button of an alert."""

    device_id: str


class Hops(msgspec.Struct, frozen=True):
    """When the first press of an alert passed each station."""

    pressed_at: datetime | None = None
    arrived_at: datetime | None = None
    stored_at: datetime | None = None
    acted_at: datetime | None = None
    received_at: datetime | None = None


class Alert(msgspec.Struct, frozen=True):
    """What `./dev press` shows of an alert; its status is of no interest here."""

    id: str
    alert_id: str
    alert_type: str
    is_drill: bool
    is_silent: bool
    presses: int
    last_pressed_at: datetime
    device: DeviceReference | None = None
    hops: Hops = Hops()


class Page(msgspec.Struct, frozen=True):
    """One page of a list; `next` is the address of the one after it."""

    results: list[Alert]
    next: str | None = None


class Cloud:
    """A signed-in session."""

    def __init__(self, base_url: str, person: Person) -> None:
        self._http = httpx.Client(base_url=base_url, timeout=SECONDS, trust_env=False)
        self._person = person
        self.access = ""

    def __enter__(self) -> Self:
        try:
            credentials = {"email": self._person.email, "password": self._person.password}
            answer = self._http.post("/api/v1/auth/login", json=credentials)
        except httpx.HTTPError as error:
            self._http.close()
            raise Unreachable(str(error)) from error
        self.access = self._read(answer, Tokens).access
        self._http.headers["Authorization"] = f"Bearer {self.access}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def open_alerts(self, organization: str) -> list[Alert]:
        """Those that this person may see."""
        found: list[Alert] = []
        address: str | None = f"/api/v1/alerts?status=open&limit={PAGE}&organization={organization}"
        while address is not None:
            page = self._read(self._request("GET", address), Page)
            found += page.results
            address = page.next
        return found

    def start_drill(self, device: str) -> None:
        """Arm one button for a minute: its next press is a drill."""
        answer = self._request("POST", "/api/v1/drills", {"device_id": device})
        if answer.status_code not in (httpx.codes.CREATED, httpx.codes.ACCEPTED):
            raise Refusal(f"The drill was refused: {_reason(answer)}")

    def _request(self, method: str, address: str, body: dict[str, str] | None = None) -> httpx.Response:
        try:
            return self._http.request(method, address, json=body)
        except httpx.HTTPError as error:
            raise Unreachable(str(error)) from error

    def _read(self, answer: httpx.Response, kind: type[Answer]) -> Answer:
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise Unreachable(f"{answer.request.url.path} answers {answer.status_code}")
        if answer.status_code != httpx.codes.OK:
            raise Refusal(_reason(answer))
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except msgspec.DecodeError as error:
            raise Refusal(f"{answer.request.url.path} answers something else than agreed: {error}") from None


class _Problem(msgspec.Struct, frozen=True):
    title: str = ""
    detail: str = ""


def _reason(answer: httpx.Response) -> str:
    """A refusal in one line (RFC 9457 when it is one)."""
    try:
        problem = msgspec.json.decode(answer.content, type=_Problem)
    except msgspec.DecodeError:
        problem = _Problem()
    said = problem.detail or problem.title or answer.reason_phrase
    return f"{answer.request.url.path} answers {answer.status_code}: {said}"
