"""Filters of role parity: the recorder's files, and the key under which it tells what is secret."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

from ..module_utils.manifest.reading.key import derived_key
from ..plugin_utils.project_root import ENGINE

MODULES = ENGINE / "plugins" / "module_utils"
#: What the recorder is made of, as it lies in module_utils
RECORDER = (
    "__init__.py", "common/*.py", "inside_app/*.py", "manifest/*.py", "manifest/reading/*.py", "manifest/sections/*.py",
    "release/__init__.py", "release/application.py", "release/inside.py", "release/place.py",
    "release/files/__init__.py", "release/files/contents.py",
)  # fmt: skip


def recorder_files(folder: str) -> list[dict[str, str]]:
    """Return `system_state` entries that put the recorder's packages into a folder, as the package `samestack`."""
    names = sorted(str(path.relative_to(MODULES)) for part in RECORDER for path in MODULES.glob(part))
    package = f"{folder}/samestack"
    folders = sorted({str(Path(name).parent) for name in names} - {"."})
    return [
        {"path": package, "state": "directory"},
        *({"path": f"{package}/{name}", "state": "directory"} for name in folders),
        *({"path": f"{package}/{name}", "source": str(MODULES / name)} for name in names),
    ]


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {"derived_key": derived_key, "recorder_files": recorder_files}
