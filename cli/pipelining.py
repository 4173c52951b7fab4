"""Continuous delivery: a pipeline for the service that the repository is at, and the script that all of them run."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import click

from .command import stop, verb
from .project import ENGINE, PROJECT

GROUP = "Begin"
PIPELINES = ENGINE / "cli" / "pipelines"
SCRIPT = Path("ci", "samestack.sh")
#: Where each service looks for its pipeline, from the top of the repository
FILES = {
    "github": ".github/workflows/samestack.yml",
    "gitlab": ".gitlab-ci.yml",
    "bitbucket": "bitbucket-pipelines.yml",
    "forgejo": ".forgejo/workflows/samestack.yml",
}
SECRETS = ("SAMESTACK_SSH_KEY", "SAMESTACK_VAULT_PASSWORD", "SAMESTACK_VAULT_PASSWORD_PRODUCTION")
OURS = "# Written by `samestack "
#: What may stand in a pipeline, without anything that YAML, a shell or a condition would take for its own
PLAIN_BRANCH, PLAIN_FOLDER = re.compile(r"[A-Za-z0-9][\w./-]*"), re.compile(r"[\w./-]+")


@dataclass(frozen=True)
class Pipeline:
    """The two files of a pipeline: where they are, and what is in them."""

    service: str
    top: Path
    text: str

    @property
    def file(self) -> Path:
        """Return the file that the service reads."""
        return self.top / FILES[self.service]

    @property
    def script(self) -> Path:
        """Return the file that it runs."""
        return PROJECT / SCRIPT


def pipeline(service: str, branch: str) -> Pipeline:
    """Return the pipeline of this project; raises UsageError for what cannot stand in one."""
    if not PLAIN_BRANCH.fullmatch(branch):
        raise click.UsageError(f"--branch {branch}: write a name of letters, digits, dots, slashes and hyphens.")
    top = top_of(PROJECT)
    folder = os.path.relpath(PROJECT, top)
    if not PLAIN_FOLDER.fullmatch(folder):
        stop(f"{folder}: a pipeline would need quotes for this folder. Give it a name of letters, digits and hyphens.")
    text = (PIPELINES / f"{service}.yml").read_text(encoding="utf-8")
    given = {"FOLDER": folder, "BRANCH": branch}
    # Whole words: the names of a service's own variables end in them.
    return Pipeline(service, top, re.sub(r"\b(FOLDER|BRANCH)\b", lambda found: given[found[0]], text))


def top_of(folder: Path) -> Path:
    """Return the top of the repository that a folder is in; ends this program where there is none."""
    command = ["git", "-C", str(folder), "rev-parse", "--show-toplevel"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        stop(f"{folder} is in no repository of git, and a pipeline is of one. Run `git init` and commit first.")
    return Path(done.stdout.strip())


@verb("ci", group=GROUP, example=["samestack ci init github", "samestack ci init gitlab --branch trunk"], page="ci")
@click.argument("action", type=click.Choice(["init"]))
@click.argument("service", type=click.Choice(list(FILES)))
@click.option("--branch", default="main", show_default=True, help="The branch whose pushes go to staging.")
@click.option("--print", "show", is_flag=True, help="Print the pipeline and write nothing: one that is there stays.")
def ci(action: str, service: str, branch: str, *, show: bool) -> None:
    """Write a pipeline: a push is tested and goes to staging, a tag or a click to production."""
    del action
    found = pipeline(service, branch)
    if show:
        click.echo(found.text, nl=False)
        return
    if found.file.exists() and OURS not in found.file.read_text("utf-8", errors="replace"):
        stop(f"{found.file} is there, and not ours. Add what `--print` shows to it.")
    for path, text in ((found.file, found.text), (found.script, (PIPELINES / "samestack.sh").read_text("utf-8"))):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    found.script.chmod(0o755)
    click.echo(f"Written: {found.file}\n         {found.script}\n")
    click.echo(f"Its secrets: {', '.join(SECRETS)} (the last where production has a password of its own).")
    for line in missing():
        click.echo(f"! {line}")
    click.echo("Then commit both files.")


def missing() -> list[str]:
    """Return what a pipeline would miss in this project, each with how to get it."""
    from box.pinning import read_pin

    lines = []
    pinned = PROJECT / "inventories" / "known_hosts"
    if not (pinned.is_file() and pinned.stat().st_size):
        lines.append(
            "No host key is pinned yet: `samestack provision staging` here, and commit inventories/known_hosts."
        )
    pin = read_pin(PROJECT)
    if pin and not re.match(r"\w+://|[\w.-]+@", pin.origin):
        lines.append(f"samestack.lock fetches from {pin.origin}, a path of this computer: name a repository there.")
    return lines


VERBS = (ci,)
