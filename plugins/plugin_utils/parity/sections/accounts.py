"""Section `accounts` in comparisons: users, groups, keys and sudo."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cases import Case

ORDER, SHORT = 210, "usr"
RULES = """
accounts/{user,group,sudo,key}:* | security_people login | who may log in, and as whom Ansible works
accounts/sshd:kexalgorithms      | login               | Vagrant logs in by a library of its own
accounts/password:*              | expected              | a password's hash is salted
"""


def remedy(case: Case) -> str:
    """Users, groups and who may use sudo."""
    kind, _, name = case.key.partition(":")
    if case.is_extra and kind == "sudo":
        return case.by_hand(f"sudo rm {shlex.quote(name)}")
    if case.is_extra and kind == "key":
        user = name.partition(":")[0]
        return case.by_hand(f"take the line out of ~{user}/.ssh/authorized_keys (ssh-keygen -lf shows which)")
    if kind == "sshd":
        return case.by_hand("grep -ri for it in /etc/ssh/sshd_config.d, put that back, then: sudo systemctl reload ssh")
    if case.is_extra and kind == "user":
        return case.by_hand(f"sudo userdel {shlex.quote(name)}")
    if kind == "group" and not case.is_lacking and isinstance(case.value, tuple) and isinstance(case.wanted, tuple):
        gone = [
            f"sudo gpasswd -d {shlex.quote(user)} {shlex.quote(name)}" for user in case.value if user not in case.wanted
        ]
        if gone:
            return case.by_hand("; ".join(gone))
    return case.provision
