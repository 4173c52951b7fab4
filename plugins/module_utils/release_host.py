"""What the modules of the release engine share on the host: paths, the application's environment, one run at a time."""

from __future__ import annotations

import errno
import fcntl
import inspect
import json
import os
import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ansible.module_utils import release_inside, release_priority

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import ModuleType

# Imports of our own modules, and the line that Python wants first
OURS = re.compile(r"from (ansible\.module_utils\S*|__future__) import ")
RELEASE_FILE = "inventories/group_vars/all/release.yml"


class ReleaseError(Exception):
    """A step failed; the text is for people, `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        """Take the message, and advice where there is any."""
        super().__init__(message)
        self.hint = hint


DISK_FULL = os.strerror(errno.ENOSPC)


def check_space(folder: str, needed: int) -> None:
    """Refuse to start where the disk would fill; raises ReleaseError with the figures in MB."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ReleaseError(
            f"release_min_free = {needed >> 20}m (in {RELEASE_FILE}): {folder} on this host has only "
            f"{free >> 20}m free.",
            "Make room, keep fewer releases (release_keep), or lower release_min_free.",
        )


def disk_error(error: OSError, folder: str) -> ReleaseError:
    """Return what to tell people of an error of the disk; one of another kind comes back as it is."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return ReleaseError(f"{folder}: {error}")
    return ReleaseError(
        f"The disk of {folder} is full. What was begun is taken away again; nothing that serves was touched.",
        f"Make room, keep fewer releases (release_keep in {RELEASE_FILE}), or raise release_min_free.",
    )


class Place:
    """Where one release of one application lives on this host."""

    def __init__(self, root: str, release: str) -> None:
        """Take the application's folder (/srv/<app>) and the release's id."""
        self.root = root
        self.id = release
        self.releases = os.path.join(root, "releases")
        self.folder = os.path.join(self.releases, release)
        self.venvs = os.path.join(root, "venvs")
        self.current_link = os.path.join(root, "current")

    def path(self, *parts: str) -> str:
        """Return a path inside the release."""
        return os.path.join(self.folder, *parts)

    @property
    def finished(self) -> dict[str, Any] | None:
        """Return the content of release.json, which is written last; None while there is none."""
        return read_json(self.path("release.json"))

    @property
    def current(self) -> str:
        """Return the id of the release that `current` names, "" before the first."""
        try:
            return os.path.basename(os.readlink(self.current_link))
        except OSError:
            return ""

    @property
    def live_folder(self) -> str:
        """Return the folder with live code, "" for a real release."""
        source = self.path("source")
        return os.path.realpath(source) if os.path.islink(source) else ""


def read_json(path: str) -> dict[str, Any] | None:
    """Return a file's JSON, None when it is not there or not whole."""
    try:
        with open(path, encoding="utf-8") as handle:
            content: dict[str, Any] = json.load(handle)
            return content
    except (OSError, ValueError):
        return None


def write_atomic(path: str, content: str, mode: int = 0o644) -> bool:
    """Write a text file that is there whole or not at all; returns whether it differs from before."""
    try:
        with open(path, encoding="utf-8") as handle:
            if handle.read() == content:
                return False
    except OSError:
        pass
    unfinished = path + ".new"
    with open(unfinished, "w", encoding="utf-8") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
        os.fchmod(handle.fileno(), mode)
    os.replace(unfinished, path)
    return True


def point(link: str, target: str) -> bool:
    """Make a symbolic link point at the target by renaming a new one over it; returns whether that changed it."""
    try:
        if os.readlink(link) == target:
            return False
    except OSError:
        pass
    unfinished = link + ".new"
    if os.path.lexists(unfinished):
        os.unlink(unfinished)
    os.symlink(target, unfinished)
    os.replace(unfinished, link)
    return True


@contextmanager
def one_at_a_time(app: str, patience: float = 30) -> Iterator[None]:
    """Hold the application's lock on this host; raises ReleaseError when another run keeps it for longer (seconds)."""
    with open(f"/run/samestack-release-{app}", "a", encoding="utf-8") as lock:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ReleaseError(
                        "another deployment is at work on this host", "Wait until it is done, then run this again."
                    ) from None
                time.sleep(0.2)
        yield


