"""Files of role host: certificates that it trusts, the keys and rights of administrators."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError

from ..plugin_utils.project_root import project_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


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


def admin_files(admins: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return `system_state` entries for administrators' keys and their right to use sudo without a password."""
    entries: list[dict[str, Any]] = []
    for admin in admins:
        name = admin["name"]
        owned = {"owner": name, "group": name}
        folder = f"/home/{name}/.ssh"
        keys = "".join(f"{public_key(key)}\n" for key in admin["keys"])
        entries += [
            {"path": folder, "state": "directory", "mode": "0700", **owned},
            {"path": f"{folder}/authorized_keys", "content": keys, "mode": "0600", **owned},
            {
                "path": f"/etc/sudoers.d/samestack-{name}",
                "content": f"{name} ALL=(ALL:ALL) NOPASSWD: ALL\n",
                "mode": "0440",
                "validate": "visudo --check",
            },
        ]
    return entries


def public_key(key: str) -> str:
    """Return a public key: the text itself (kind, key, comment), or what is in the file of that path.

    Raises AnsibleFilterError where there is no such file.
    """
    if " " in key.strip() and not key.strip().startswith(("/", "~", ".")):
        return key.strip()
    try:
        return Path(project_path(key.strip())).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise AnsibleFilterError(f"security_admins: the key {key!r} cannot be read: {error.strerror}") from error


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"ca_files": ca_files, "admin_files": admin_files}
