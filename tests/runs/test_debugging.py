"""breakpoint() in a process without a terminal, and who comes to it; over its own socket, as on a machine."""

from __future__ import annotations

import os
import pty
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FILES = Path(__file__).parents[2] / "roles" / "django" / "files"
ATTACH = [sys.executable, "-I", str(FILES / "samestack_debug.py")]
PROGRAM = """
import threading
def buy(amount):
    fee = 3
    breakpoint()
    total = amount + fee
    print("total", total, flush=True)
    return total
threads = [threading.Thread(target=buy, args=(number,)) for number in AMOUNTS]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""

Program = subprocess.Popen[str]


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Start a program that meets breakpoints; the folder of its sockets is `tmp_path`/b."""
    started: list[Program] = []
    (tmp_path / "b").mkdir()
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(FILES), "PYTHONBREAKPOINT": "samestack_debug.set_trace",
        "SAMESTACK_BREAKPOINTS": str(tmp_path / "b"), "PYTHONUNBUFFERED": "1",
    }  # fmt: skip

    def start(*amounts: int) -> Program:
        (tmp_path / "shop.py").write_text(PROGRAM.replace("AMOUNTS", str(list(amounts))))
        process = subprocess.Popen(
            [sys.executable, "shop.py"], cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        assert process.stderr
        for _ in amounts:
            assert process.stderr.readline() == "breakpoint() in shop.py, line 5: it waits for `./samestack attach`\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def attach(folder: Path, typed: str) -> str:
    command = [*ATTACH, str(folder / "b")]
    done = subprocess.run(command, input=typed, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_values_are_seen_and_changed(program: Callable[..., Program], tmp_path: Path) -> None:
    process = program(40)
    said = attach(tmp_path, "p amount + fee\nw\n!fee = 2\nn\nn\np total\nc\n")
    assert "43" in said
    assert "buy()" in said
    assert "\n42\n" in said
    assert process.communicate(timeout=20)[0] == "total 42\n"
    assert list((tmp_path / "b").iterdir()) == []


@pytest.mark.parametrize("typed", ["", "q\n", "b 7\nc\n"])
def test_whoever_leaves_lets_it_go_on(program: Callable[..., Program], tmp_path: Path, typed: str) -> None:
    process = program(1)
    attach(tmp_path, typed)
    assert process.communicate(timeout=20)[0] == "total 4\n"
    assert process.returncode == 0


def test_several_wait_their_turn(program: Callable[..., Program], tmp_path: Path) -> None:
    process = program(1, 2, 3)
    said = attach(tmp_path, "c\nc\np amount\nc\n")
    assert said.count("(Pdb) c") == 3
    assert sorted(process.communicate(timeout=20)[0].splitlines()) == ["total 4", "total 5", "total 6"]


def test_what_has_died_is_passed_over(program: Callable[..., Program], tmp_path: Path) -> None:
    dead, alive = program(1), program(2)
    dead.kill()
    dead.wait()
    assert "(Pdb) p amount\n2\n" in attach(tmp_path, "p amount\nc\n")
    assert alive.communicate(timeout=20)[0] == "total 5\n"


def test_a_letter_may_come_in_two_pieces(tmp_path: Path) -> None:
    """As one does that lies across two packets."""
    (tmp_path / "b").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "b/1"))
        server.listen(1)

        def say() -> None:
            connection, _ = server.accept()
            with connection:
                for piece in (b"caf\xc3", b"\xa9 \xe2", b"\x82", b"\xac\n(Pdb) \0"):
                    connection.sendall(piece)
                    time.sleep(0.1)
                connection.recv(9)

        threading.Thread(target=say).start()
        assert attach(tmp_path, "c\n") == "café €\n(Pdb) c\n"


def test_at_a_terminal(program: Callable[..., Program], tmp_path: Path) -> None:
    """With the line that was typed before; Ctrl-D lets one program go on, Ctrl-C ends it all."""
    process = program(7)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(ATTACH[0], [*ATTACH, str(tmp_path / "b")], os.environ | {"TERM": "xterm"})

    def until(text: str) -> str:
        shown, end = "", time.monotonic() + 20
        while text not in shown and time.monotonic() < end:
            shown += os.read(terminal, 4096).decode(errors="replace")
        assert text in shown
        return shown

    until("(Pdb) ")
    os.write(terminal, b"p amount * 1000\n")
    until("7000\r\n(Pdb) ")
    os.write(terminal, b"\x1b[A\n")
    until("7000\r\n(Pdb) ")
    os.write(terminal, b"\x04")
    until("Waiting for a breakpoint()")
    assert process.communicate(timeout=20)[0] == "total 10\n"
    os.write(terminal, b"\x03")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
