"""The live side of the cloud, and on one machine the whole of it: all that is not live goes to the WSGI application.

Request/response work is sync and runs in threads: Django's own async request path costs several times as much.
"""

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "safesignal.settings")

from a2wsgi import WSGIMiddleware
from channels.routing import URLRouter

from safesignal.wsgi import application as wsgi_application

from apps.alerts.live.stream import PATH as STREAM_PATH  # isort: skip
from apps.alerts.live.stream import Receive, Scope, Send, stream
from apps.alerts.routing import websocket_urlpatterns
from safesignal.sockets import ClosingSocket

WEB_THREADS = 8

_web = WSGIMiddleware(wsgi_application, workers=WEB_THREADS)
_sockets = URLRouter(websocket_urlpatterns)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Route one connection."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] == "websocket":
        await _socket(scope, receive, send)
    elif scope["path"] == STREAM_PATH and scope["method"] == "GET":
        await stream(scope, receive, send)
    else:
        await _request(scope, receive, send)


async def _request(scope: Scope, receive: Receive, send: Send) -> None:
    """Through the thread pool, which hands `receive()` and `send()` back to this loop and takes only coroutines there;
    Granian's are awaitable without being any.
    """

    async def received() -> Any:
        return await receive()

    async def sent(message: Any) -> None:
        await send(message)

    await _web(scope, received, sent)


async def _socket(scope: Scope, receive: Receive, send: Send) -> None:
    socket = ClosingSocket(receive, send)
    try:
        await _sockets(dict(scope), socket.receive, socket.send)
    except ValueError:  # URLRouter's "No route found"
        await send({"type": "websocket.close", "code": 4404})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
