"""The live side of the cloud, and on one machine the whole of it: all that is not live goes to the WSGI application.

Request/response work is sync and runs in threads: Django's own async request path costs several times as much.
"""

from collections.abc import Mapping
from typing import Any, Final

from a2wsgi import WSGIMiddleware

from safesignal.wsgi import application as wsgi_application  # loads the apps, which the next imports need

# isort: split
from apps.alerts.consumers import AlertsConsumer, EdgeConsumer
from apps.alerts.live.stream import PATH as STREAM_PATH
from apps.alerts.live.stream import Receive, Scope, Send, stream
from safesignal.sockets import ClosingSocket

WEB_THREADS: Final = 8
NO_SUCH_SOCKET: Final = 4404

_web: Any = WSGIMiddleware(wsgi_application, workers=WEB_THREADS)  # type: ignore[arg-type]
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
    """Through the thread pool, which hands `receive()` and `send()` back to this loop and takes only coroutines there;
    Granian's are awaitable without being any.
    """

    async def received() -> Mapping[str, Any]:
        return await receive()

    async def sent(message: dict[str, Any]) -> None:
        await send(message)

    await _web(scope, received, sent)


async def _no_such_socket(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.close", "code": NO_SUCH_SOCKET})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
