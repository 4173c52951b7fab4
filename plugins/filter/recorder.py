"""What programs of a host are made of, the recorder among them, and the key under which it tells what is secret."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ansible.errors import AnsibleFilterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

from ..module_utils.manifest.reading.key import derived_key
from ..plugin_utils.project_root import ENGINE

MODULES = ENGINE / "plugins" / "module_utils"
#: What the recorder is made of, as it lies in module_utils
RECORDER = (
    "__init__.py", "common/*.py", "inside_app/*.py", "manifest/*.py", "manifest/reading/*.py", "manifest/sections/*.py",
    "release/__init__.py", "release/application.py", "release/inside.py", "release/interpreter.py",
    "release/place.py",
    "release/files/__init__.py", "release/files/contents.py",
)  # fmt: skip


def recorder_files(folder: str) -> list[dict[str, str]]:
    """Return `system_state` entries that put the recorder into a folder.

    Its packages keep their names below `plugins`; what roles say of their services (`roles/<role>/manifest/`) joins the
    sections. Raises AnsibleFilterError where two files are of one name.
    """
    more: dict[str, Path] = {}
    for path in sorted(ENGINE.glob("roles/*/manifest/*.py")):
        name = f"manifest/sections/{path.name}"
        if name in more or (MODULES / name).exists():
            raise AnsibleFilterError(f"two sections of the manifest have one name: {more.get(name, name)} and {path}")
        more[name] = path
    return program_files(folder, RECORDER, more)


def program_files(folder: str, parts: Iterable[str], more: Mapping[str, Path] | None = None) -> list[dict[str, str]]:
    """Return `system_state` entries that put parts of `module_utils` into a folder, for a program of a host.

    Args:
        folder: where, on the host.
        parts: patterns (glob) below `module_utils`; the packages keep their names below `plugins`.
        more: other files, by the names that they have there.
    """
    package = "plugins/module_utils"
    found = {str(path.relative_to(MODULES)): path for part in parts for path in MODULES.glob(part)} | dict(more or {})
    sources = {f"{package}/{name}": path for name, path in found.items()}
    folders = sorted({str(parent) for name in sources for parent in Path(name).parents} - {"."})
    return [
        *({"path": f"{folder}/{name}", "state": "directory"} for name in folders),
        *({"path": f"{folder}/{name}", "source": str(sources[name])} for name in sorted(sources)),
    ]


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {"derived_key": derived_key, "recorder_files": recorder_files}
