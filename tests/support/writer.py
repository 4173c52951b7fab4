"""A client that writes rows and keeps its own ledger of them: what a database may have lost, its own word says."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

TABLE = "CREATE TABLE IF NOT EXISTS ledger (n bigint PRIMARY KEY)"
STATEMENT = "INSERT INTO ledger VALUES (%d) RETURNING n;\n"
ROWS = "SELECT n FROM ledger"


class Writer(threading.Thread):
    """Writes one row after the other into `ledger`, through a `psql` that reads statements."""

    def __init__(self, command: Sequence[str]) -> None:
        super().__init__(daemon=True)
        #: Rows that the server has confirmed, each with the time at which it did
        self.acknowledged: dict[int, float] = {}
        self._over = threading.Event()
        self._command = command

    def run(self) -> None:
        """Write until it is told to stop, or the server goes away."""
        number = int(time.time() * 1000)
        with (
            contextlib.suppress(OSError),
            subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                cwd="/",
            ) as psql,
        ):
            assert psql.stdin is not None
            assert psql.stdout is not None
            while not self._over.is_set():
                number += 1
                try:
                    psql.stdin.write(STATEMENT % number)
                    psql.stdin.flush()
                    answer = psql.stdout.readline().strip()
                except OSError:
                    break
                if answer != str(number):
                    break
                self.acknowledged[number] = time.time()
                time.sleep(0.02)
            psql.kill()

    def stop(self) -> dict[int, float]:
        """End it; returns the acknowledged rows, each with the time at which it was."""
        self._over.set()
        self.join(20)
        return dict(self.acknowledged)
