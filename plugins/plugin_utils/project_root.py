"""Where the user's project lies, and where ours does: they may be different folders. Runs on the control node."""

from __future__ import annotations

from pathlib import Path

from ansible import constants

#: Roles, playbooks and plugins: replaced by upgrades, and written to by nobody
ENGINE = Path(__file__).resolve().parents[2]


def project_root() -> Path:
    """Return the project's folder: that of the ansible.cfg in use, which lies beside `inventories`.

    A configuration of the user's own (~/.ansible.cfg, /etc/ansible) names no project: then it is the current folder.
    """
    folder = Path(constants.CONFIG_FILE).resolve().parent if constants.CONFIG_FILE else Path.cwd()
    return folder if (folder / "inventories").is_dir() else Path.cwd()


def project_path(path: str) -> str:
    """Return a path of the control node as an absolute one; a relative one starts at the project's folder."""
    return str(project_root() / Path(path).expanduser()) if path else ""
