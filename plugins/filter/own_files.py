"""Filters for the files of a project that go to its hosts as they are: location blocks and drop-ins of units."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..plugin_utils.inventory.own_files import process_names, project_files, target_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

RENEW = "touch /var/lib/samestack/owed/{app}"


def content(path: str) -> dict[str, str]:
    """Return the part of a `system_state` entry that says where its content comes from; `.j2` are templates."""
    return {"template" if path.endswith(".j2") else "source": path}


def own_files(folder: str) -> list[str]:
    """Return the absolute paths of the files in one of the project's folders that go to hosts, in order."""
    return [str(path) for path in project_files(folder)]


def include_files(paths: Iterable[str], folder: str) -> list[dict[str, Any]]:
    """Return `system_state` entries for files that Nginx includes; others in their folder on the host are removed.

    Args:
        paths: files of the control node.
        folder: where they go.
    """
    checked = {"validate": "nginx -t", "reload": "nginx.service"}
    files = [{"path": f"{folder}/{target_name(path)}", **content(path), **checked} for path in paths]
    return [{"path": folder, "state": "directory", "exclusive": True, **checked}, *files]


def drop_in_files(
    paths: Iterable[str], app: str, workers: Iterable[str], timers: Iterable[str]
) -> list[dict[str, Any]]:
    """Return `system_state` entries for the drop-ins of the application's units; units without one have none.

    What serves takes them up as it takes up its other settings: by new processes of the same release.

    Args:
        paths: files of the control node, each with the name of a process.
        app: name of the application.
        workers: names of its workers on this host.
        timers: names of its timers on this host.
    """
    given = {Path(target_name(path)).stem: path for path in paths}
    folders: list[dict[str, Any]] = []
    files: list[dict[str, Any]] = []
    # Those that are taken up come last, side by side: all are checked before the processes are asked for.
    for name in sorted(process_names(workers, timers), key=lambda name: not name.startswith("timer-")):
        at = "" if name.startswith("timer-") else "@"
        folder = f"/etc/systemd/system/{app}-{name}{at}.service.d"
        after: dict[str, Any] = {"apply": RENEW.format(app=app)} if at else {}
        if name not in given:
            files.append({"path": f"{folder}/project.conf", "state": "absent", **after})
            continue
        after["validate"] = f"systemd-analyze verify --man=no {app}-{name}{at and '@any'}.service"
        folders.append({"path": folder, "state": "directory"})
        files.append({"path": f"{folder}/project.conf", **content(given[name]), **after})
    return [*folders, *files]


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"drop_in_files": drop_in_files, "include_files": include_files, "own_files": own_files}
