"""Another Samestack for a project: what changes with it, its inventories in the new words, and the pin."""

from __future__ import annotations

import difflib
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .adopting import THIN, configuration
from .command import stop, verb
from .project import ENGINE, PROJECT, STATE

if TYPE_CHECKING:
    from box.cloned import Move
    from box.pinning import Pin
    from plugins.plugin_utils.inventory.migrations.project import Project
    from plugins.plugin_utils.version import Version

GROUP = "Begin"
#: What a thin project has of the engine's, by the names there
SHARED = {"samestack": "samestack", "Makefile": "Makefile", "Vagrantfile": "Vagrantfile", ".gitignore": "gitignore"}
#: Folders whose files may name a variable
SPEAKING = ("hooks", "nginx", "systemd")
PIPELINES = (".github/workflows", ".forgejo/workflows", ".gitlab-ci.yml", "bitbucket-pipelines.yml")
INSTEAD = "SAMESTACK_FROM may name another place."


@verb(
    "update", group=GROUP, example=["samestack update", "samestack update --check", "samestack update --to v0.2.0"],
    page="update",
)  # fmt: skip
@click.option("--to", "wanted", metavar="VERSION", default="", help="This version, instead of the newest.")
@click.option("--check", is_flag=True, help="Only show what would be done.")
@click.option("--diff", is_flag=True, help="Show the lines that change.")
def update(wanted: str, *, check: bool, diff: bool) -> None:
    """Take this project to another version of Samestack, with its inventories; servers are not touched."""
    from box.common import SetupError

    try:
        way = find_way(wanted)
        if way is None:
            return
        arrival = prepare(way)
        if way.goal == way.at and not (arrival.texts or arrival.project.left):
            click.echo(f"Samestack {way.at} is {'this one' if wanted else 'the newest'} at {way.address}.")
            return
        click.echo("\n".join(told(way, arrival)))
        if diff:
            click.echo("\n".join(lines_that_change(arrival.texts)))
        if check:
            click.echo("\nNothing was changed (--check).")
            return
        write(way, arrival)
    except (SetupError, OSError, UnicodeDecodeError) as problem:
        stop(f"{problem} Nothing was changed.")
    click.echo("\n".join(afterwards(way, arrival)))


@dataclass(frozen=True)
class Way:
    """From one version to another."""

    #: What samestack.lock says; None for a clone
    pin: Pin | None
    address: str
    at: Version
    #: Whether the project is at the version itself, and not at a commit before it
    released: bool
    goal: Version
    commits: dict[Version, str]
    #: The engines of both
    old: Path
    new: Path
    #: The lock's text; "" for a clone
    lock: str = ""

    @property
    def back(self) -> bool:
        """Whether it leads to an earlier version."""
        return self.goal < self.at


@dataclass
class Arrival:
    """What a project is to be."""

    project: Project
    #: Texts of files before and after, by their paths in the project
    texts: dict[str, tuple[str, str]] = field(default_factory=dict)
    #: Files of ours that somebody has changed in the project
    kept: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    move: Move | None = None
    #: What somebody has changed in the engine, and where that is kept
    patch: bytes = b""
    patch_file: Path = Path()


def find_way(wanted: str) -> Way | None:
    """Return the way to a version; None where the project is there already. Hands over to a newer engine.

    Raises `SetupError` where there is no such version, or nobody answers.
    """
    from box import cloned, pinning
    from box.common import SetupError
    from plugins.plugin_utils.version import own_version, parsed, version_in

    pin = pinning.read_pin(PROJECT)
    if not pin and not (PROJECT / ".git").exists():
        raise SetupError(f"{PROJECT}: it pins no Samestack (samestack.lock), and is no clone of it.")
    given = os.environ.get("SAMESTACK_FROM") or (pin.origin if pin else remote_of_clone())
    named = "SAMESTACK_FROM" if os.environ.get("SAMESTACK_FROM") else "samestack.lock, from" if pin else "git remote"
    pinning.refuse_login(given, named, "everybody on this computer could read in the arguments of git")
    address = pinning.address_from(PROJECT, given)
    says = pin.version if pin else version_in(PROJECT)
    try:
        at = parsed(says)
    except ValueError as problem:
        raise SetupError(
            f"version = {says}: this is none. Restore {'samestack.lock' if pin else 'galaxy.yml'} from git."
        ) from problem
    commits = versions(address)
    goal = chosen(wanted, address, commits)
    released = pin is not None and commits.get(at) == pin.commit
    if goal == at and released:
        click.echo(f"Samestack {at} is {'this one' if wanted else 'the newest'} at {address}.")
        return None
    if goal < at and not wanted:
        click.echo(f"Samestack {at} is newer than all that {address} has; `--to {goal}` goes back.")
        return None
    if goal == at and not pin:
        return Way(None, address, at, False, goal, commits, PROJECT, PROJECT)
    if not pin:
        cloned.git(PROJECT, "fetch", "-q", "--", address, "+refs/tags/v*:refs/tags/v*")
    digest = pinning.kept(PROJECT, goal, commits[goal])
    fresh = not digest
    if fresh:
        click.echo(f"Fetching Samestack {goal} from {address} …", err=True)
        digest = pinning.fetch(PROJECT, address, goal, commits[goal])
    old = pinning.engine_of(PROJECT, at, pin.commit) if pin else PROJECT
    new = pinning.engine_of(PROJECT, goal, commits[goal])
    # Migrations, also those that lead back, are the later engine's.
    if goal >= at and (fresh or new.resolve() != ENGINE):
        hand_over(new, goal, address)
    if parsed(own_version()) < max(goal, at):
        raise SetupError(f"This is Samestack {own_version()}, and the project is at {at}: use its own ./samestack.")
    lock = pinning.Pin(str(goal), commits[goal], digest, pin.origin).text() if pin else ""
    return Way(pin, address, at, released, goal, commits, old, new, lock)


