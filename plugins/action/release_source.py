"""Gets the source of a release on the control node, finds out what it is, and gives the release its id."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.plugins.action import ActionBase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..plugin_utils.project.detect import Project
    from ..plugin_utils.project.python import Asked, Build
    from ..plugin_utils.project.repository import Source

from ..module_utils.release.place import LIVE_CODE
from ..plugin_utils.errors import DecisionError, SamestackError, failing
from ..plugin_utils.project.archive import check_links, intact, keep_newest, pack
from ..plugin_utils.project.detect import Given, detect
from ..plugin_utils.project.packages import Development
from ..plugin_utils.project.pinning import of_lines
from ..plugin_utils.project.programs import FULL, full_disk
from ..plugin_utils.project.python import choose
from ..plugin_utils.project.repository import FIXED_TIME, Request
from ..plugin_utils.project.source import fetch, find
from ..plugin_utils.project.writable import check_writable, code_in
from ..plugin_utils.project_root import project_root
from ..plugin_utils.release.identity import ID_LENGTH, digest, file_digest, inputs_of, platform_problem, venv_id
from ..plugin_utils.release.pythons import Pythons
from ..plugin_utils.text import listing

ARCHIVES_KEPT = 10
KINDS = ("git", "hg", "path")


class ActionModule(ActionBase):
    """Runs on the control node only; the host is known from its facts."""

    TRANSFERS_FILES = False

    @failing
    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return `release` (what the other steps need) and `say` (what people want to know)."""
        result: dict[str, Any] = super().run(tmp, task_vars) | {"remote_calls": 0}
        args, base = dict(self._task.args), project_root()
        if args.get("look"):
            look(args, base)
            return {**result, "changed": False}
        release = prepare(args, base)
        return {**result, "changed": False, "release": release, "say": describe(release)}


def look(args: dict[str, Any], base: Path) -> None:
    """See what can be seen of the source without a machine; raises DecisionError."""
    if args["look"] == "project":
        with fetched(args, base):
            return
    cache = cache_of(base)
    with locked(cache):
        find(request_of(args, base), cache)


def cache_of(base: Path) -> Path:
    """Return the folder that keeps mirrors and archives."""
    return base / ".samestack" / "sources"


def given_by(args: dict[str, Any]) -> Given:
    """Return what people set by hand."""
    return Given(**{key: args.get(key) or "" for key in ("directory", "settings", "wsgi", "asgi", "requirements")},
                 server=args.get("server") or "gunicorn")  # fmt: skip


@contextmanager
def fetched(args: dict[str, Any], base: Path) -> Iterator[tuple[Path, Source, Project]]:
    """Yield a folder with the source, what identifies it, and what it is; raises DecisionError."""
    request, cache = request_of(args, base), cache_of(base)
    with locked(cache), tempfile.TemporaryDirectory(dir=cache, prefix="tree-") as scratch:
        tree = Path(scratch) / "source"
        tree.mkdir()
        source = fetch(request, tree, cache)
        if not args.get("live_path"):
            if source.problem:
                raise source.problem
            check_links(tree)
        project = detect(tree, given_by(args), args["pins"])
        check_writable(tree, args.get("writable_paths") or [], project.directory)
        yield tree, source, project


def prepare(args: dict[str, Any], base: Path) -> dict[str, Any]:
    """Fetch, detect, and pack the source below `base`/.samestack/sources; raises DecisionError."""
    machine = args["machine"]
    cache = cache_of(base)
    live = args.get("live_path") or ""
    with fetched(args, base) as (tree, source, project):
        pythons = Pythons(base, str(args.get("python_mirror") or ""), str(args.get("python_downloads") or ""))
        build = choose(
            str(args.get("python") or ""), project.asked, machine["python"], machine["architecture"], pythons.builds
        )
        code = code_in(tree, args.get("writable_paths") or [])
        inputs = inputs_of(args, source, project, tree, build.interpreter if build else None)
        development = project.packages.development if live and args.get("dev_packages", True) else Development()
        if development != Development():
            inputs |= {"development": development_inputs(development, tree)}
        if not live:
            check_platforms(args, inputs)
        identity = LIVE_CODE if live else digest(inputs)[:ID_LENGTH]
        # Live code changes all the time: its packages are those of its lock.
        of_packages = {name: value for name, value in inputs.items() if not live or name != "source"}
        vid = venv_id(of_packages, project)
        tests = tests_of(args, project, of_packages, tree) if args.get("test_commands") and not live else {}
        archive = cache / f"{args['app']}-{identity}.tar.gz"
        if not live:
            # Whatever has happened to it since it was made
            if not intact(archive, source.listed.sha256):
                pack_archive(tree, source, archive)
            archive.touch()
            keep_newest(cache, f"{args['app']}-*.tar.gz", ARCHIVES_KEPT)
    return {
        "app": args["app"],
        "id": identity,
        "vid": vid,
        "archive": "" if live else str(archive),
        "source_sha256": "" if live else source.listed.sha256,
        "live_path": live,
        "development": asdict(development),
        "tests": tests,
        "label": source.label,
        "commit": source.identity.get("commit", ""),
        "mirror": source.mirror,
        "time": source.time if source.time != FIXED_TIME else None,
        "inputs": inputs,
        "server": given_by(args).server,
        "python": build.interpreter.name if build else "",
        "python_label": label_of(build, project.asked),
        "build_commands": args.get("build_commands") or [],
        "writable_paths": args.get("writable_paths") or [],
        "collectstatic": bool(args.get("collectstatic", True)) and not live,
        "requirements": [*project.added, *(args.get("extra_requirements") or [])],
        **project.as_dict(),
        "notes": [*project.notes, *stale_code(args, code)],
    }


