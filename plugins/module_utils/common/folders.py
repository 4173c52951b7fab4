"""How one gets to a folder: a path is walked name by name, and each folder on the way is held open (`held_folder`).

A link is followed only where root made it and nobody else can change it, as /bin and /var/run are. Below the first
folder of another user everything has to be that user's. What else is met is a `PathError`.

openat2(2) with its RESOLVE_NO_SYMLINKS, which refuses root's own links too, has no wrapper in the C libraries of the
supported systems.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING

from .held_folder import (
    ANYBODY,
    LARGEST_FILE,
    MOST_FOLDERS,
    OPEN_FOLDER,
    Folder,
    PathError,
    is_own,
    shared,
    user_name,
    writers,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# As many as the kernel follows (path_resolution(7))
MOST_LINKS = 40
#: The mode of a folder in which nobody but root may even look
PRIVATE = 0o700
#: Of one that others may pass through to what is theirs below it, and not look into
OPEN_TO_PASS = 0o711


def parts(path: str) -> list[str]:
    """Return the names of a path, the last one first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def open_folder(path: str, owner: int = 0) -> Folder:
    """Return a folder, reached without following anybody's links but root's own.

    Args:
        path: absolute.
        owner: the one user, beside root, whose folders it may lead through; ANYBODY: any one user's, which is right
            for reading alone.

    Raises PathError, and OSError where something is not there or no folder.
    """
    folder, _ = walk(path, owner, whole=True)
    return checked(folder, owner)


def parent_of(path: str, owner: int = 0) -> tuple[Folder, str]:
    """Return the folder of a path, as `open_folder` does, and the last name."""
    return open_folder(os.path.dirname(path), owner), os.path.basename(path)


def place_of(path: str, owner: int = 0) -> tuple[Folder, str]:
    """Return the folder and the name to which a path leads in the end, as `open_folder` does; no link any more."""
    folder, name = walk(path, owner, whole=False)
    return checked(folder, owner), name


def checked(folder: Folder, owner: int) -> Folder:
    """Return a folder of root's to which nobody else may write, or of the user to whom the path may lead."""
    status = folder.stat
    # Names in a folder of that user's are his business, and he gets no more than what is his.
    if owner != ANYBODY and is_own(status.st_uid) and writers(status):
        folder.close()
        raise shared(folder.path, status)
    return folder


def walk(path: str, owner: int, *, whole: bool) -> tuple[Folder, str]:
    """Walk a path; returns the folder and, unless the `whole` of it is one, the last name, no link any more.

    Raises PathError, and OSError where something is not there.
    """
    if not path.startswith("/") or "\0" in path:
        raise PathError(f"{path!r} is no absolute path", "Write it from / on.")
    stack = [Folder(os.open("/", OPEN_FOLDER), "/", owner)]
    names, links = parts(path), 0
    try:
        while names:
            name, here = names.pop(), stack[-1]
            if name == "..":
                leave(stack, 1)
                continue
            last = not names and not whole
            target = here.readlink(name) if last else enter(stack, name)
            if target is not None:
                links += 1
                if links > MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                check_link(here, name, target)
                leave(stack, len(stack) if target.startswith("/") else 0)
                names += parts(target)
            elif last:
                return stack.pop(), name
        return stack.pop(), ""
    finally:
        for folder in stack:
            folder.close()


def enter(stack: list[Folder], name: str) -> str | None:
    """Put a folder of the last one on the stack, or return where the link leads that has the name; raises OSError."""
    try:
        stack.append(stack[-1].folder(name))
    except NotADirectoryError:
        target = stack[-1].readlink(name)
        if target is None:
            raise
        return target
    return None


def leave(stack: list[Folder], levels: int) -> None:
    """Leave so many folders, but never the first."""
    for _ in range(min(levels, len(stack) - 1)):
        stack.pop().close()


def check_link(here: Folder, name: str, target: str) -> None:
    """Raise PathError for a link that somebody else made, or could have."""
    status = here.status(name)
    if status and is_own(status.st_uid) and here.is_closed:
        return
    path = here.named(name)
    whose = f"{user_name(status.st_uid)}'s" if status else "somebody's"
    raise PathError(
        f"{path} is a link to {target}, and {whose}: as root only links are followed that root alone can make.",
        f"Look what it leads to, then remove it: rm {path}",
    )


def make_folder(path: str, mode: int = 0o755) -> Folder:
    """Make a folder of root's where it is missing, with those above it (0755), and set its mode; returns it.

    Raises PathError and OSError.
    """
    try:
        folder = open_folder(path)
    except FileNotFoundError:
        above, name = os.path.split(path.rstrip("/"))
        with make_folder(above, -1) as parent:
            with contextlib.suppress(FileExistsError):
                parent.make(name, 0o755)
            folder = parent.folder(name)
    if mode >= 0 and stat.S_IMODE(folder.stat.st_mode) != mode:
        with folder.reading() as descriptor:
            os.fchmod(descriptor, mode)
    return folder


def open_file(path: str, owner: int = 0) -> int:
    """Return a descriptor that reads a regular file; links and folders as `open_folder` has them."""
    folder, name = walk(path, owner, whole=False)
    with folder:
        return folder.open(name)


def read_file(path: str, owner: int = 0, limit: int = LARGEST_FILE) -> bytes:
    """Return what is in a regular file, as `open_file` opens it; raises PathError, and OSError where there is none."""
    folder, name = walk(path, owner, whole=False)
    with folder:
        return folder.read(name, limit)


def tree(
    path: str, passed_over: Iterable[str] = (), too_deep: Callable[[str], object] | None = None
) -> Iterator[tuple[str, os.stat_result]]:
    """Yield (path, status) of what is below a folder and is none, in order, whosever it is; no link is followed.

    What cannot be listed is left out, and names that are `passed_over`. Where more than MOST_FOLDERS folders are in
    each other, `too_deep` is told. Raises PathError without it, and where the folder itself cannot be reached.
    """
    try:
        top = open_folder(path, ANYBODY)
    except OSError:
        return
    with contextlib.ExitStack() as stack:
        waiting = [(stack.enter_context(top), path.rstrip("/"), iter(listed(top)))]
        while waiting:
            folder, prefix, names = waiting[-1]
            name = next(names, None)
            if name is None:
                waiting.pop()[0].close()
                continue
            status = folder.status(name)
            if status is None or name in passed_over:
                continue
            if not stat.S_ISDIR(status.st_mode):
                yield f"{prefix}/{name}", status
                continue
            if len(waiting) > MOST_FOLDERS:
                if not too_deep:
                    raise PathError(f"{prefix}/{name} lies too deep.", f"Look what made it, then: rm -r {path}")
                too_deep(f"{prefix}/{name}")
                continue
            with contextlib.suppress(OSError):
                inner = Folder(os.open(name, OPEN_FOLDER, dir_fd=folder.descriptor), f"{prefix}/{name}", ANYBODY, False)
                waiting.append((stack.enter_context(inner), inner.path, iter(listed(inner))))


def listed(folder: Folder) -> list[str]:
    """Return the names in a folder, none where it cannot be listed."""
    try:
        return folder.names()
    except OSError:
        return []


def remove(path: str) -> None:
    """Remove a file, a link itself, or a folder with all that is in it; nothing where there is none."""
    try:
        folder, name = parent_of(path)
    except FileNotFoundError:
        return
    with folder:
        folder.remove(name)
