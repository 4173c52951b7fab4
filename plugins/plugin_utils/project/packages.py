"""Which file lists a project's packages, what it lists, which Python it wants, and what has to be added to serve it."""

from __future__ import annotations

import codecs
import json
import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from .pinning import EGG, INCLUDED, Unpinned, logical_lines, of_lines, of_locked, of_pipfile, of_sources, split_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# In the order of preference: what pins every package, hash-checked, comes first.
LOCKS = {"uv.lock": "uv", "pylock.toml": "pylock", "poetry.lock": "poetry", "Pipfile.lock": "pipenv"}
# A file for production knows more than a general one; both are what people write by hand.
REQUIREMENTS = [
    *(f"requirements{mark}{name}.txt" for name in ("production", "prod", "deploy") for mark in "/-_."),
    "requirements.txt",
    *(f"requirements/{name}.txt" for name in ("requirements", "base", "common", "main", "default")),
]
BYTE_ORDER_MARKS = [
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
]  # fmt: skip
# Optional groups of pyproject.toml that are meant for servers
GROUPS = ("production", "prod", "deploy")
# What people call the packages that they develop with: groups, extras, and files of requirements
DEVELOPMENT = ("dev", "develop", "development", "local", "debug")
# The same of what they test with
TESTING = ("test", "tests", "testing")
BOTH = (*DEVELOPMENT, *TESTING)
DEVELOPMENT_FILES, TESTING_FILES = (
    [
        *(f"requirements{mark}{name}.txt" for name in names for mark in "/-_."),
        *(f"{name}{mark}requirements.txt" for name in names for mark in "-_."),
    ]
    for names in (DEVELOPMENT, TESTING)
)
# Servers and drivers that come in one of these forms
# What uvicorn speaks WebSockets with; without one of them it answers 404.
WEBSOCKETS = {"websockets", "wsproto"}
PSYCOPG_FORMS = {"psycopg-binary", "psycopg-c", "psycopg2", "psycopg2-binary"}


@dataclass(frozen=True)
class Development:
    """What a project is developed with: extras and groups of its list of packages, files relative to the source."""

    extras: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Packages:
    """The file that lists a project's packages.

    `kind` is uv, pylock, poetry, pipenv, requirements or pyproject; `file` is relative to the source; `versions` maps
    the packages that a server gets to their versions, None where the file leaves the version open; `python` is the
    version specifier that the project gives, or ""; `extras` and `groups` are the optional ones for servers; `indexes`
    are the names of the package indexes that the project declares itself; `inputs` are the files that decide, `folder`
    is the project's, of which a workspace may have many; `unpinned` says what may be other code the next time, and
    `local` which folders and files of the source are among that.
    """

    kind: str
    file: str
    versions: dict[str, str | None] = field(default_factory=dict)
    python: str = ""
    extras: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    indexes: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    folder: str = ""
    unpinned: dict[str, str] = field(default_factory=dict)
    local: list[str] = field(default_factory=list)
    development: Development = field(default_factory=Development)


def find_file(root: Path, directory: str) -> tuple[str, str] | None:
    """Return (kind, path relative to the source) of the file that lists the packages: nearest to manage.py first."""
    for folder in upwards(root, root / directory):
        for name in [*LOCKS, *REQUIREMENTS, "pyproject.toml"]:
            path = folder / name
            if name == "pyproject.toml" and path.is_file():
                lock = workspace_lock(root, folder)
                if lock:
                    return "uv", lock
            if path.is_file() and (name != "pyproject.toml" or lists_packages(read_toml(path))):
                return kind_of(name), path.relative_to(root).as_posix()
    return None


def lists_packages(project: Mapping[str, Any]) -> bool:
    """Return whether a pyproject.toml says which packages a server gets."""
    return "dependencies" in project.get("project", {}) or bool(groups_of_servers(project))


def groups_of_servers(project: Mapping[str, Any]) -> list[str]:
    """Return the groups of a pyproject.toml that a server gets where it lists packages in groups alone.

    It is the one that has Django in it, if no other has but those for developing, and those that are called so.
    """
    declared = project.get("dependency-groups", {})
    if "dependencies" in project.get("project", {}):
        return []
    found = [name for name in declared if name not in (*BOTH, *GROUPS) and "django" in _listed(_group(declared, name))]
    return [*found, *(name for name in GROUPS if name in declared)] if len(found) == 1 else []


