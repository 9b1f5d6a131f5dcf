"""The cloud as one ASGI application: it serves long-lived connections, and passes requests to the WSGI application.

Even a process that serves requests only uses ASGI: a WSGI server passes a body on while it arrives, so that its sender
decides how long a thread is in use.
Request/response work is sync and runs in threads: Django's own async request path costs several times as much. Each
lane has its own threads, as many as it has database connections; a request takes one when its body has arrived.
"""

import asyncio
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec
from django.conf import settings

from safesignal.wsgi import application as django_application  # loads the apps, which the next imports need

# isort: split
from apps.alerts.consumers import AlertsConsumer, EdgeConsumer
from apps.alerts.live.stream import PATH as STREAM_PATH
from apps.alerts.live.stream import Receive, Scope, Send, stream
from apps.common.problems import CONTENT_TYPE, Problem
from apps.common.startup import finish_loading
from safesignal.bodies import Bodies, Gone
from safesignal.bridge import Bridge
from safesignal.collection import collect_in_quiet_moments
from safesignal.lanes import Lane, lane_of
from safesignal.sockets import ClosingSocket

NO_SUCH_SOCKET: Final = 4404
MEMORY: Final = 64 * 1024 * 1024
"""Bytes of unfinished bodies, each for alarms and for everything else."""
UNLIMITED: Final = sys.maxsize
"""Requests for alarms are never refused: they wait, however many there are."""

_for_alarms, _for_the_rest = Bodies(MEMORY), Bodies(MEMORY)
_LANES: Final[Mapping[Lane, tuple[Bodies, Bridge]]] = {
    lane: (bodies, Bridge(django_application, name=lane, threads=threads, waiting=waiting, seconds=seconds))
    for lane, bodies, threads, waiting, seconds in (
        (Lane.GATEWAYS, _for_alarms, settings.GATEWAY_THREADS, UNLIMITED, None),
        (Lane.ALARMS, _for_alarms, settings.ALARM_THREADS, UNLIMITED, None),
        (Lane.SIGN_INS, _for_the_rest, settings.SIGN_IN_THREADS, 64, 20.0),
        (Lane.PAGES, _for_the_rest, settings.PAGE_THREADS, 256, 20.0),
    )
}
SOCKETS: Mapping[str, Any] = {"/ws/alerts": AlertsConsumer.as_asgi(), "/ws/edge": EdgeConsumer.as_asgi()}


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Route one connection."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] == "websocket":
        socket = ClosingSocket(receive, send)
        await SOCKETS.get(scope["path"], _no_such_socket)(dict(scope), socket.receive, socket.send)
    elif scope["path"] == STREAM_PATH and scope["method"] == "GET":
        await stream(scope, receive, send)
    else:
        await _request(scope, receive, send)


async def _request(scope: Scope, receive: Receive, send: Send) -> None:
    bodies, bridge = _LANES[lane_of(scope["method"], scope["path"])]
    try:
        body = await bodies.read(scope["headers"], receive)
        await bridge.answer(scope, body, receive, send)
    except Gone:
        return
    except Problem as problem:
        await _refuse(send, problem)


async def _refuse(send: Send, problem: Problem) -> None:
    """Send the problem, even if the request was not read completely."""
    headers = {"Content-Type": CONTENT_TYPE, **problem.headers}
    lines = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": int(problem.status), "headers": lines})
    await send({"type": "http.response.body", "body": msgspec.json.encode(problem.body())})


async def _no_such_socket(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.close", "code": NO_SUCH_SOCKET})


async def _lifespan(receive: Receive, send: Send) -> None:
    asyncio.get_running_loop().set_default_executor(
        ThreadPoolExecutor(settings.LIVE_THREADS, thread_name_prefix="live")
    )
    await receive()
    finish_loading()
    collection = asyncio.create_task(collect_in_quiet_moments())
    await send({"type": "lifespan.startup.complete"})
    await receive()
    collection.cancel()
    await send({"type": "lifespan.shutdown.complete"})
