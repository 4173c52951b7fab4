"""Whoever types the verbs: two environments, and an application in a git repository that grows."""

from __future__ import annotations

import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from tests.support.clone import Clone

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.machines import Environment, Machine

Answer = TypeVar("Answer")
#: The environments that both have a machine
KINDS = ("staging", "production")
#: Options of verbs; whatever else a test says is an extra-var for Ansible
OPTIONS = (
    "accept", "allow_breaking", "check", "confirm", "database", "json", "lock_wait", "message", "off", "on", "reason",
    "ref", "skip_tests", "to", "forget", "take_over",
)  # fmt: skip


class Team:
    """Whoever types the verbs: a copy of this project, and the repository of the application."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.clone = Clone(environment.site.root)
        self.repository = self.clone.folder.parent / "application"

    def start(self, project: Path, **decisions: Any) -> None:
        """Put a project under git, tagged v1, name it in app.yml, and have both environments provisioned."""
        shutil.rmtree(self.repository, ignore_errors=True)
        shutil.copytree(project, self.repository)
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit("v1")
        self.clone.decide(app_source={"type": "git", "url": str(self.repository), "ref": "main"}, **decisions)
        self.both(lambda team, kind: team.samestack("provision", kind))

    def both(self, action: Callable[[Team, str], Answer]) -> dict[str, Answer]:
        """Do something in both environments at once, each with a team that keeps what its own commands said."""
        for kind in KINDS:
            self.machines(kind)
        with ThreadPoolExecutor() as pool:
            done = pool.map(lambda kind: action(Team(self.environment), kind), KINDS)
            return dict(zip(KINDS, done, strict=True))

    def git(self, *arguments: str) -> str:
        """Run git in the application's repository."""
        person = ["-c", "user.name=Tests", "-c", "user.email=tests@example.org"]
        done = subprocess.run(
            ["git", *person, *arguments], cwd=self.repository, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, tag: str, change: Callable[[Path], object] | None = None) -> str:
        """Commit what a change makes of the application, and tag it; returns the tag."""
        if change:
            change(self.repository)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", f"Make {tag}")
        self.git("tag", "--force", tag)
        return tag

    def back_to(self, tag: str) -> None:
        """Let the next change start from an earlier state."""
        self.git("checkout", "--quiet", "-B", "main", tag)

    def arguments(self, verb: str, environment: str, **values: object) -> list[str]:
        """Return the command's arguments; what is no option of a verb goes to Ansible, `tags` as its own option."""
        assert all(name.islower() for name in values), "these would be variables that nothing reads"
        tags = values.pop("tags", None)
        where = [] if verb == "promote" else [environment]
        words = [verb, *where, "--rehearsal"]
        for name, text in values.items():
            if name in OPTIONS:
                words += [f"--{name.replace('_', '-')}", *([] if text is True else [str(text)])]
        extra = {name: text for name, text in values.items() if name not in OPTIONS}
        rest = [*(["--tags", str(tags)] if tags else []), *(["-e", json.dumps(extra)] if extra else [])]
        return [*words, *(["--", *rest] if rest else [])]

    def samestack(self, verb: str, environment: str, **values: object) -> str:
        """Type a verb that works; returns what it printed."""
        return self.clone.samestack(*self.arguments(verb, environment, **values))

    def refuses(self, verb: str, environment: str, **values: object) -> str:
        """Type a verb that has to fail; returns what it said, in one line."""
        return self.clone.refuses(*self.arguments(verb, environment, **values))

    def deploy(self, environment: str, ref: str, **values: object) -> str:
        """Deploy a ref and return the id of the release that is live then."""
        self.samestack("deploy", environment, ref=ref, **values)
        return self.live(environment)

    def machines(self, environment: str) -> list[Machine]:
        """Return the machines that run the application there."""
        return [machine for machine in self.environment.machines(environment) if machine.has("web")]

    def machine(self, environment: str) -> Machine:
        """Return the first of them."""
        return self.machines(environment)[0]

    def live(self, environment: str) -> str:
        """Return the id of the release that every machine of the environment serves."""
        found = {live(machine) for machine in self.machines(environment)}
        assert len(found) == 1, found
        return found.pop()

    def ledger(self, environment: str) -> list[dict[str, Any]]:
        """Return the changes of an environment, the oldest first."""
        lines = self.machine(environment).run("cat /var/lib/samestack/ledger.jsonl").splitlines()
        return [json.loads(line) for line in lines]

    def sql(self, environment: str, statement: str) -> str:
        """Return what the application's database answers."""
        machine = next(machine for machine in self.environment.machines(environment) if machine.has("db"))
        database = machine.variable("database_name")
        return machine.run(f"cd / && sudo -u postgres psql -XqAt -d {database} <<'SQL'\n{statement}\nSQL\n").strip()


def live(machine: Machine) -> str:
    """Return the id of the release that a machine serves; its socket and `current` must agree."""
    app = machine.app
    current = machine.run(f"basename $(readlink /srv/{app}/current)").strip()
    socket = machine.run(f"basename $(readlink /run/{app}/live.sock) .sock").strip()
    assert socket.removesuffix("-2") == current
    return current
