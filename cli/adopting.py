"""Begin: a project of ours for an application that is there already."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .command import stop, verb
from .project import ENGINE

if TYPE_CHECKING:
    from plugins.plugin_utils.adoption.adopt import Adoption

GROUP = "Begin"
THIN = ENGINE / "cli" / "thin"
#: What a project takes over from the engine's own as it is
INVENTORIES = (
    "dev.yml", "staging.yml", "production.yml", "rehearsal.yml", "group_vars/all/differences.yml",
    "group_vars/dev/differences.yml", "group_vars/staging/differences.yml", "group_vars/production/differences.yml",
    "group_vars/rehearsal/differences.yml",
)  # fmt: skip
DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")


@verb("init", group=GROUP, example=["samestack init ../mysite", "samestack init ../mysite --yes"], page="init")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option(
    "--into", type=click.Path(path_type=Path), help="Where to write the project; FOLDER/samestack if left out."
)
@click.option("--name", default="", help="The application's name; that of the folder if left out.")
@click.option("--domain", default="", help="The site's domain in production.")
@click.option(
    "--from",
    "origin",
    metavar="ADDRESS",
    default="",
    help="Where others fetch Samestack from: a git address or a path.",
)
@click.option("-y", "--yes", is_flag=True, help="Ask nothing.")
def init(folder: Path | None, into: Path | None, name: str, domain: str, origin: str, *, yes: bool) -> None:
    """Read an existing Django project and write what runs it: a folder of small files that pins this Samestack."""
    from box.common import SetupError
    from box.pinning import install, own_pin, uncommitted
    from plugins.plugin_utils.adoption import adopt, writing
    from plugins.plugin_utils.errors import DecisionError
    from plugins.plugin_utils.inventory.formats import FORMATS

    if folder is None:
        raise click.UsageError("name the folder of your project: samestack init ../mysite")
    called = Path(os.environ.get("SAMESTACK_CALLED_FROM") or Path.cwd())
    root = (called / folder.expanduser()).resolve()
    project = (called / into.expanduser()).resolve() if into else root / "samestack"
    asking = not yes and sys.stdin.isatty()
    check_folders(folder, root, project)
    try:
        adoption = adopt.adopt(root, ask if asking else lambda _question, _choices, best: best)
        adoption.name = str(FORMATS["app_name"].parse(name)) if name else adoption.name
    except DecisionError as error:
        stop(f"{root}: {error.problem.what[:1].upper()}{error.problem.what[1:]}. {error.problem.fix}.")
    except ValueError as error:
        stop(f"--name = {name}: this {error}. {FORMATS['app_name'].advice}.")
    click.echo(f"Read in {root}:\n")
    click.echo("\n".join(writing.report(adoption)))
    if asking and not domain:
        domain = click.prompt("\nThe site's domain in production (Enter: later)", default="", show_default=False)
    domain = domain.strip().lower()
    if domain and not DOMAIN.fullmatch(domain):
        stop(f"--domain = {domain}: this is no domain. Write one like www.example.org, without https:// or a path.")
    try:
        pin = own_pin(project, origin)
        if edited := uncommitted():
            click.echo(f"\nNot in any commit of {ENGINE}, and so not in the project: {', '.join(edited[:5])}", err=True)
        write(adoption, project, pin.text(), pin.version, domain)
        install(project)
    except BaseException as problem:
        # Also where somebody stops it: half a project would be in the way of the next.
        shutil.rmtree(project, ignore_errors=True)
        if isinstance(problem, SetupError | OSError):
            stop(f"{problem} Nothing was written.")
        raise
    click.echo(f"\nWritten: {project}, for Samestack {pin.version} ({pin.commit[:12]}) from {pin.origin}.")
    if adoption.problems:
        click.echo(f"Before it serves: {'; '.join(finding.note for finding in adoption.problems)}.")
    click.echo(f"\n  cd {os.path.relpath(project, called)}\n  ./samestack up")


def check_folders(folder: Path, root: Path, project: Path) -> None:
    """End this program where there is nothing to read, or something to overwrite."""
    if not root.is_dir():
        stop(f"{folder}: there is no such folder. Name the one with your project.")
    if project.is_relative_to(ENGINE) or root == ENGINE:
        stop(f"--into = {project}: this is inside of Samestack itself. Name a folder outside.")
    if project.exists() and (not project.is_dir() or any(project.iterdir())):
        what = "a project already" if (project / "samestack.lock").exists() else "not empty"
        stop(f"--into = {project}: it is {what}. Name a folder that is not there yet.")


def ask(question: str, choices: list[str], best: str) -> str:
    """Return which of several things somebody chooses."""
    return str(click.prompt(f"{question}", type=click.Choice(choices), default=best))


def write(adoption: Adoption, project: Path, lock: str, version: str, domain: str) -> None:
    """Write the project's files."""
    from plugins.plugin_utils.adoption import writing

    inventories = project / "inventories"
    for name in INVENTORIES:
        text = committed(f"inventories/{name}")
        environment = next((one for one in ("staging", "production") if one in name), "")
        if domain and environment:
            text = writing.with_domain(text, environment, domain)
        if name == "group_vars/dev/differences.yml":
            text = writing.of_dev(text, adoption)
        if name in ("group_vars/dev/differences.yml", "group_vars/rehearsal/differences.yml"):
            text += writing.stand_ins(adoption.stand_ins)
        put(inventories / name, text)
    put(inventories / "group_vars/all/app.yml", writing.app_yml(adoption, project, repository_of(adoption.root)))
    put(project / "ansible.cfg", configuration(committed("ansible.cfg")))
    put(project / "samestack.lock", lock)
    put(project / "README.md", (THIN / "README.md").read_text(encoding="utf-8").format(
        name=adoption.name, source=os.path.relpath(adoption.root, project), version=version))  # fmt: skip
    put(project / ".gitignore", (THIN / "gitignore").read_text(encoding="utf-8"))
    for name in ("samestack", "Makefile", "Vagrantfile"):
        put(project / name, (THIN / name).read_text(encoding="utf-8"))
    (project / "samestack").chmod(0o755)


def put(path: Path, text: str) -> None:
    """Write a file, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def committed(name: str) -> str:
    """Return a file of Samestack as it is committed: somebody's own decisions in the clone are not the project's."""
    from box.common import run

    return run(["git", "show", f"HEAD:{name}"], cwd=ENGINE)


def configuration(text: str) -> str:
    """Return a project's ansible.cfg: the engine's own, which finds everything of ours in the collection."""
    core = ".samestack/collections/ansible_collections/samestack/core"
    text = text.replace("roles_path = roles\n", f"roles_path = {core}/roles\n")
    linked = "# The Samestack of samestack.lock is linked there, by the first command."
    return re.sub(r"^# This folder is the collection.*$", linked, text, flags=re.MULTILINE)


def repository_of(root: Path) -> str:
    """Return the address of the repository that a folder is in, "" where there is none that may be written down."""
    command = ["git", "-C", str(root), "remote", "get-url", "origin"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    except OSError:
        return ""
    address = done.stdout.strip()
    return "" if done.returncode or re.match(r"\w+://[^/]*@", address) or address.startswith(("/", ".")) else address


VERBS = (init,)