def versions(address: str) -> dict[Version, str]:
    """Return the versions that can be had, with their commits. Raises `SetupError`."""
    from box import pinning
    from box.common import SetupError

    try:
        commits = pinning.releases_at(address)
    except SetupError as problem:
        raise SetupError(f"{problem}\n{INSTEAD}") from problem
    if not commits:
        raise SetupError(f"{address}: it has no version (a tag such as v1.4.0). {INSTEAD}")
    return commits


def chosen(wanted: str, address: str, commits: dict[Version, str]) -> Version:
    """Return the version that somebody wants, the newest where nothing is said. Raises `SetupError`."""
    from box.common import SetupError
    from plugins.plugin_utils.version import parsed

    if not wanted:
        return max(commits)
    with suppress(ValueError):
        if parsed(wanted) in commits:
            return parsed(wanted)
    raise SetupError(f"--to = {wanted}: {address} has {', '.join(map(str, sorted(commits)))}.")


def remote_of_clone() -> str:
    """Return where a clone gets versions from: the Samestack that was called in it, else its own remote."""
    from box.cloned import text
    from box.common import SetupError

    if ENGINE != PROJECT and not ENGINE.is_relative_to(PROJECT):
        return str(ENGINE)
    remotes = text(PROJECT, "remote").split()
    if not remotes:
        raise SetupError(f"{PROJECT}: this clone has no remote (`git remote add origin …`). {INSTEAD}")
    return text(PROJECT, "remote", "get-url", "origin" if "origin" in remotes else remotes[0])


def hand_over(engine: Path, goal: Version, address: str) -> None:
    """Go on as a later Samestack. Raises `SetupError` where that one cannot."""
    from box.common import SetupError

    if not (engine / "cli" / "updating.py").is_file():
        raise SetupError(f"--to = {goal}: that version cannot update a project.")
    given = click.get_current_context().params
    options = [f"--{name}" for name in ("check", "diff") if given[name]]
    os.environ["SAMESTACK_FROM"] = address
    os.execv(engine / "box" / "run", [str(engine / "box/run"), str(PROJECT), "update", "--to", str(goal), *options])


