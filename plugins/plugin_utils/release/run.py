"""Who runs this, and what one run is called. Runs on the control node."""

from __future__ import annotations

import getpass
import multiprocessing
import os
import platform
import secrets
import subprocess
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def who() -> str:
    """Return SAMESTACK_WHO, else git's user, else user@computer: one line, without control characters."""
    return one_line(os.environ.get("SAMESTACK_WHO", "")) or git_user() or one_line(f"{user_name()}@{platform.node()}")


def one_line(text: str) -> str:
    """Return a text as one line of printable characters, not longer than a person's name and address."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())[:120]


def git_user() -> str:
    """Return `name <address>` as git has it for this user, "" where there is no git or it does not know."""
    try:
        asked = subprocess.run(
            ["git", "config", "--get-regexp", r"^user\.(name|email)$"],
            capture_output=True, text=True, check=False, timeout=5,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    known = dict(line.split(" ", 1) for line in asked.stdout.splitlines() if " " in line)
    name, address = (one_line(known.get(f"user.{key}", "")) for key in ("name", "email"))
    return f"{name} <{address}>" if name and address else name or address


def user_name() -> str:
    """Return the user's name on this computer."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def new_run() -> str:
    """Return the name of a new run: sorts by time, and no two are alike."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(3)}"


def current_run(task_vars: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the current run as preflight made it (id, verb, who, began, environment …), {} without one."""
    run: dict[str, Any] = ((task_vars or {}).get("ansible_facts") or {}).get("run") or {}
    return dict(run)


def run_process() -> int:
    """Return the process id of ansible-playbook, to one of its workers, even where that has ended meanwhile.

    The kernel gives who has lost its parent another one, which never ends.
    """
    parent = multiprocessing.parent_process()
    return os.getppid() if parent is None or parent.pid is None else parent.pid
