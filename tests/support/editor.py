"""What an editor says to a debugger (the Debug Adapter Protocol), as far as a breakpoint needs it."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

Message = dict[str, Any]
SECONDS = 30


class Editor:
    """An editor that has attached to a port of this computer."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self._stream = self._socket.makefile("rb")
        self._number = 0

    def __enter__(self) -> Editor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self._socket.close()

    def send(self, command: str, **arguments: Any) -> int:
        """Send a request; returns its number."""
        self._number += 1
        request = {"seq": self._number, "type": "request", "command": command, "arguments": arguments}
        body = json.dumps(request).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        return self._number

    def until(self, wanted: Callable[[Message], bool]) -> Message:
        """Read until a message is the wanted one; raises EOFError where the other end has gone."""
        while True:
            size = 0
            while (line := self._stream.readline()) != b"\r\n":
                if not line:
                    raise EOFError
                size = int(line.partition(b":")[2])
            message: Message = json.loads(self._stream.read(size))
            if wanted(message):
                return message

    def ask(self, command: str, **arguments: Any) -> Any:
        """Send a request, wait for its answer, which must be good; returns what is in it."""
        number = self.send(command, **arguments)
        answer = self.until(lambda message: message["type"] == "response" and message["request_seq"] == number)
        assert answer["success"], answer
        return answer.get("body")

    def event(self, name: str) -> Any:
        """Wait for an event; returns what is in it."""
        return self.until(lambda message: message["type"] == "event" and message["event"] == name).get("body")

    def attach(self, here: str, there: str, file: str, line: int) -> bool:
        """Attach as VS Code does, with a breakpoint; returns whether the debugger knows that line."""
        self.ask("initialize", adapterID="python", pathFormat="path", linesStartAt1=True, columnsStartAt1=True)
        self.send("attach", request="attach", justMyCode=True, pathMappings=[{"localRoot": here, "remoteRoot": there}])
        self.event("initialized")
        found = self.ask("setBreakpoints", source={"path": file}, breakpoints=[{"line": line}])
        self.ask("configurationDone")
        return bool(found["breakpoints"][0]["verified"])