def prepare(way: Way) -> Arrival:
    """Return what the project is to be; nothing is written.

    Raises `SetupError` where nothing leads back, or a file cannot be read.
    """
    from box import cloned
    from box.common import SetupError
    from plugins.plugin_utils.inventory.files import unreadable
    from plugins.plugin_utils.inventory.migrations import all_migrations, due
    from plugins.plugin_utils.inventory.migrations.project import Project
    from plugins.plugin_utils.version import Version

    if problems := unreadable(PROJECT / "inventories", PROJECT):
        raise SetupError("\n".join(map(str, problems)))
    if way.pin and not (way.new / "box" / "run").is_file():
        raise SetupError(
            f"--to = {way.goal}: a project of its own folder cannot pin that version, it is older than that."
        )
    project = Project.read(PROJECT, speaking_files(way.pin is not None))
    before = dict(project.texts)
    arrival = Arrival(project, used=set_by(project))
    arrival.patch_file = own_edits_file(way.at)
    if way.pin:
        arrival.patch = edits_in(way.old)
    elif way.goal != way.at:
        arrival.move = cloned.plan(PROJECT, way.commits[way.goal], way.commits[max(way.commits)])
        arrival.patch = arrival.move.patch
    # Whoever has fetched and merged a clone by hand has an inventory of any version.
    at = way.at if way.pin or way.back else Version(0, 0, 0)
    steps = due(all_migrations(), at, way.goal, released=way.released)
    if not (arrival.move and arrival.move.untouched):
        for migration in steps:
            if way.back and migration.is_final_for(project):
                earliest = min(one for one in way.commits if one >= migration.since)
                raise SetupError(
                    f"--to = {way.goal}: nothing leads back behind {migration.since} ({migration.what}): "
                    f"{migration.one_way}. The earliest is --to {earliest}."
                )
            migration.back(project) if way.back else migration.forward(project)
        name_what_is_gone(way, arrival)
    arrival.texts = {name: (before[name], text) for name, text in project.texts.items() if text != before[name]}
    if way.pin:
        refresh(way, arrival)
        lock = (PROJECT / "samestack.lock").read_text(encoding="utf-8")
        # Last: whoever is stopped before begins again.
        arrival.texts["samestack.lock"] = (lock, way.lock)
    return arrival


def speaking_files(thin: bool) -> list[Path]:
    """Return the files outside of the inventories that may name a variable, a repository's pipelines too."""
    from box.cloned import text

    folders = [PROJECT / name for name in SPEAKING]
    if top := text(PROJECT, "rev-parse", "--show-toplevel", accept=(0, 128)):
        folders += [Path(top) / name for name in PIPELINES]
    found = [path for folder in folders for path in (folder, *sorted(folder.rglob("*")))]
    if thin:
        found += [path for path in sorted(PROJECT.iterdir()) if path.name != "samestack.lock"]
    return list(dict.fromkeys(path for path in found if path.is_file()))


def set_by(project: Project) -> set[str]:
    """Return the variables that a project sets."""
    return {name for scope in project.scopes() for name in scope.entries}


def decisions_of(engine: Path) -> set[str]:
    """Return the decisions that a Samestack knows."""
    from plugins.plugin_utils.inventory.files import read_mapping

    specs = [
        read_mapping(file, str(file))[0]["argument_specs"] for file in engine.glob("roles/*/meta/argument_specs.yml")
    ]
    return {name for points in specs for name in points.get("decisions", {}).get("options", {})}


def name_what_is_gone(way: Way, arrival: Arrival) -> None:
    """Name what the project sets, the one version reads and the other does not."""
    gone = decisions_of(way.old) - decisions_of(way.new)
    said = {name for problem in arrival.project.left for name in problem.variable.split(", ")}
    for scope in list(arrival.project.scopes()):
        for name in sorted(scope.entries.keys() & gone - said):
            place = f"{scope.file}:{scope.entries[name][0].start_mark.line + 1}"
            arrival.project.leave(name, place, f"Samestack {way.goal} has no such variable", "Take the line out")


def refresh(way: Way, arrival: Arrival) -> None:
    """Bring the project's few files of ours up to date; one that somebody has changed is kept, and named."""
    for name, source in SHARED.items():
        ours = [
            (engine / THIN.relative_to(ENGINE) / source).read_text(encoding="utf-8") for engine in (way.old, way.new)
        ]
        take(arrival, name, *ours)
    take(
        arrival, "ansible.cfg", *(configuration((one / "ansible.cfg").read_text("utf-8")) for one in (way.old, way.new))
    )
    with suppress(FileNotFoundError):
        text = (PROJECT / "README.md").read_text(encoding="utf-8")
        page = re.sub(rf"\.samestack/engine/{re.escape(str(way.at))}(-\w+)?/", f"{way.new.relative_to(PROJECT)}/", text)
        if page != text:
            arrival.texts["README.md"] = (text, page)


