"""A key that may log in no more: taken out of every account's authorized_keys."""

from __future__ import annotations

import base64
import hashlib
import pwd
import stat
from typing import TYPE_CHECKING

from ..common.errors import HostError
from ..common.folders import open_folder
from ..common.held_folder import Rights

if TYPE_CHECKING:
    from collections.abc import Iterable

#: A key begins with the length of its kind's name, four bytes of which the first three are nought (RFC 4253, 6.6).
KEY = "AAAA"
#: sshd's own (`AuthorizedKeysFile` in sshd_config(5))
FILES = ("authorized_keys", "authorized_keys2")


def without(text: str, fingerprint: str) -> str:
    """Return the text of an authorized_keys file without the lines of one key (`SHA256:…`)."""
    return "".join(line for line in text.splitlines(keepends=True) if not is_of(line, fingerprint))


def is_of(line: str, fingerprint: str) -> bool:
    """Return whether a line lets that key in: one of its words is the key, whatever options stand before it."""
    return not line.lstrip().startswith("#") and any(
        digest(word) == fingerprint for word in line.split() if word.startswith(KEY)
    )


def digest(word: str) -> str:
    """Return the fingerprint of a public key in base64; "" for what is none."""
    try:
        content = base64.b64decode(word + "=" * (-len(word) % 4))
    except ValueError:
        return ""
    return f"SHA256:{base64.b64encode(hashlib.sha256(content).digest()).decode().rstrip('=')}"


def revoke(fingerprint: str, *, only_look: bool, accounts: Iterable[pwd.struct_passwd] | None = None) -> list[str]:
    """Take a key out of every account; returns the accounts that had it.

    Args:
        fingerprint: `SHA256:…`, as `ssh-keygen -l` prints it.
        only_look: nothing is changed.
        accounts: instead of the machine's.

    Raises HostError where a file could not be looked at, after all others have been done.
    """
    found, failed = [], []
    # Many accounts of the system share a home that is no home.
    homes = {account.pw_dir: account for account in (pwd.getpwall() if accounts is None else accounts)}
    for home, account in homes.items():
        try:
            if take_out(home, account.pw_uid, fingerprint, only_look=only_look):
                found.append(account.pw_name)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (HostError, OSError) as error:
            failed.append(f"{account.pw_name}: {error}")
    if failed:
        raise HostError(
            f"It is not known whether the key may log in here: {'; '.join(failed)}.",
            "Look at the authorized_keys of these accounts by hand, and run this again.",
        )
    return sorted(found)


def take_out(home: str, owner: int, fingerprint: str, *, only_look: bool) -> bool:
    """Take a key out of one account's files; returns whether it was there."""
    there = False
    with open_folder(f"{home}/.ssh", owner) as folder:
        for name in FILES:
            status = folder.status(name)
            if status is None:
                continue
            before = folder.read(name).decode(errors="surrogateescape")
            after = without(before, fingerprint)
            if after == before:
                continue
            there = True
            if not only_look:
                rights = Rights(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
                folder.write(name, after.encode(errors="surrogateescape"), rights, sync=True)
    return there