class Steps:
    """Times the steps of a run, for the result."""

    def __init__(self) -> None:
        """Start with none."""
        self.done: list[dict[str, Any]] = []
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step."""
        start = time.monotonic()
        try:
            yield
        finally:
            seconds = round(time.monotonic() - start, 2)
            self.done.append({"name": name, "seconds": seconds})
            self.seconds[name] = round(self.seconds.get(name, 0) + seconds, 2)


def environment_file_names(path: str) -> set[str]:
    """Return the names that a systemd environment file sets."""
    try:
        with open(path, encoding="utf-8") as handle:
            lines = [line for line in handle if "=" in line and not line.startswith(("#", ";", " "))]
    except OSError:
        return set()
    return {line.split("=", 1)[0].strip() for line in lines}


def app_command(place: Place, account: Mapping[str, Any], command: Sequence[str]) -> list[str]:
    """Return the argument list that runs a command as the application, in its environment.

    `account` holds user, groups (a list) and env_file.
    systemd reads the environment files, so no secret is seen in a list of processes. Live code belongs to somebody else
    and the database to the application: there the command may write into the folder of live code, and nowhere it could
    not before.
    """
    arguments = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--service-type=exec"]
    properties = [
        "User=" + account["user"],
        "Group=" + account["user"],
        "SupplementaryGroups=" + " ".join(account["groups"]),
        "UMask=0022",
        "EnvironmentFile=" + account["env_file"],
        # The later file wins: STATIC_ROOT and DJANGO_SETTINGS_MODULE are the release's.
        "EnvironmentFile=" + place.path("release.env"),
        "WorkingDirectory=" + place.path("app"),
        *release_priority.inherited(),
    ]
    if place.live_folder:
        writable = [place.live_folder, os.path.join(place.root, "shared")]
        properties += [
            "AmbientCapabilities=CAP_DAC_OVERRIDE",
            "ProtectSystem=strict",
            "PrivateTmp=true",
            "ReadWritePaths=" + " ".join(path for path in writable if os.path.isdir(path)),
        ]
    for value in properties:
        arguments += ["--property", value]
    # systemd expands variables in a command line; the shell is meant to.
    return [*arguments, "--", *[part.replace("$", "$$") for part in command]]


def run_as_app(
    place: Place, account: Mapping[str, Any], command: Sequence[str], stdin: str = ""
) -> tuple[int, str, str]:
    """Run a command as the application; returns (exit code, standard output, standard error)."""
    done = subprocess.run(
        app_command(place, account, command), input=stdin, capture_output=True, text=True, errors="replace",
        check=False,
    )  # fmt: skip
    if place.live_folder:
        hand_over(place.live_folder, account["user"])
    return done.returncode, done.stdout, done.stderr


def hand_over(folder: str, user: str) -> None:
    """Give what the application's user made in a folder of live code to the folder's owner."""
    find = ["find", folder, "-xdev", "-user", user, "-exec", "chown", "-h", "--reference=" + folder, "{}", "+"]
    subprocess.run(find, check=False, capture_output=True)


def inside_source(*further: ModuleType, call: str = "", given: Mapping[str, Any] | None = None) -> str:
    """Return the text of the program that runs inside the application's Python: one file made of several of ours.

    What they import from each other is there already, so those lines go. The function `call` is called with `given`,
    which may be longer than an argument can be.
    """
    text = "from __future__ import annotations\n"
    for module in (release_inside, *further):
        lines = inspect.getsource(module).splitlines(keepends=True)
        text += "".join(line for line in lines if not OURS.match(line))
    return f"{text}\n{call}(json.loads({json.dumps(given or {})!r}))\n" if call else text


def inside_answer(output: str) -> dict[str, Any] | None:
    """Return what that program answered, None when it did not get that far."""
    for line in reversed(output.splitlines()):
        if line.startswith(release_inside.MARK):
            answer: dict[str, Any] = json.loads(line[len(release_inside.MARK) :])
            return answer
    return None
