"""What people are told when a step fails on a host."""

from __future__ import annotations

import errno
import os
import shutil

from .secrets import KNOWN

DECISIONS_FILE = "inventories/group_vars/all/app.yml"


class HostError(Exception):
    """A step failed; the text is for people, `hint` says what to do. Known secrets are in neither."""

    def __init__(self, message: str, hint: str = "") -> None:
        """Take the message, and advice where there is any."""
        super().__init__(KNOWN.masked(message))
        self.hint = KNOWN.masked(hint)


DISK_FULL = os.strerror(errno.ENOSPC)


#: Files that a release and its packages have, by far
FEWEST_INODES = 10_000


def check_space(folder: str, needed: int) -> None:
    """Refuse to start where the disk would fill; raises HostError with the figures in MB, or in files."""
    status = os.statvfs(folder)
    if status.f_files and status.f_favail < FEWEST_INODES:
        raise HostError(
            f"{folder} on this host has room for {status.f_favail} more files (inodes), and a release has thousands.",
            f"Find where the many small files are: `sudo du --inodes -x --max-depth=3 {folder} | sort -n | tail`.",
        )
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise HostError(
            f"release_min_free = {needed >> 20}m (in {DECISIONS_FILE}): {folder} on this host has only "
            f"{free >> 20}m free.",
            "Make room, keep fewer releases (release_keep), or lower release_min_free.",
        )


def disk_error(error: OSError, folder: str) -> HostError:
    """Return what to tell people of an error of the disk; one of another kind comes back as it is."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return HostError(f"{folder}: {error}")
    return HostError(
        f"The disk of {folder} is full. What was begun is taken away again; nothing that serves was touched.",
        f"Make room, keep fewer releases (release_keep in {DECISIONS_FILE}), or raise release_min_free.",
    )
