"""Pages, a WebSocket at /chat that answers, and a stream of events at /events that is silent between two of them."""

import asyncio
import os
from typing import Any
from urllib.parse import parse_qs

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
pages = get_asgi_application()


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await chat(scope, receive, send)
    elif scope["path"] == "/events":
        await events(scope, send)
    else:
        await pages(scope, receive, send)


async def chat(scope: dict[str, Any], receive: Any, send: Any) -> None:
    while (message := await receive())["type"] != "websocket.disconnect":
        if message["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        else:
            answer = [os.environ["SAMESTACK_RELEASE"], scope["client"][0], message["text"]]
            await send({"type": "websocket.send", "text": " ".join(answer)})


async def events(scope: dict[str, Any], send: Any) -> None:
    seconds = float(parse_qs(scope["query_string"].decode())["silence"][0])
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"data: first\n\n", "more_body": True})
    await asyncio.sleep(seconds)
    await send({"type": "http.response.body", "body": b"data: last\n\n"})
