"""Builds one release on the host, step by step; the steps are the methods of `Builder`, in the order of `build`."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from ansible.module_utils import release_host, release_install, release_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ReleaseError = release_host.ReleaseError
SETTINGS_FILE = "inventories/group_vars/all/app.yml"
WEB_FILE = "inventories/group_vars/all/web.yml"
RELEASE_FILE = release_host.RELEASE_FILE
# What stands in for values that only an environment has
STAND_INS = {
    "SECRET_KEY": "build-only-not-a-secret",
    "DEBUG": "false",
    "ALLOWED_HOSTS": "localhost",
    "CSRF_TRUSTED_ORIGINS": "https://localhost",
    "DATABASE_URL": "postgresql:///build",
    "REDIS_URL": "redis://localhost:6379/0",
}
ANYTHING = "build"


class Builder:
    """One release on one host."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        """Take the module's parameters."""
        self.params = params
        self.release = params["release"]
        self.place = release_host.Place(params["root"], self.release["id"])
        self.live_path = self.release.get("live_path") or ""
        self.steps = release_host.Steps()
        self.home = os.path.join(os.path.dirname(params["uv_cache"]), "build", self.release["app"])
        # Beside the home, whose owner could put a link to somewhere else in its place.
        self.scratch = self.home + ".tmp"

    def record(self) -> dict[str, Any]:
        """Return what release.json holds: the inputs, and what the other steps read from them."""
        keys = ("id", "app", "inputs", "server", "directory", "settings", "interface", "application", "environment")
        record = {key: self.release[key] for key in keys}
        if self.live_path:
            # Live code changes all the time; what was installed for it is what counts.
            record["inputs"] = {key: value for key, value in record["inputs"].items() if key != "source"}
            record["environment"] = {}
            record["live_path"] = self.live_path
        plain: dict[str, Any] = json.loads(json.dumps(record, sort_keys=True))
        return plain

    def complete(self) -> bool:
        """Return whether the release is there, whole, and made from these inputs."""
        found = self.place.finished
        return bool(found) and found == self.record()

    def check_space(self) -> None:
        """Refuse to start where the disk would fill; raises ReleaseError with the figures in MB."""
        free = shutil.disk_usage(self.params["root"]).free
        needed = self.params["min_free"]
        if free < needed:
            raise ReleaseError(
                f"release_min_free = {needed >> 20}m (in {RELEASE_FILE}): {self.params['root']} on this host has only "
                f"{free >> 20}m free.",
                "Make room, keep fewer releases (release_keep), or lower release_min_free.",
            )

    def build(self) -> None:
        """Build; what an interrupted run left is removed first."""
        with self.steps.step("unpack"):
            self.prepare_folders()
            if self.live_path:
                self.link_live()
            else:
                self.unpack()
        with self.steps.step("packages"):
            try:
                release_install.install(self)
            except ReleaseError:
                # What serves from live code goes on, with the packages as they were.
                if self.live_path:
                    self.seal()
                raise
        with self.steps.step("build commands"):
            self.run_build_commands()
        with self.steps.step("static files"):
            self.run_inside()
        with self.steps.step("seal"):
            self.seal()
        self.finish()

    def prepare_folders(self) -> None:
        """Make an empty release folder that the build user may fill; the packages of live code stay where they run."""
        place, cache = self.place, self.params["uv_cache"]
        account = self.account()
        shutil.rmtree(self.scratch, ignore_errors=True)
        for folder in (cache, self.home, self.scratch):
            os.makedirs(folder, exist_ok=True)
            os.chown(folder, account.pw_uid, account.pw_gid)
        if os.path.lexists(place.path("release.json")):
            os.unlink(place.path("release.json"))
        if self.live_path and os.path.isfile(place.path("venv", "bin", "python")):
            give_tree(place.path("venv"), account.pw_uid, account.pw_gid)
            return
        if os.path.isdir(place.folder):
            shutil.rmtree(place.folder)
        os.makedirs(place.folder, mode=0o755)
        for name in ("static", "venv") if self.live_path else ("source", "static", "venv"):
            os.mkdir(place.path(name), 0o755)
            os.chown(place.path(name), account.pw_uid, account.pw_gid)

    def account(self) -> pwd.struct_passwd:
        """Return the build user's entry; raises ReleaseError without one."""
        try:
            return pwd.getpwnam(self.params["build_user"])
        except KeyError:
            name = self.params["build_user"]
            raise ReleaseError(f"this host has no user {name}", "Run `make provision` first.") from None

    def link_live(self) -> None:
        """Use the synced folder as the source."""
        if not os.path.isfile(os.path.join(self.live_path, self.release["directory"], "manage.py")):
            raise ReleaseError(
                f"app_live_path = {self.live_path}: the host has no manage.py in "
                f"{self.live_path}/{self.release['directory']}.",
                "Check that the folder of app_source is synced to this place.",
            )
        release_host.point(self.place.path("source"), self.live_path)
        self.link_app()

    def link_app(self) -> None:
        """Give the folder of manage.py a name that does not depend on the project."""
        release_host.point(self.place.path("app"), os.path.join("source", self.release["directory"]).rstrip("/"))

    def unpack(self) -> None:
        """Unpack the source as the build user."""
        with open(self.params["archive"], "rb") as archive:
            done = self.attempt(["tar", "-x", "-z", "--no-same-owner"], cwd=self.place.path("source"), stdin=archive)
        if done.returncode:
            raise self.failure("tar", done.stderr)
        self.link_app()

    def environment(self) -> dict[str, str]:
        """Return the environment of the build: no secret, no domain; placeholders for what the settings insist on."""
        values = dict(STAND_INS)
        for name, required in self.release["environment"].items():
            if required:
                values.setdefault(name, stand_in(name))
        values.update(self.release_environment())
        values["MEDIA_ROOT"] = os.path.join(self.params["root"], "shared", "media")
        values.update({name: text(value) for name, value in self.params["build_env"].items()})
        return {**values, "HOME": self.home, "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", "TMPDIR": self.scratch}

    def release_environment(self) -> dict[str, str]:
        """Return what release.env holds."""
        place = self.place
        paths = [self.params["overlay_path"], place.path("app")]
        paths += [place.path("source", *path.split("/")) for path in self.release["python_path"]]
        overlay = self.params["overlay"]
        values = {
            "DJANGO_SETTINGS_MODULE": "samestack_settings" if overlay else self.release["settings"],
            "SAMESTACK_BASE_SETTINGS": self.release["settings"],
            "SAMESTACK_APPLICATION": "samestack_live:application" if self.live_path else self.release["application"],
            "SAMESTACK_BASE_APPLICATION": self.release["application"],
            "SAMESTACK_INTERFACE": self.release["interface"],
            # Django speaks no lifespan protocol: granian's `nl`.
            "SAMESTACK_GRANIAN_INTERFACE": {"asgi": "asginl"}.get(self.release["interface"], "wsgi"),
            "SAMESTACK_SERVER": self.release["server"],
            "SAMESTACK_RELEASE": place.id,
            "PYTHONPATH": ":".join(paths),
            "STATIC_ROOT": place.path("static"),
            "VIRTUAL_ENV": place.path("venv"),
            "PATH": place.path("venv", "bin") + ":/usr/local/bin:/usr/bin:/bin",
        }
        if self.live_path:
            values["PYTHONDONTWRITEBYTECODE"] = "1"
        return values

    def attempt(
        self, command: Sequence[str], cwd: str, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as the build user and return how it ended; `options` are those of subprocess.run.

        The option `owner`, a user and a group id, runs it as somebody else.
        """
        account = self.account()
        uid, gid = options.pop("owner", None) or (account.pw_uid, account.pw_gid)
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(
            command, cwd=cwd, env={**self.environment(), **(env or {})}, user=uid, group=gid, extra_groups=[],
            umask=0o022, capture_output=True, text=True, errors="replace", check=False, **options,
        )  # fmt: skip

    def failure(self, what: str, output: str) -> release_host.ReleaseError:
        """Return the error that says what failed and why, with advice where the cause is known."""
        why = release_text.excerpt(output, os.path.realpath(self.place.path("source")))
        name = release_text.missing_name(why)
        hint = "Nothing that serves was touched. Mend this in the project and deploy again."
        if name:
            hint = (
                f"The settings need {name} while building: set a harmless value in app_build_env (in {SETTINGS_FILE})."
            )
        return release_host.ReleaseError(f"Release {self.place.id} could not be built: `{what}` failed.\n{why}", hint)

    def run_build_commands(self) -> None:
        """Run app_build_commands in the application's folder; live code is its owner's to change."""
        owner = None
        if self.live_path:
            status = os.stat(self.live_path)
            owner = (status.st_uid, status.st_gid)
        for command in self.release["build_commands"]:
            done = self.attempt(["/bin/sh", "-ec", command], cwd=self.place.path("app"), owner=owner)
            if done.returncode:
                raise self.failure(command, done.stdout + done.stderr)

    def run_inside(self) -> None:
        """Collect, compress and compile in the application's Python, and compare its settings with the web server's."""
        if self.live_path:
            return
        collect = "collect" if self.release["collectstatic"] else "leave"
        done = self.attempt(
            [self.place.path("venv", "bin", "python"), "-", "build", self.place.path("source"), collect],
            cwd=self.place.path("app"),
            input=release_host.inside_source(),
        )
        answer = release_host.inside_answer(done.stdout)
        if done.returncode or answer is None:
            raise self.failure("manage.py collectstatic", done.stdout + done.stderr)
        self.check_answer(answer)

    def check_answer(self, answer: Mapping[str, Any]) -> None:
        """Refuse a release whose static files or media nginx would not find."""
        for name in ("static_url", "media_url"):
            said, served = answer[name], self.params[name]
            path = "/" + said.split("://", 1)[-1].split("/", 1)[-1].lstrip("/") if "://" in said else said
            used = name == "media_url" or (answer["staticfiles"] and self.release["collectstatic"])
            # Django's own default for media is the empty string: no media.
            if used and path not in ("", "/", served):
                raise ReleaseError(
                    f"web_{name} = {served} (in {WEB_FILE}): the settings say {name.upper()} = {said!r}, so "
                    "these files would not be found.",
                    f"Set web_{name}: {path}",
                )
        static = self.place.path("static")
        elsewhere = answer["static_root"] and answer["static_root"] != static
        if self.release["collectstatic"] and answer["staticfiles"] and elsewhere and not os.listdir(static):
            raise ReleaseError(
                f"app_settings_overlay = false (in {SETTINGS_FILE}): the settings do not take STATIC_ROOT from the "
                f"environment; the static files went to {answer['static_root']}.",
                "Read STATIC_ROOT from the environment, or set app_settings_overlay: true",
            )

    def seal(self) -> None:
        """Give the release to root, readable for all and writable for none; live code is left alone."""
        names = ("static", "venv") if self.live_path else ("source", "static", "venv")
        for name in names:
            seal_tree(self.place.path(name))

    def finish(self) -> None:
        """Write release.env, how it was built, and last release.json: with it the release is complete."""
        values = self.release_environment()
        lines = [f'{name}="{value}"\n' for name, value in values.items()]
        release_host.write_atomic(self.place.path("release.env"), "".join(lines))
        built = {
            "built": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "label": self.release.get("label", ""),
            "python": sys.version.split()[0],
            "steps": self.steps.done,
        }
        release_host.write_atomic(self.place.path("build.json"), json.dumps(built, indent=1) + "\n")
        shutil.rmtree(self.scratch, ignore_errors=True)
        os.sync()
        record = json.dumps(self.record(), indent=1, sort_keys=True) + "\n"
        release_host.write_atomic(self.place.path("release.json"), record)


def text(value: object) -> str:
    """Return a value as an environment variable."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def stand_in(name: str) -> str:
    """Return a harmless value for a variable, by what its name says it holds."""
    for ending in ("SECRET_KEY", "DEBUG", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "DATABASE_URL", "REDIS_URL"):
        if name.endswith(ending):
            return STAND_INS[ending]
    if name.endswith("PORT"):
        return "1"
    return STAND_INS["REDIS_URL"] if name.endswith(("CACHE_URL", "BROKER_URL")) else ANYTHING


def give_tree(top: str, uid: int, gid: int) -> None:
    """Give a folder and everything in it to somebody; links themselves, never what they point at."""
    os.lchown(top, uid, gid)
    for current, folders, files in os.walk(top):
        for name in folders + files:
            os.lchown(os.path.join(current, name), uid, gid)


def seal_tree(top: str) -> None:
    """Give a folder to root: folders 0755, files 0644 or 0755; links stay."""
    os.lchown(top, 0, 0)
    for current, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(current, name)
            status = os.lstat(path)
            if status.st_uid or status.st_gid:
                os.lchown(path, 0, 0)
            if stat.S_ISLNK(status.st_mode):
                continue
            executable = stat.S_ISDIR(status.st_mode) or status.st_mode & 0o100
            mode = 0o755 if executable else 0o644
            if stat.S_IMODE(status.st_mode) != mode:
                os.chmod(path, mode)
