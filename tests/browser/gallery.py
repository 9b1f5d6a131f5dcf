"""The board page without the rest of the system: real templates and scripts, alerts as in the contract."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from csp.utils import build_policy
from django.template.loader import render_to_string

from apps.portal.board import Picture, board_context
from apps.portal.cards import Eye
from apps.portal.documents import TroubleDocument
from contracts import examples

ROOT: Final = Path(__file__).parents[2]
ZONE: Final = "America/Chicago"
ME: Final = UUID("0198f2c4-6a10-7300-9c41-5d2e8f7a0300")
"""Maria Sanchez of the examples."""
SOMEBODY: Final[dict[str, object]] = {"id": "0198f2c4-6a10-7301-9c41-5d2e8f7a0301", "name": "Tom Baker"}
ORGANIZATION: Final = UUID("0198f2c4-6a10-7500-9c41-5d2e8f7a0500")
EPOCH: Final = UUID("0198f2c4-6a10-4e00-8c41-5d2e8f7a0e0c")

Document = dict[str, object]


def example(name: str) -> Document:
    """Return an alert document from the contract's valid examples."""
    raw = next(one.raw for one in examples("alert", "valid") if one.name == name)
    return msgspec.json.decode(raw, type=Document)


def alert(number: int = 0, *, ago: float = 84, **changes: object) -> Document:
    """Return a lockdown pressed `ago` seconds ago in room 112, with changes."""
    pressed = datetime.now(UTC) - timedelta(seconds=ago)

    def after(ms: int) -> str:
        return (pressed + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    base = example("usual")
    base |= {
        "id": f"0198f2c4-6a10-7600-9c41-{number:012x}",
        "triggered_at": after(0),
        "last_pressed_at": after(0),
        "received_at": after(131),
        "hops": {
            "pressed_at": after(0),
            "arrived_at": after(9),
            "stored_at": after(22),
            "acted_at": after(30),
            "received_at": after(131),
        },
    }
    return base | changes


def at_room(number: str, name: str | None = None) -> Document:
    """Return the place of the examples, in another room."""
    place = msgspec.convert(alert()["place"], Document)
    return place | {"room": {"id": "0198f2c4-6a10-7020-9c41-5d2e8f7a0021", "room_number": number, "name": name}}


@dataclass
class Gallery:
    """A static server: `/page/<name>` is the board with the alerts added under that name."""

    url: str = ""
    pages: dict[str, Callable[[], str]] = field(default_factory=dict)

    def add_page(
        self, name: str, alerts: list[Document], *, may_act: bool = True, troubles: Sequence[Document] = ()
    ) -> str:
        """Add a page and return its URL. It is rendered on request, like the real one."""
        self.pages[name] = lambda: board_html(alerts, may_act=may_act, troubles=troubles)
        return f"{self.url}/page/{name}"


def board_html(alerts: list[Document], *, may_act: bool = True, troubles: Sequence[Document] = ()) -> str:
    """Return the page as the view would render it now."""
    picture = Picture(
        organization_id=ORGANIZATION,
        organization_name="Lincoln Unified School District",
        person_name="Maria Sanchez",
        only=(),
        may_act=may_act,
        epoch=EPOCH,
        cursor=41,
        alerts=[msgspec.Raw(msgspec.json.encode(document)) for document in alerts],
        complete=True,
        may_see_devices=True,
        troubles=msgspec.convert(list(troubles), list[TroubleDocument]),
    )
    site = UUID("0198f2c4-6a10-7602-9c41-5d2e8f7a0602")
    eye = Eye(ME, datetime.now(UTC), ZoneInfo(ZONE), {site: "400 Oak Street"})
    context = board_context(
        picture,
        eye,
        feed_url="/ws/alerts",
        alerts_url="/api/v1/alerts",
        drills_url="/api/v1/drills",
        troubles_url="/api/v1/troubles",
        login_url="/login/",
    )
    return render_to_string("portal/board.html", {**context, "csrf_token": "token"})


@contextmanager
def opened() -> Iterator[Gallery]:
    """Serve a gallery on a free port, until the end of the block."""
    gallery = Gallery()

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(ROOT))  # type: ignore[arg-type]

        def do_GET(self) -> None:
            if not self.path.startswith("/page/"):
                super().do_GET()
                return
            body = gallery.pages[self.path.removeprefix("/page/")]().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Security-Policy", build_policy())
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Ignore a client that disconnected in the middle of a response."""

    with Server(("127.0.0.1", 0), Handler) as server:
        gallery.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield gallery
        server.shutdown()
        thread.join()
