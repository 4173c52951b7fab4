"""Services by their URLs, as Apprise takes them: whether they can be reached with a notice, and sending it.

Runs on the control node, and has messenger.py do the work in a process of its own.
"""

from __future__ import annotations

import functools
import json
import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Seconds: for each answer of a server, for all of it, and of that for Apprise itself to start
ANSWER_TIMEOUT, PATIENCE, STARTING = 5, 10, 2
PASSED = ("PATH", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE")
MESSENGER = Path(__file__).with_name("messenger.py")


class NotSentError(Exception):
    """Apprise gave no answer; the text says why, without an address."""


def ask(urls: Sequence[str], **notice: str) -> list[tuple[str, str] | None]:
    """Have the messenger look at URLs, or send them a notice: for each None, or (what it is called, what is wrong).

    Raises NotSentError when Apprise itself gives no answer.
    """
    trusted = ssl.get_default_verify_paths()
    # As everything else here: this computer says whom it trusts, an office's own authority too.
    bundle = trusted.cafile or trusted.capath
    # Hundreds of strangers' services need no more of the environment, in which secrets may be.
    given = {name: value for name, value in os.environ.items() if name in PASSED or name.lower().endswith("_proxy")}
    asked = {"urls": list(urls), "seconds": ANSWER_TIMEOUT, "patience": PATIENCE - STARTING, **notice}
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(MESSENGER)], input=json.dumps(asked), capture_output=True, text=True, check=True,
            env=({"REQUESTS_CA_BUNDLE": bundle} if bundle else {}) | given, timeout=PATIENCE,
        )  # fmt: skip
        return [tuple(trouble) if trouble else None for trouble in json.loads(done.stdout)]
    except subprocess.TimeoutExpired:
        raise NotSentError(f"it took longer than {PATIENCE} s") from None
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        # What it printed may hold an address.
        raise NotSentError(type(error).__name__) from None


@functools.cache
def bad_urls(urls: tuple[str, ...]) -> list[str]:
    """Return what is wrong with each URL, or nothing. Raises NotSentError."""
    return [trouble[1] if trouble else "" for trouble in ask(urls)]
