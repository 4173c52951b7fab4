"""Files of role host: certificates that it trusts, the keys and rights of people."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError

from ..plugin_utils.inventory.public_keys import read_key
from ..plugin_utils.project_root import project_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

#: One file a person
SUDOERS = "/etc/sudoers.d/samestack-"


def ca_files(paths: Iterable[str]) -> list[dict[str, Any]]:
    """Return `system_state` entries that make certificate files of the control node trusted on the host.

    update-ca-certificates reads only names that end in `.crt`.
    """
    return [
        {
            "path": f"/usr/local/share/ca-certificates/{PurePosixPath(path).stem}.crt",
            "source": path,
            "apply": "update-ca-certificates",
        }
        for path in sorted(set(paths))
    ]


def people_files(people: Mapping[str, Mapping[str, Any]], left: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Return `system_state` entries for people's keys and their right to use sudo without a password.

    Args:
        people: who has an account, by login name.
        left: who had one, and is let in no more; the account stays, so that nobody gets its number and its files.
    """
    entries: list[dict[str, Any]] = []
    for name, person in people.items():
        owned = {"owner": name, "group": name}
        folder = f"/home/{name}/.ssh"
        keys = "".join(f"{key}\n" for key in public_keys({name: person}))
        entries += [
            {"path": folder, "state": "directory", "mode": "0700", **owned},
            {"path": f"{folder}/authorized_keys", "content": keys, "mode": "0600", **owned},
            {
                "path": f"{SUDOERS}{name}",
                "content": f"{name} ALL=(ALL:ALL) NOPASSWD: ALL\n",
                "mode": "0440",
                "validate": "visudo --check",
                # Somebody may have let the person in by sshd's files, and not told sshd.
                "reload": "ssh.service",
            },
        ]
    for name in left:
        end = f"sh -c 'loginctl terminate-user {name} 2>/dev/null || true'"
        entries += [
            {"path": f"/home/{name}/.ssh/authorized_keys", "state": "absent"},
            {"path": f"{SUDOERS}{name}", "state": "absent", "apply": end},
        ]
    return entries


def login_key_files(
    people: Mapping[str, Mapping[str, Any]], login: Mapping[str, Any], home: str
) -> list[dict[str, Any]]:
    """Return the `system_state` entry by which everybody's keys are accepted for whoever Ansible works as.

    Somebody who works under an own name has the own keys alone.
    """
    if login["user"] in people or not home:
        return []
    owned = {"owner": login["user"], "group": login["groups"][0]}
    content = "".join(f"{key}\n" for key in public_keys(people))
    return [{"path": f"{home}/.ssh/authorized_keys", "state": "block", "content": content, **owned}]


def public_keys(people: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the public keys of people, each once; raises AnsibleFilterError for one that cannot be had."""
    found: dict[str, str] = {}
    for name, person in people.items():
        for text in person["keys"]:
            try:
                key = read_key(str(text), project_root())
            except ValueError as error:
                raise AnsibleFilterError(f"security_people.{name}.keys: {text!r} {error}") from error
            found.setdefault(" ".join(key.split()[:2]), key)
    return list(found.values())


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"ca_files": ca_files, "people_files": people_files, "login_key_files": login_key_files}