def _group(declared: Mapping[str, Any], name: str, around: tuple[str, ...] = ()) -> list[str]:
    """Return the requirements of a dependency group, those of groups that it includes as well (PEP 735)."""
    found: list[str] = []
    for one in declared.get(name, []) if name not in around else []:
        found += [one] if isinstance(one, str) else _group(declared, one.get("include-group", ""), (*around, name))
    return found


def upwards(root: Path, start: Path) -> list[Path]:
    """Return a folder and those above it, up to the source."""
    return [start, *(parent for parent in start.parents if parent == root or root in parent.parents)]


def workspace_lock(root: Path, member: Path) -> str:
    """Return the lock of the uv workspace that a project belongs to, relative to the source; "" for one without."""
    for folder in upwards(root, member)[1:]:
        content = read_toml(folder / "uv.lock")
        if content and member_of(content, member.relative_to(folder).as_posix()):
            return (folder / "uv.lock").relative_to(root).as_posix()
    return ""


def member_of(lock: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return the package of a uv.lock that is the project in the folder `path`, {} for none."""
    for package in lock.get("package", []):
        source = package.get("source", {})
        if path in (source.get("virtual"), source.get("editable")):
            found: dict[str, Any] = package
            return found
    return {}


def project_folder(root: Path, kind: str, file: str, directory: str) -> str:
    """Return the folder of the project whose packages a file lists: in a workspace, that of manage.py's member."""
    top = (root / file).parent
    if kind == "uv":
        lock = read_toml(root / file)
        for folder in upwards(root, root / directory):
            if top in (folder, *folder.parents) and member_of(lock, folder.relative_to(top).as_posix()):
                return folder.relative_to(root).as_posix()
    return top.relative_to(root).as_posix()


def kind_of(name: str) -> str:
    """Return the kind of a file by its name."""
    base = name.rsplit("/", 1)[-1]
    if re.fullmatch(r"pylock(\..+)?\.toml", base):
        return "pylock"
    return LOCKS.get(base, "pyproject" if base == "pyproject.toml" else "requirements")


def read_packages(root: Path, kind: str, file: str, directory: str = "") -> Packages:
    """Read the file; raises ValueError (its text says where and what) when it does not parse."""
    path = root / file
    folder = project_folder(root, kind, file, directory)
    project = read_toml(root / folder / "pyproject.toml")
    readers: dict[str, Callable[[Path, Any, list[str]], dict[str, str | None]]] = {
        "pylock": _pylock, "poetry": _poetry, "pipenv": _pipenv, "requirements": _requirements,
        "pyproject": lambda _path, content, extras: _listed(_of_pyproject(content, extras)),
    }  # fmt: skip
    if kind == "pyproject" and not lists_packages(project):
        raise ValueError(f"{file} lists no packages in a [project] table")
    extras = [name for name in GROUPS if name in project.get("project", {}).get("optional-dependencies", {})]
    groups = [name for name in GROUPS if name in project.get("dependency-groups", {})] if kind == "uv" else []
    groups += groups_of_servers(project) if kind == "pyproject" else []
    inside = Path(os.path.relpath(root / folder, path.parent)).as_posix()
    try:
        if kind == "uv":
            reached = reachable(read_toml(path), inside, extras + groups)
            versions, open_ones = _versions(reached), of_locked(reached, inside)
        else:
            versions, open_ones = readers[kind](path, project, extras), _unpinned(path, kind, project, extras)
    except (KeyError, TypeError, tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{file} cannot be read: {error}") from error
    base = path.parent
    if kind == "requirements":
        # pip and uv take paths from the folder in which they are called, which the file does not say.
        there = [one for one in upwards(root, base) if all(_in_source(root, one, name) for name in open_ones.paths)]
        base = (there or [base])[0]
        folder = base.relative_to(root).as_posix()
    declared = project.get("tool", {}).get("uv", {}).get("index", [])
    inputs = list(dict.fromkeys([file, *_companions(root, kind, file, folder)]))
    return Packages(
        kind=kind,
        file=file,
        versions=versions,
        python=_python(path, kind, project),
        extras=extras if kind in ("uv", "pyproject") else [],
        groups=groups,
        indexes=[index["name"] for index in declared if "name" in index],
        inputs=inputs,
        folder="" if folder == "." else folder,
        unpinned=dict(sorted(open_ones.why.items())),
        local=sorted({_in_source(root, base, name) for name in open_ones.paths} - {""}),
        development=_development(root, kind, file, project),
    )


def _in_source(root: Path, folder: Path, name: str) -> str:
    """Return a path relative to the source, "" for one that is not in it, or not there."""
    found = Path(os.path.normpath(folder / name))
    return found.relative_to(root).as_posix() if found.is_relative_to(root) and found.exists() else ""


def _development(root: Path, kind: str, file: str, project: Mapping[str, Any]) -> Development:
    """Return what a project is developed with, as far as the file that lists its packages knows it."""
    folder = (root / file).parent
    declared = list(project.get("dependency-groups", {}))
    settings = project.get("tool", {})
    if kind == "requirements":
        top = folder.parent if folder.name == "requirements" and folder != root else folder
        listed = [[top / name for name in names] for names in (DEVELOPMENT_FILES, TESTING_FILES)]
        found = [next((path for path in paths if path.is_file() and path != root / file), None) for paths in listed]
        return Development(files=[path.relative_to(root).as_posix() for path in found if path])
    if kind == "pipenv":
        return Development(groups=["develop"])
    if kind == "pylock":
        locks = [[folder / f"pylock.{name}.toml" for name in names] for names in (DEVELOPMENT, TESTING)]
        found = [next((path for path in paths if path.is_file()), None) for paths in locks]
        return Development(files=[path.relative_to(root).as_posix() for path in found if path])
    extras = [name for name in project.get("project", {}).get("optional-dependencies", {}) if name in BOTH]
    if kind == "poetry":
        own = settings.get("poetry", {})
        declared += [*own.get("group", {}), *(["dev"] if own.get("dev-dependencies") else [])]
        return Development(extras, [name for name in dict.fromkeys(declared) if name in BOTH])
    # uv's own: what it installs when nobody says anything
    uv = settings.get("uv", {})
    default = uv.get("default-groups", ["dev"])
    chosen = declared if default == "all" else [name for name in declared if name in {*default, *BOTH}]
    old = ["dev"] if kind == "uv" and uv.get("dev-dependencies") and "dev" not in chosen else []
    return Development(extras, [*chosen, *old])


def developed_with(root: Path, packages: Packages) -> dict[str, str | None]:
    """Return the packages that live code has and servers have not, and their versions."""
    path, mine = root / packages.file, packages.development
    found: dict[str, str | None] = {}
    if packages.kind == "uv":
        inside = Path(os.path.relpath(root / packages.folder, path.parent)).as_posix()
        found = _versions(reachable(read_toml(path), inside, [*mine.extras, *mine.groups]))
    elif packages.kind == "requirements":
        for name in mine.files:
            found |= _requirements(root / name, {}, [])
    elif packages.kind == "poetry":
        found = _versions(one for one in read_toml(path)["package"] if {*one.get("groups", [])} & {*mine.groups})
    elif packages.kind == "pipenv":
        found = _pinned(json.loads(read_text(path)).get("develop", {}))
    return {name: version for name, version in found.items() if name not in packages.versions}


def _companions(root: Path, kind: str, file: str, project: str) -> list[str]:
    """Return the other files that decide what gets installed, relative to the source."""
    folder = (root / file).parent
    paths = [folder / name for name in ("pyproject.toml", "Pipfile")] + [root / project / "pyproject.toml"]
    if kind == "requirements":
        paths = [path for path in _included(root / file) if root in path.parents]
    # Where packages come from may be said in a folder above, too.
    for above in upwards(root, folder):
        paths.append(above / "uv.toml")
        if "uv" in read_toml(above / "pyproject.toml").get("tool", {}):
            paths.append(above / "pyproject.toml")
    return [path.relative_to(root).as_posix() for path in dict.fromkeys(paths) if path.is_file()]


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file, {} without one; raises ValueError naming the file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name} cannot be read: {error}") from error


def reachable(lock: Mapping[str, Any], project: str, wanted: list[str]) -> list[dict[str, Any]]:
    """Return the packages of a uv.lock that a server gets, from the project's folder on: no development groups.

    A lock that does not know the folder is followed from all of its projects.
    """
    by_name: dict[str, list[dict[str, Any]]] = {}
    for package in lock["package"]:
        by_name.setdefault(package["name"], []).append(package)
    own = member_of(lock, project)
    roots = [own] if own else [one for one in lock["package"] if one.get("source", {}).keys() & {"virtual", "editable"}]
    waiting: list[tuple[str, str]] = [(root["name"], mark) for root in roots for mark in ["", *wanted]]
    seen: set[tuple[str, str]] = set()
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for package in by_name.get(name, []):
            groups = {**package.get("optional-dependencies", {}), **package.get("dev-dependencies", {})}
            for needed in groups.get(extra, []) if extra else package.get("dependencies", []):
                waiting += [(needed["name"], mark) for mark in ["", *needed.get("extra", [])]]
    names = {name for name, _extra in seen} - {root["name"] for root in roots}
    return [package for name in sorted(names) for package in by_name.get(name, [])]


def _versions(packages: Iterable[Mapping[str, Any]]) -> dict[str, str | None]:
    return {canonicalize_name(one["name"]): one.get("version") for one in packages}


def _unpinned(path: Path, kind: str, project: Mapping[str, Any], extras: list[str]) -> Unpinned:
    """Return what a file that lists packages leaves open."""
    if kind in ("pylock", "poetry"):
        return of_locked(_of_servers(path, kind))
    if kind == "pipenv":
        return of_pipfile(json.loads(read_text(path))["default"])
    if kind == "requirements":
        found = of_lines(())
        for file in _included(path):
            more = of_lines(read_text(file).splitlines())
            found.why |= more.why
            found.paths += more.paths
        return found
    lines = _of_pyproject(project, extras)
    found, uv = of_lines(lines), project.get("tool", {}).get("uv", {})
    more = of_sources(uv.get("sources", {}), _listed(lines))
    links = of_lines(f"--find-links {one}" for one in uv.get("find-links", []))
    for other in (more, links):
        found.why |= other.why
        found.paths += other.paths
    return found


def _of_pyproject(project: Mapping[str, Any], extras: list[str]) -> list[str]:
    """Return the requirements of a pyproject.toml that a server gets."""
    table, groups = project.get("project", {}), project.get("dependency-groups", {})
    optional = [one for name in extras for one in table["optional-dependencies"][name]]
    of_groups = [one for name in groups_of_servers(project) for one in _group(groups, name)]
    return [*table.get("dependencies", []), *optional, *of_groups]


def _of_servers(path: Path, kind: str) -> list[dict[str, Any]]:
    """Return the packages of a pylock.toml or poetry.lock that a server gets."""
    content = read_toml(path)
    if kind == "pylock":
        return list(content["packages"])
    return [one for one in content["package"] if "main" in one.get("groups", [one.get("category", "main")])]


def _pylock(path: Path, _project: Any, _wanted: list[str]) -> dict[str, str | None]:
    return _versions(_of_servers(path, "pylock"))


def _poetry(path: Path, _project: Any, _wanted: list[str]) -> dict[str, str | None]:
    return _versions(_of_servers(path, "poetry"))


def _pipenv(path: Path, _project: Any, _wanted: list[str]) -> dict[str, str | None]:
    return _pinned(json.loads(read_text(path))["default"])


def _pinned(listed: Mapping[str, Any]) -> dict[str, str | None]:
    return {canonicalize_name(name): str(one.get("version", "")).removeprefix("==") or None
            for name, one in listed.items()}  # fmt: skip


def read_text(path: Path) -> str:
    """Return a text as pip and uv read it: by its byte order mark, which Windows PowerShell writes, else as UTF-8."""
    content = path.read_bytes()
    for mark, encoding in BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, errors="replace")
    return content.decode("utf-8", errors="replace")


