"""A host on paper: files below a folder, and programs that say what real ones said."""

from __future__ import annotations

# Sections are found by being there.
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plugins.module_utils.manifest import record
from plugins.module_utils.manifest.reading.cache import Cache
from plugins.module_utils.manifest.reading.machine import Host, MissingError

if TYPE_CHECKING:
    from types import ModuleType

    from plugins.module_utils.manifest.section import Service

ROOT = Path(__file__).resolve().parents[2]

KEY = "5a" * 32
CONFIG: dict[str, Any] = {
    "app": "noticeboard",
    "root": "/srv/noticeboard",
    "functions": ["app", "cache", "db", "web", "worker"],
    "database": "noticeboard",
    "database_port": 5432,
    "database_user": "shop",
    "groups": ["redis"],
    "names": {"staging.noticeboard.test": "app_domains"},
    "secrets": ["DATABASE_URL", "SECRET_KEY"],
}


def section_files() -> list[ModuleType]:
    """Return the files of sections that a host has: ours, and those of roles."""
    paths = sorted(ROOT.glob("roles/*/manifest/*.py"))
    return [*record.files(), *(import_module(".".join(path.relative_to(ROOT).with_suffix("").parts)) for path in paths)]


SERVICES: list[Service] = record.services(section_files())


class PaperHost(Host):
    """A host whose programs answer by what a command begins with."""

    def __init__(self, root: Path, **config: Any) -> None:
        """Take the folder that is `/`, and what differs from CONFIG."""
        super().__init__({**CONFIG, **config}, KEY, Cache(), str(root))
        self.services = SERVICES
        self.folder = root
        self.answers: dict[str, str] = {}
        self.asked: list[str] = []

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Put a file there."""
        file = self.folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)

    def ask(self, *command: str, **_given: Any) -> tuple[int, str, str]:
        """Return what the longest known beginning of the command says; raises MissingError for an unknown program."""
        line = " ".join(command)
        self.asked.append(line)
        known = sorted((start for start in self.answers if line.startswith(start)), key=len)
        if not known:
            raise MissingError(f"{command[0]} is not installed")
        return 0, self.answers[known[-1]], ""
