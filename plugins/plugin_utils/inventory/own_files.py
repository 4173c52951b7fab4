"""The project's own files that go to its hosts: `nginx/` has location blocks, `systemd/` drop-ins of the app's units.

Files end in `.conf`, templates in `.conf.j2`. Runs on the control node.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Problem
from ..project_root import project_root
from .laws import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ENDINGS = (".conf", ".conf.j2")
FOLDERS = ("nginx", "systemd")


def is_ours_to_read(path: Path) -> bool:
    """Tell whether a file of these folders is meant for hosts, or at least looks so; notes beside them are not."""
    return not path.name.startswith((".", "README")) and not path.name.endswith("~")


def project_files(folder: str, root: Path | None = None) -> list[Path]:
    """Return the files of one of the project's folders that go to hosts, by name; `root`: of another project."""
    found = ((root or project_root()) / folder).glob("*")
    return sorted(path for path in found if path.is_file() and is_ours_to_read(path) and path.name.endswith(ENDINGS))


def target_name(path: str | Path) -> str:
    """Return the name that a file has on hosts."""
    return Path(path).name.removesuffix(".j2")


def process_names(workers: Iterable[str], timers: Iterable[str]) -> list[str]:
    """Return what the application's processes are called in names of files and units."""
    return ["web", *(f"worker-{name}" for name in workers), *(f"timer-{name}" for name in timers)]


def project_file_problems(root: Path, workers: Iterable[str], timers: Iterable[str]) -> Iterator[Problem]:
    """Yield the files that would go nowhere: with another ending, twice under one name, or for no process.

    Args:
        root: the project.
        workers: names of the application's workers.
        timers: names of its timers.
    """
    processes = process_names(workers, timers)
    for folder in FOLDERS:
        seen: set[str] = set()
        for path in sorted((root / folder).glob("*")):
            place = f"{folder}/{path.name}"
            if not is_ours_to_read(path):
                continue
            name = target_name(path)
            if path.is_dir() or not path.name.endswith(ENDINGS):
                what = f"what goes to hosts is a file of {folder}/ that ends in .conf, or in .conf.j2 for a template"
                yield Problem("file", place, what, "Rename it, or keep it in another folder")
            elif name in seen:
                yield Problem("file", place, f"there is {folder}/{name} too", "Keep one of them")
            elif folder == "systemd" and Path(name).stem not in processes:
                fix = did_you_mean(Path(name).stem, processes, f"name it after one of {', '.join(processes)}")
                yield Problem("file", place, "the application has no process of that name", fix)
            seen.add(name)