def take(arrival: Arrival, name: str, old: str, new: str) -> None:
    """Let a file of the project be the later version of ours, unless somebody has changed it."""
    try:
        text = (PROJECT / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    if text == old != new:
        arrival.texts[name] = (text, new)
    elif text not in (old, new) and old != new:
        arrival.kept.append(name)


def edits_in(engine: Path) -> bytes:
    """Return what somebody has changed in a fetched engine or added to it, as a patch."""
    from box.cloned import PATCH, git, snapshot

    if not (engine / ".git").exists():
        return b""
    # The tools may be elsewhere, by a link, which .gitignore does not take for a folder.
    options = ("--others", "--exclude-standard", "--exclude=.venv", "--exclude=.samestack")
    added = git(engine, "ls-files", "-z", *options).decode("utf-8", "surrogateescape")
    # A folder in that list is a repository of its own, which no patch has.
    files = [path for path in added.split("\0") if path and not path.endswith("/")]
    return git(engine, "diff", *PATCH, "HEAD", snapshot(engine, files))


def own_edits_file(at: Version) -> Path:
    """Return a file for a patch, which is not there yet."""
    names = (STATE / f"own-edits-{at}{f'-{number}' if number else ''}.patch" for number in range(1000))
    return next(path for path in names if not path.exists())


def told(way: Way, arrival: Arrival) -> list[str]:
    """Return what is done, for people."""
    from plugins.plugin_utils.inventory.migrations.changes import changes, concerning
    from plugins.plugin_utils.text import printable

    later = way.old if way.back else way.new
    listed = changes((later / "CHANGELOG.md").read_text(encoding="utf-8"))
    shown, others = concerning(listed, way.at, way.goal, arrival.used)
    lines = [f"Samestack {way.at} → {way.goal} ({way.commits[way.goal][:12]}), from {way.address}"]
    if way.goal == way.at and not way.pin:
        lines = [f"Samestack {way.at} is here; its inventories are looked through"]
    if shown:
        lines += ["", "What goes again:" if way.back else "What concerns this project:"]
        lines += [f"  {change.version}  {change.text}" for change in shown]
    if others:
        lines.append(f"  and {others} that concern nothing that this project sets (CHANGELOG.md)")
    if arrival.project.done:
        lines += ["", "Rewritten:", *(f"  {line}" for line in arrival.project.done)]
    ours = [name for name in arrival.texts if not name.startswith("inventories/")]
    if ours:
        lines += ["", f"Replaced: {', '.join(ours)}"]
    if arrival.kept:
        theirs = (way.new / THIN.relative_to(ENGINE)).relative_to(PROJECT)
        lines += ["", f"Yours are kept, though ours have changed (look at {theirs}): {', '.join(arrival.kept)}"]
    if arrival.project.left:
        lines += ["", "For you to rewrite:", *(f"  {problem}" for problem in arrival.project.left)]
    if arrival.project.encrypted and arrival.project.done:
        lines.append(f"  In encrypted files nobody has looked: {', '.join(sorted(set(arrival.project.encrypted)))}")
    return [printable(line) for line in lines]


def lines_that_change(texts: dict[str, tuple[str, str]]) -> list[str]:
    """Return the lines that change, and none beside them."""
    found: list[str] = []
    for name, (before, after) in texts.items():
        found += ["", *difflib.unified_diff(before.splitlines(), after.splitlines(), name, name, lineterm="", n=0)]
    return found


def write(way: Way, arrival: Arrival) -> None:
    """Write everything, or nothing: what was written is taken back where something fails.

    Raises `SetupError`, OSError.
    """
    from box.pinning import install
    from plugins.plugin_utils.files import write_whole

    if arrival.patch and arrival.move is None:
        write_whole(arrival.patch_file, arrival.patch, 0o600)
    modes = {name: (PROJECT / name).stat().st_mode & 0o777 for name in arrival.texts}
    written: list[str] = []
    try:
        for name, (_before, after) in arrival.texts.items():
            write_whole((PROJECT / name).resolve(), after, modes[name])
            written.append(name)
        if arrival.move:
            arrival.move.make(arrival.patch_file, f"Samestack {way.goal}")
        if way.pin:
            # And Ansible finds it from now on, also before the next command.
            install(PROJECT)
    except BaseException:
        for name in written:
            write_whole((PROJECT / name).resolve(), arrival.texts[name][0], modes[name])
        raise


def afterwards(way: Way, arrival: Arrival) -> list[str]:
    """Return what to do next."""
    lines = [""]
    if arrival.patch:
        patch = os.path.relpath(arrival.patch_file, PROJECT)
        where = "" if arrival.move else f" -C {way.new.relative_to(PROJECT)}"
        file = patch if arrival.move else arrival.patch_file
        lines += [
            f"What was changed in Samestack itself is no longer there; it is kept in {patch}. To apply it again:",
            f"  git{where} apply --3way {file}",
            "",
        ]
    lines.append("Look at it (`git diff`), and at what servers would get: `./samestack plan staging`.")
    if way.back and (way.new / "cli" / "updating.py").is_file():
        lines.append("The first change to a server that a later Samestack was at takes `--allow-older-engine`.")
    return lines


VERBS = (update,)
