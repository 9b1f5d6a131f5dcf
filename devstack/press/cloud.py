"""A client for the part of the cloud's API that these commands use as a staff member."""

from datetime import datetime
from types import TracebackType
from typing import Self, TypeVar

import httpx
import msgspec

from devstack.errors import Refusal
from devstack.machine.demo import Person

Answer = TypeVar("Answer")
SECONDS = 10.0
PAGE = 100


class Unreachable(Exception):
    """The cloud does not respond; presses work without it."""


class Tokens(msgspec.Struct, frozen=True):
    """The response to a login."""

    access: str


class DeviceReference(msgspec.Struct, frozen=True):
    """The button of an alert."""

    device_id: str


class Hops(msgspec.Struct, frozen=True):
    """Times at which the first press of an alert passed each hop."""

    pressed_at: datetime | None = None
    arrived_at: datetime | None = None
    stored_at: datetime | None = None
    acted_at: datetime | None = None
    received_at: datetime | None = None


class Alert(msgspec.Struct, frozen=True):
    """The fields of an alert that `./dev press` shows."""

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
    """A page of a list; `next` is the URL of the following one."""

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
        """Return the open alerts visible to this person."""
        alerts: list[Alert] = []
        address: str | None = f"/api/v1/alerts?status=open&limit={PAGE}&organization={organization}"
        while address is not None:
            page = self._read(self._request("GET", address), Page)
            alerts += page.results
            address = page.next
        return alerts

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
            raise Unreachable(f"{answer.request.url.path} returned {answer.status_code}")
        if answer.status_code != httpx.codes.OK:
            raise Refusal(_reason(answer))
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except msgspec.DecodeError as error:
            raise Refusal(f"{answer.request.url.path} returned an unexpected response: {error}") from None


class _Problem(msgspec.Struct, frozen=True):
    title: str = ""
    detail: str = ""


def _reason(answer: httpx.Response) -> str:
    """Return the reason of a refusal in one line (from RFC 9457 if it has that form)."""
    try:
        problem = msgspec.json.decode(answer.content, type=_Problem)
    except msgspec.DecodeError:
        problem = _Problem()
    reason = problem.detail or problem.title or answer.reason_phrase
    return f"{answer.request.url.path} returned {answer.status_code}: {reason}"
