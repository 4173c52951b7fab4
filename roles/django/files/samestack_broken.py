"""What live code that cannot be imported answers: the error, its file and line (samestack_serve sees it mended)."""

import html
import linecache
import os
import string
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

AROUND = 3
PAGE = string.Template("""<!doctype html><meta charset="utf-8"><title>$title</title><style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.3rem } pre { background: #f4f4f4; padding: 1rem; overflow-x: auto } b { background: #fdd }
@media (prefers-color-scheme: dark) {
body { background: #222; color: #eee } pre { background: #333 } b { background: #822 } }
</style><h1>$title</h1><p><strong>$where</strong></p><pre>$lines</pre>
<p>Your project cannot be imported. Save the file when it is mended, and load this page again.</p><pre>$traceback</pre>
""")


def place(error: BaseException, top: str) -> tuple[str, int]:
    """Return the file and the line that an error is about: what cannot be parsed, else the project's own last frame."""
    if isinstance(error, SyntaxError) and error.filename and os.path.exists(error.filename):
        return error.filename, error.lineno or 1
    frames = [(frame.filename, frame.lineno or 1) for frame in traceback.extract_tb(error.__traceback__)]
    own = [one for one in frames if one[0].startswith(top + os.sep) and "/site-packages/" not in one[0]]
    return (own or frames)[-1]


def page(error: BaseException, top: str) -> bytes:
    """Return the page that shows an error; what is in it may be anybody's words."""
    file, number = place(error, top)
    linecache.checkcache(file)
    first = max(1, number - AROUND)
    shown = []
    for line, text in enumerate(linecache.getlines(file)[first - 1 : number + AROUND], first):
        numbered = html.escape(f"{line:5}  {text.rstrip()}")
        shown.append(f"<b>{numbered}</b>" if line == number else numbered)
    said = html.escape("".join(traceback.format_exception_only(type(error), error)).strip().splitlines()[-1])
    name = html.escape(os.path.relpath(file, top) if file.startswith(top + os.sep) else file)
    whole = html.escape("".join(traceback.format_exception(type(error), error, error.__traceback__)))
    where = f"{name}, line {number}"
    return PAGE.substitute(title=said, where=where, lines="\n".join(shown), traceback=whole).encode()


def files_of(error: BaseException) -> list[str]:
    """Return the files that an error is about; they may be packages'."""
    syntax = [error.filename] if isinstance(error, SyntaxError) and error.filename else []
    return [*syntax, *(frame.filename for frame in traceback.extract_tb(error.__traceback__))]


def application(error: BaseException) -> Callable[..., Any]:
    """Return an application that answers every request with an error, which was caught where it was raised."""
    top = os.path.realpath(os.getcwd())
    body = page(error, top)
    headers = {
        "Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(body)), "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    }  # fmt: skip

    def wsgi(_environ: object, start_response: Callable[..., Any]) -> list[bytes]:
        start_response("500 Internal Server Error", list(headers.items()))
        return [body]

    async def asgi(scope: dict[str, Any], _receive: object, send: Callable[..., Awaitable[None]]) -> None:
        if scope["type"] != "http":
            raise ValueError(f"there is nothing here for {scope['type']}")
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 500, "headers": raw})
        await send({"type": "http.response.body", "body": body})

    return asgi if os.environ.get("SAMESTACK_INTERFACE") == "asgi" else wsgi