def stale_code(args: dict[str, Any], folders: list[str]) -> list[str]:
    """Return what people should know of code in folders that every release shares."""
    if not folders or args.get("live_path"):
        return []
    return [f"app_writable_paths: {listing(folders)} has Python code, of which releases bring no newer one"]


def pack_archive(tree: Path, source: Source, archive: Path) -> None:
    """Pack a source; raises SamestackError."""
    try:
        pack(tree, source.listed, archive, source.time)
    except OSError as error:
        if error.errno in FULL:
            raise full_disk(archive.parent) from error
        raise SamestackError(f"The source could not be packed on this computer: {error}.") from error


def request_of(args: dict[str, Any], base: Path) -> Request:
    """Return what app_source asks for; raises DecisionError."""
    source = args.get("source") or {}
    kind = source.get("type")
    if kind not in KINDS:
        raise DecisionError("app_source.type", kind, "that is no kind of source", f"Write one of {', '.join(KINDS)}")
    location = str(source.get("path" if kind == "path" else "url") or "")
    if not location:
        name = "path" if kind == "path" else "url"
        raise DecisionError(f"app_source.{name}", "", f"a source of type {kind} needs it", f"Add {name} to app_source")
    if args.get("live_path") and kind != "path":
        raise DecisionError("app_source.type", kind, "live code (app_live_path) is a folder of this computer",
                           "Use type path where app_live_path is set")  # fmt: skip
    ref = str(args.get("ref") or source.get("ref") or "")
    return Request(
        kind=kind, location=location, base=base, ref=ref, deploy_key=str(source.get("deploy_key") or ""),
        known_hosts=[str(line) for line in source.get("known_hosts") or []],
        ref_of_this_run=bool(args.get("ref")),
    )  # fmt: skip


def check_platforms(args: dict[str, Any], inputs: dict[str, Any]) -> None:
    """Refuse machines on which the release could not run; raises DecisionError."""
    for host, machine in (args.get("machines") or {}).items():
        problem = platform_problem(inputs, machine)
        if problem:
            raise DecisionError(
                "web, worker", host, f"{problem} (the machine that builds)",
                "Use machines of one operating system release in an environment", file="the inventory",
            )  # fmt: skip


def tests_of(args: dict[str, Any], project: Project, inputs: dict[str, Any], tree: Path) -> dict[str, Any]:
    """Return the environment of the tests: the release's packages, and what the project is developed with."""
    development = project.packages.development if args.get("dev_packages", True) else Development()
    more = {"development": development_inputs(development, tree)} if development != Development() else {}
    return {"vid": venv_id(inputs | more, project), "development": asdict(development)}


def development_inputs(development: Development, tree: Path) -> dict[str, Any]:
    """Return what decides which packages live code has beside those of releases."""
    return {**asdict(development), "files": {name: file_digest(tree / name) for name in development.files}}


def label_of(build: Build | None, asked: Asked) -> str:
    """Return which Python the release brings, in words; "" for the hosts' own."""
    if not build:
        return ""
    return f"Python: {build.version}, one copy a host" + (f"; asked for: {asked.words}" if asked.words else "")


def describe(release: dict[str, Any]) -> list[str]:
    """Return what was found, in words."""
    packages = release["packages"]
    kind = "ASGI" if release["interface"] == "asgi" else "WSGI"
    lines = [
        f"Release {release['id']} of {release['app']}: {release['label']}",
        f"Found: {kind} {release['application']}, settings {release['settings']}, "
        f"manage.py in {release['directory'] or 'the top folder'}",
        f"Packages: {len(packages['versions'])} from {packages['file']}"
        + (f"; added {', '.join(release['requirements'])}" if release["requirements"] else ""),
        *filter(None, [release["python_label"]]),
    ]
    unpinned = {**packages["unpinned"], **of_lines(release["requirements"]).why}
    if unpinned:
        names = listing(f"{name} ({why})" for name, why in unpinned.items())
        lines.append(f"Packages of this release alone, because not everything is pinned by content: {names}")
    return [*lines, *release["notes"]]


@contextmanager
def locked(cache: Path) -> Iterator[None]:
    """Hold the cache: two runs on one computer must not write the same mirror. Clears what a killed run left."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in cache.glob("tree-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