def _included(path: Path) -> list[Path]:
    """Return a requirements file and those that it includes with -r or -c."""
    found: list[Path] = []
    waiting = [path]
    while waiting:
        current = waiting.pop(0).resolve()
        if current in found or not current.is_file():
            continue
        found.append(current)
        options = [split_option(line) for line in logical_lines(read_text(current).splitlines())]
        waiting += [current.parent / name for option, name in options if option in INCLUDED and "://" not in name]
    return found


def _requirements(path: Path, _project: Any, _wanted: list[str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for line in (line for file in _included(path) for line in logical_lines(read_text(file).splitlines())):
        egg = EGG.search(line)
        if egg:
            found[canonicalize_name(egg[1])] = None
        elif not line.startswith("-"):
            found.update(_listed([line.split(" --hash", 1)[0].rstrip()]))
    return found


def _listed(requirements: Iterable[str]) -> dict[str, str | None]:
    """Return the packages of PEP 508 requirements; an extra of psycopg counts as the package that it stands for."""
    found: dict[str, str | None] = {}
    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        exact = [
            one.version for one in requirement.specifier if one.operator in ("==", "===") and "*" not in one.version
        ]
        name = canonicalize_name(requirement.name)
        found[name] = exact[0] if exact else None
        if name == "psycopg":
            found.update({f"psycopg-{extra}": found[name] for extra in requirement.extras & {"binary", "c"}})
    return found


def _python(path: Path, kind: str, project: Mapping[str, Any]) -> str:
    """Return the Python version specifier of the project, "" when it gives none."""
    if kind == "pipenv":
        meta = json.loads(read_text(path)).get("_meta", {}).get("requires", {})
        wanted = meta.get("python_full_version") or meta.get("python_version", "")
        return f"=={wanted}" if meta.get("python_full_version") else f"=={wanted}.*" if wanted else ""
    lock = read_toml(path).get("requires-python", "") if kind in ("uv", "pylock") else ""
    declared = project.get("project", {}).get("requires-python", "")
    poetry = project.get("tool", {}).get("poetry", {}).get("dependencies", {}).get("python", "")
    return str(lock or declared or _caret(str(poetry)))


def _caret(text: str) -> str:
    """Translate Poetry's `^3.11`, `~3.11` and `3.11` to standard specifiers; "" for what has no translation."""
    parts = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        mark = re.fullmatch(r"(\^|~)?(\d+)((?:\.\d+)*)", part)
        if mark and mark[1] == "^":
            parts.append(f">={mark[2]}{mark[3]},<{int(mark[2]) + 1}")
        elif mark:
            parts.append(f"=={'.'.join((mark[2] + mark[3]).split('.')[:2])}.*")
        else:
            parts.append(part)
    return ",".join(parts) if "||" not in text else ""


#: Gunicorn's worker of uvicorn has been its own package since 0.30; from 0.4 on it wants a uvicorn as new as this one.
NEW_UVICORN, WORKER_OF_OLD = "0.36", "0.3.0"


def additions(versions: Mapping[str, str | None], interface: str, server: str, pins: Mapping[str, str]) -> list[str]:
    """Return the pinned requirements that serve the project and are not among its packages.

    Args:
        versions: the project's packages.
        interface: wsgi or asgi.
        server: gunicorn or granian.
        pins: name → version of what may be added.
    """
    names = ["granian"] if server == "granian" else ["gunicorn"]
    if interface == "asgi" and server == "gunicorn":
        names += ["uvicorn", "uvicorn-worker"]
        if not WEBSOCKETS & versions.keys():
            names.append("websockets")
    older = Version(versions.get("uvicorn") or NEW_UVICORN) < Version(NEW_UVICORN)
    added = [f"{name}=={WORKER_OF_OLD if older and name == 'uvicorn-worker' else pins[name]}"
             for name in names if name not in versions]  # fmt: skip
    return added + _driver(versions, pins)


def _driver(versions: Mapping[str, str | None], pins: Mapping[str, str]) -> list[str]:
    """Return the PostgreSQL driver to add: Django takes psycopg 3 since 4.2."""
    if PSYCOPG_FORMS & versions.keys():
        return []
    if "psycopg" in versions:
        # Without its binary part psycopg needs libpq from the system; the two parts must have the same version.
        return [f"psycopg-binary=={versions['psycopg']}" if versions["psycopg"] else "psycopg[binary]"]
    django = versions.get("django")
    if django and Version(django) < Version("4.2"):
        return [f"psycopg2-binary=={pins['psycopg2-binary']}"]
    return [f"psycopg[binary]=={pins['psycopg']}"]
