"""The deploy lock's half on the control node: a process of its own that lives exactly as long as ansible-playbook.

Started by the action `deploy_lock` as a script, with a JSON object on standard input: `argv` (the ssh command), `first`
(what goes to its input at once) and `pid` (of ansible-playbook). It passes on what the host says, a line of JSON each.
The connection is its own: a shared one would outlive the run, and with it the lock.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import IO

BEAT_SECONDS = 3
POLL_SECONDS = 0.25


def wait_for_end(pid: int) -> None:
    """Return when the process is no more, however it ended; at once where there is none."""
    try:
        if sys.platform == "linux":
            select.select([os.pidfd_open(pid)], [], [])
        elif sys.platform == "darwin":
            end = select.kevent(
                pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD | select.KQ_EV_ONESHOT, select.KQ_NOTE_EXIT
            )
            select.kqueue().control([end], 1, None)
        else:
            while True:
                os.kill(pid, 0)
                time.sleep(POLL_SECONDS)
    except ProcessLookupError:
        pass


def end_with(pid: int) -> None:
    """End this process when that one ends. The host then reads the end of its input, and the lock is free."""
    wait_for_end(pid)
    os._exit(0)


def beat(stream: IO[bytes]) -> None:
    """Let the host hear that the run lives."""
    with contextlib.suppress(OSError):
        while True:
            time.sleep(BEAT_SECONDS)
            stream.write(b"\n")


def pass_on(text: bytes) -> None:
    """Tell the action, which is gone once it knows how it went."""
    with contextlib.suppress(OSError):
        os.write(1, text)


def main() -> None:
    """Hold the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    given = json.loads(sys.stdin.read())
    threading.Thread(target=end_with, args=(given["pid"],), daemon=True).start()
    with tempfile.TemporaryFile() as said:
        ssh = subprocess.Popen(given["argv"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, bufsize=0)
        assert ssh.stdin is not None
        assert ssh.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            ssh.stdin.write(given["first"].encode())
        threading.Thread(target=beat, args=(ssh.stdin,), daemon=True).start()
        while text := ssh.stdout.read(65536):
            pass_on(text)
        code = ssh.wait()
        said.seek(0)
        text = said.read(20000)
    pass_on(b"\n" + json.dumps({"ended": code, "said": text.decode(errors="replace")}).encode() + b"\n")


if __name__ == "__main__":
    main()
