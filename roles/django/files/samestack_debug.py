"""breakpoint() in live code: the process waits at a socket of its own, and `./samestack attach` leads a terminal there.

    python3 -I samestack_debug.py FOLDER     stand at the terminal for what waits in that folder, one after the other

A server's process has no terminal, and there are several of them. So Python's own debugger (pdb) talks over a socket
that nobody but the application's account may open.
"""

import codecs
import os
import pdb
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module  # debugpy, which is there where it was asked for
from importlib.util import find_spec  # without readline, a line is typed as the terminal has it
from types import FrameType
from typing import Any, TextIO

FOLDER = "SAMESTACK_BREAKPOINTS"
# Ends what the debugger says, when it is people's turn
TURN = "\0"
LOOK_SECONDS = 0.3
# Whoever debugs takes the time that it takes: a process that has met a breakpoint is held to no limit any more.
used = False


class Debugger(pdb.Pdb):
    """pdb over a connection; whoever leaves it lets the program go on."""

    def __init__(self, connection: socket.socket) -> None:
        """Take the connection."""
        self.reading: TextIO = connection.makefile("r", encoding="utf-8", errors="replace")
        self.writing: TextIO = connection.makefile("w", encoding="utf-8", errors="replace")
        connection.close()
        # nosigint: this is no main thread. readrc: what somebody keeps for a terminal is not for here.
        super().__init__(stdin=self, stdout=self, nosigint=True, readrc=False)  # type: ignore[arg-type]

    def readline(self) -> str:
        """Return what is typed; where the other end has gone, what lets the program go on."""
        self.write(TURN)
        self.flush()
        try:
            return self.reading.readline() or "q\n"
        except (OSError, ValueError):
            return "q\n"

    def write(self, text: str) -> None:
        """Write, where somebody is there."""
        with suppress(OSError, ValueError):
            self.writing.write(text)

    def flush(self) -> None:
        """Send what was written."""
        with suppress(OSError, ValueError):
            self.writing.flush()

    def set_continue(self) -> None:
        """Let the program go on; without a breakpoint of its own to come back to, this is the end."""
        super().set_continue()
        if not self.breaks:
            self.leave()

    def leave(self) -> None:
        """End the connection."""
        for one in (self.writing, self.reading):
            with suppress(OSError, ValueError):
                one.close()

    def let_go(self, arg: str) -> bool:
        """Let the program go on, and stop nowhere."""
        self.clear_all_breaks()
        self.set_continue()
        return True

    # pdb itself would end the request, or all of the process.
    do_q = do_quit = do_exit = let_go


def set_trace(*_arguments: Any, **_more: Any) -> None:
    """Stop where this is called, until somebody lets it go on. What PYTHONBREAKPOINT names."""
    frame = sys._getframe(1)
    globals().update(used=True)
    Debugger(waited_for(frame)).set_trace(frame)


def listen(port: int) -> None:
    """Let editors attach to this process (app_debugger), as soon as the one before it has given the port free."""
    # For breakpoint(): it stops where an editor is there, and otherwise nowhere.
    os.environ["PYTHONBREAKPOINT"] = "debugpy.breakpoint"
    globals().update(used=True)
    threading.Thread(target=serve_editors, args=(port,), name="samestack-debugger", daemon=True).start()


def serve_editors(port: int) -> None:
    """Wait for the port, and for editors there; this machine alone reaches it."""
    address = ("127.0.0.1", port)
    while not is_free(address):
        time.sleep(LOOK_SECONDS)
    # In this process: another one could be reached by it over the network of the machine alone, which is closed to it.
    import_module("debugpy").listen(address, in_process_debug_adapter=True)
    say(f"Editors may attach: `./samestack attach` leads port {port} of your computer here")


def is_free(address: "tuple[str, int]") -> bool:
    """Return whether nobody listens there."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(address)
        except OSError:
            return False
    return True


def say(text: str) -> None:
    """Write to the journal."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def waited_for(frame: FrameType) -> socket.socket:
    """Wait at a socket for somebody; returns the connection."""
    where = f"{os.path.relpath(frame.f_code.co_filename)}, line {frame.f_lineno}"
    path = os.path.join(os.environ[FOLDER], f"{time.time():.3f}-{threading.get_native_id()}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(path)
        server.listen(1)
        say(f"breakpoint() in {where}: it waits for `./samestack attach`")
        try:
            connection, _ = server.accept()
        finally:
            with suppress(OSError):
                os.unlink(path)
    return connection


def longest(folder: str) -> "socket.socket | None":
    """Return a connection to what has waited longest, None where nothing waits."""
    for name in sorted(os.listdir(folder)):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(os.path.join(folder, name))
        except OSError:
            # Its process was ended meanwhile.
            connection.close()
            with suppress(OSError):
                os.unlink(os.path.join(folder, name))
        else:
            return connection
    return None


def talk(connection: socket.socket, ask: Callable[[str], str]) -> None:
    """Show what the debugger says and give it what is typed, until one of them is done."""
    heard = ""
    # A letter of several bytes may come in two pieces.
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    while data := connection.recv(65536):
        heard += decoder.decode(data)
        while TURN in heard:
            said, _, heard = heard.partition(TURN)
            lines, _, prompt = said.rpartition("\n")
            if lines:
                print(lines, flush=True)
            connection.sendall(f"{ask(prompt)}\n".encode())


def attend(folder: str) -> None:
    """Stand at the terminal for whatever waits, until somebody has enough."""
    script = [] if sys.stdin.isatty() else sys.stdin.read().splitlines()

    def next_of_script(prompt: str) -> str:
        if not script:
            raise EOFError
        print(f"{prompt}{script[0]}", flush=True)
        return script.pop(0)

    if find_spec("readline") and sys.stdin.isatty():
        import_module("readline")
    while True:
        print("Waiting for a breakpoint(); Ctrl-C ends this.", file=sys.stderr, flush=True)
        while (connection := longest(folder)) is None:
            time.sleep(LOOK_SECONDS)
        # Ctrl-D is meant for the one program.
        with connection, suppress(EOFError, ConnectionError):
            talk(connection, input if sys.stdin.isatty() else next_of_script)
        if not sys.stdin.isatty() and not script:
            return


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        attend(sys.argv[1])
