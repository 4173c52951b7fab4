"""Small projects on one machine, one after the other under the same name, and whoever types the verbs for them."""

from __future__ import annotations

import base64
import io
import shutil
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.team import Team

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.browser import Browser
    from tests.support.machines import Environment, Machine

PROJECTS = Path(__file__).resolve().parents[1] / "apps" / "projects"
PLAIN = PROJECTS / "plain"
#: The settings of a plain project, to write more below them
SETTINGS = (PLAIN / "mysite/settings.py").read_text(encoding="utf-8")
#: What every project begins with
DECISIONS: dict[str, Any] = {
    "app_name": "mysite",
    "app_health_path": "/",
    "app_redis": False,
    "app_workers": {},
    "app_timers": {},
    "web_content_security_policy": "",
}
#: Whatever the project before left. The next provision makes the database anew.
FORGET = """
[ -e /etc/systemd/system/{app}.service ] || exit 0
systemctl stop '{app}-web@*' '{app}-worker-*' '{app}-timer-*' {app}.service
systemctl reset-failed '{app}-*'
for folder in releases venvs shared/media shared/mail; do
    if [ -d /srv/{app}/$folder ]; then find /srv/{app}/$folder -mindepth 1 -delete; fi
done
rm -f /srv/{app}/current /run/{app}/live.sock
# The next provision makes what it wants of these anew.
rm -rf /srv/{app}/shared/paths /srv/{app}/shared/data /srv/{app}/shared/owner /etc/tmpfiles.d/{app}.conf
rm -rf /etc/systemd/system/{app}-worker-* /etc/systemd/system/{app}-timer-*
systemctl daemon-reload
if [ -d /etc/postgresql ]; then cd /; sudo -u postgres dropdb --if-exists --force {database}; fi
if [ -f /etc/samestack/redis-password ] && systemctl is-active --quiet redis-server; then
    export REDISCLI_AUTH=$(cat /etc/samestack/redis-password)
    redis-cli --user samestack -s /run/redis/redis-server.sock FLUSHALL
fi
"""


class App:
    """The project that is on the machine now; `start` puts another in its place."""

    kind = "staging"

    def __init__(self, environment: Environment) -> None:
        self.team = Team(environment)
        self.clone = self.team.clone
        variables = self.clone.folder / "inventories" / "group_vars"
        self._variables = {file: file.read_text(encoding="utf-8") for file in variables.rglob("*.yml")}

    @property
    def machine(self) -> Machine:
        """The machine."""
        return self.team.machine(self.kind)

    @property
    def folder(self) -> Path:
        """The project's repository."""
        return self.team.repository

    def put(self, project: str | Path = "plain", files: Mapping[str, str] | None = None, **decisions: Any) -> None:
        """Put a project under git in place of the one before, which the machine forgets, and decide; no verb is typed.

        Args:
            project: a folder, or the name of one in tests/apps/projects, which has what differs from `plain`.
            files: texts by path, written over those of the folder.
            decisions: variables of app.yml over `DECISIONS`; those of the project before are taken back.
        """
        self.machine.run(FORGET.format(app=self.machine.app, database=self.machine.variable("database_name")))
        shutil.rmtree(self.folder, ignore_errors=True)
        for folder in dict.fromkeys((PLAIN, PROJECTS / project) if isinstance(project, str) else (project,)):
            shutil.copytree(folder, self.folder, dirs_exist_ok=True)
        self.write(files or {})
        self.team.git("init", "--quiet", "--initial-branch=main")
        self.team.commit("v1")
        self.undecide()
        self.decide(app_source={"type": "git", "url": str(self.folder), "ref": "main"}, **decisions)

    def start(self, project: str | Path = "plain", files: Mapping[str, str] | None = None, **decisions: Any) -> str:
        """Put a project in place of the one before, provision and deploy it; returns the id of its release."""
        self.put(project, files, **decisions)
        self.provision()
        return self.deploy()

    def write(self, files: Mapping[str, str]) -> None:
        """Write files of the project, by path; nothing is committed."""
        for path, text in files.items():
            file = self.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")

    def sync(self, folder: str, files: Mapping[str, str] | None = None) -> None:
        """Write files of the project, and bring it into a folder of the machine, as a synced one has it."""
        self.write(files or {})
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for path in sorted(self.folder.rglob("*")):
                if ".git" not in path.parts and path.is_file():
                    tar.add(path, path.relative_to(self.folder).as_posix())
        text = base64.b64encode(packed.getvalue()).decode()
        script = f"mkdir -p {folder} && base64 -d <<'END' | tar -x -z --no-same-owner -C {folder}\n{text}\nEND\n"
        self.machine.run(script)

    def decide(self, file: str = "all/app.yml", **decisions: Any) -> None:
        """Change variables in a file of group_vars until the next `undecide`, `put` or `start`."""
        self.clone.decide(file, **decisions)

    def undecide(self) -> None:
        """Take back every decision but those that all projects have."""
        for file, text in self._variables.items():
            file.write_text(text, encoding="utf-8")
        self.clone.decide(**DECISIONS)

    def provision(self, **values: object) -> str:
        """Provision, which must go well; returns what it printed."""
        return self.samestack("provision", **values)

    def deploy(self, change: Mapping[str, str] | Callable[[Path], object] | None = None, **values: object) -> str:
        """Commit a change (files by path, or what a function does), deploy, and return the live release's id."""
        if change is not None:
            self.commit(change)
        self.samestack("deploy", **values)
        return self.team.live(self.kind)

    def commit(self, change: Mapping[str, str] | Callable[[Path], object], tag: str = "change") -> str:
        """Commit a change of the project (files by path, or what a function does) and tag it; returns the tag."""
        return self.team.commit(tag, change if callable(change) else lambda _folder: self.write(change))

    def samestack(self, verb: str, **values: object) -> str:
        """Type a verb that works: options of the verb, and variables for Ansible; returns what it printed."""
        return self.team.samestack(verb, self.kind, **values)

    def refuses(self, verb: str, **values: object) -> str:
        """Type a verb that has to fail; returns what it said, in one line."""
        return self.team.refuses(verb, self.kind, **values)

    def manage(self, *command: str) -> str:
        """Return the output of a management command, as a person types it."""
        return self.clone.samestack("manage", self.kind, "--rehearsal", "--", *command)

    def logs(self) -> str:
        """Return what the application's units have written to the journal since the machine started."""
        return self.machine.run(f"journalctl --no-pager --output=cat --unit='{self.machine.app}-*'")

    def sql(self, statement: str) -> str:
        """Return what the application's database answers."""
        return self.team.sql(self.kind, statement)

    def browser(self) -> Browser:
        """Return a visitor with no cookies."""
        return self.machine.browser()
