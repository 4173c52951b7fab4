"""What a Django project is: where its manage.py, settings, entry point and packages are, found in its source.

Pure functions over a folder; nothing of the project is run. Each value that is found can be given by hand instead.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import APP_FILE, DecisionError
from ..text import listing
from .code import imported_files, module_file, walk
from .entry_points import find_application, find_settings
from .packages import Packages, additions, find_file, kind_of, read_packages, read_toml
from .python import Asked, asked_by
from .variables import debug_variable, variables_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Given:
    """What people set by hand; an empty value is found instead."""

    directory: str = ""
    settings: str = ""
    wsgi: str = ""
    asgi: str = ""
    requirements: str = ""
    server: str = "gunicorn"


@dataclass(frozen=True)
class Project:
    """What was found; paths are relative to the source, entry points read `package.module:name`."""

    directory: str
    settings: str
    interface: str
    application: str
    packages: Packages
    added: list[str]
    python_path: list[str]
    environment: dict[str, bool]
    # Harmless values for variables, by what the settings make of them
    stand_ins: dict[str, str] = field(default_factory=dict)
    # What DEBUG is called where it is not called DEBUG, or is a number (`debug_variable`)
    debug_variable: str = ""
    asked: Asked = field(default_factory=Asked)
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for a task's result."""
        return asdict(self)


def detect(root: Path, given: Given, pins: Mapping[str, str]) -> Project:
    """Find everything about the project below `root`; raises DecisionError.

    Args:
        root: folder with the source.
        given: values set by hand.
        pins: versions of the packages that may be added (see `additions`).
    """
    directory = find_directory(root, given.directory)
    folders = import_folders(root, directory)
    settings, notes = find_settings(folders, given.settings)
    interface, application, more = find_application(folders, settings, given.wsgi, given.asgi)
    packages = find_packages(root, directory, given.requirements)
    asked = asked_by(root, directory, packages)
    file = module_file(folders, settings)
    files = imported_files(file, folders) if file else []
    variables, debug = variables_of(files), debug_variable(files)
    return Project(
        directory=directory,
        settings=settings,
        interface=interface,
        application=application,
        packages=packages,
        added=additions(packages.versions, interface, given.server, pins),
        python_path=[folder.relative_to(root).as_posix() for folder in folders[1:]],
        environment={name: variable.required for name, variable in variables.items()},
        stand_ins={name: variable.value for name, variable in variables.items() if variable.value},
        debug_variable=debug,
        asked=asked,
        notes=[*notes, *more, *filter(None, [asked.note])],
    )


def import_folders(root: Path, directory: str) -> list[Path]:
    """Return the folders that modules are imported from: that of manage.py, and `src`."""
    return [root / directory, *([root / "src"] if (root / "src").is_dir() and directory != "src" else [])]


def find_directory(root: Path, given: str) -> str:
    """Return the folder of manage.py relative to the source, "" for the source itself."""
    if given.strip("/. "):
        if (root / given / "manage.py").is_file():
            return given.strip("/")
        found = manage_folders(root)
        raise DecisionError(
            "app_directory", given, "there is no manage.py in that folder of the source",
            f"There is one in: {listing(found)}" if found else "Name the folder that has it",
        )  # fmt: skip
    if (root / "manage.py").is_file():
        return ""
    found = manage_folders(root)
    if len(found) == 1:
        return found[0]
    if not found:
        raise DecisionError(
            "app_directory", given, "no manage.py was found in the source",
            "Point app_source at a Django project, and app_directory at the folder of its manage.py",
        )  # fmt: skip
    raise DecisionError(
        "app_directory", given, f"the source has several manage.py, in {listing(found)}",
        f'Choose one, like app_directory: "{found[0]}"',
    )  # fmt: skip


def manage_folders(root: Path) -> list[str]:
    """Return the folders that have a manage.py of Django's, relative to the source, nearest first."""
    files = [path for path in walk(root, "manage.py") if "DJANGO_SETTINGS_MODULE" in path.read_text(errors="replace")]
    return [path.parent.relative_to(root).as_posix() for path in files]


def find_packages(root: Path, directory: str, given: str) -> Packages:
    """Return the file that lists the packages and what it says."""
    if given and not (root / given).is_file():
        raise DecisionError("app_requirements", given, "the source has no such file", "Leave it empty to have it found")
    found = (kind_of(given), given) if given else _found_packages(root, directory)
    try:
        return read_packages(root, *found, directory)
    except ValueError as error:
        raise DecisionError("app_requirements", given, str(error), "Mend the file, or name another one") from error


def _found_packages(root: Path, directory: str) -> tuple[str, str]:
    try:
        found = find_file(root, directory)
    except ValueError as error:
        raise DecisionError("app_requirements", "", str(error), "Mend the file") from error
    if found:
        return found
    folders = [root / directory, root]
    if any((folder / "Pipfile").is_file() for folder in folders):
        raise DecisionError("app_requirements", "", "Pipfile has no lock", "Run `pipenv lock` and commit Pipfile.lock")
    if any("[tool.poetry" in (folder / "pyproject.toml").read_text() for folder in folders
           if (folder / "pyproject.toml").is_file()):  # fmt: skip
        raise DecisionError("app_requirements", "", "the project uses Poetry and has no lock",
                           "Run `poetry lock` and commit poetry.lock")  # fmt: skip
    for folder in folders:
        if groups := list(read_toml(folder / "pyproject.toml").get("dependency-groups", {})):
            raise DecisionError(
                "app_requirements", "",
                f"pyproject.toml lists packages in groups alone ({', '.join(groups)}), and no lock is beside it",
                f"Run `uv pip compile --group {groups[0]} -o requirements.txt` with the group that servers need, and "
                "commit requirements.txt",
            )  # fmt: skip
    raise DecisionError(
        "app_requirements", "", "the source has no file that lists its packages",
        "Add uv.lock, pylock.toml, poetry.lock, Pipfile.lock, requirements.txt, or dependencies in pyproject.toml",
        file=APP_FILE,
    )  # fmt: skip
