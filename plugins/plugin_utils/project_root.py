"""Where the user's project lies, and where ours does: they may be different folders. Runs on the control node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible import constants

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def own_state_inside(source: Mapping[str, Any]) -> str:
    """Return where the folder that runs leave behind is inside of the folder that is served live; "" outside of it."""
    live = project_path(str(source.get("path" if source.get("type") == "path" else "live_checkout") or ""))
    state, folder = Path(project_path(".samestack")).resolve(), Path(live).resolve()
    return str(state.relative_to(folder)) if live and state.is_relative_to(folder) else ""
