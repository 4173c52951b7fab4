"""Builds one release on the host, step by step; the steps are the methods of `Builder`, in the order of `build`."""

from __future__ import annotations

import errno
import json
import os
import pwd
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from ..common import text
from ..common.errors import DECISIONS_FILE, DISK_FULL, HostError, disk_error
from ..common.files import point
from ..common.stopwatch import Steps
from . import environment
from . import install as release_install
from .files import archive as release_archive
from .files import finalize
from .inside import inside_answer, inside_source
from .place import Place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Builder:
    """One release on one host."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        """Take the module's parameters."""
        self.params = params
        self.release = params["release"]
        self.place = Place(params["root"], self.release["id"])
        self.live_path = self.release.get("live_path") or ""
        vid = self.release.get("vid") or "none"
        self.venv = self.place.path("venv") if self.live_path else os.path.join(self.place.venvs, vid)
        # What the application's own Python found: the migrations
        self.found: dict[str, Any] = {}
        self.steps = Steps()
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
        found, record = self.place.finished or {}, self.record()
        # The id of a real release is the digest of its inputs; the rest is read from the same source.
        return found == record if self.live_path else found.get("inputs") == record["inputs"]

    def build(self) -> None:
        """Build; what an interrupted run left is removed first, and what a failed build made afterwards."""
        try:
            self.take_steps()
        except (HostError, OSError) as error:
            if not self.live_path:
                self.clear()
            if isinstance(error, OSError):
                raise disk_error(error, self.params["root"]) from error
            raise
        finally:
            shutil.rmtree(self.scratch, ignore_errors=True)

    def take_steps(self) -> None:
        """Take the steps of a build."""
        with self.steps.step("unpack"):
            self.prepare_folders()
            if self.live_path:
                self.link_live()
            else:
                self.unpack()
        self.install()
        with self.steps.step("build commands"):
            self.run_build_commands()
        with self.steps.step("static files"):
            self.run_inside()
        with self.steps.step("seal"):
            (finalize.seal_live if self.live_path else finalize.seal_release)(self)

    def clear(self) -> None:
        """Take away what is not complete."""
        release_archive.clear(self.place.folder)
        if not os.path.isfile(self.venv + ".contents"):
            release_archive.clear(self.venv)

    def prepare_folders(self) -> None:
        """Make an empty release folder that the build user may fill; the packages of live code stay where they run."""
        place, cache = self.place, self.params["uv_cache"]
        account = self.account()
        shutil.rmtree(self.scratch, ignore_errors=True)
        for folder in (cache, self.home, self.scratch):
            os.makedirs(folder, exist_ok=True)
            os.chown(folder, account.pw_uid, account.pw_gid)
        if self.live_path and os.path.isfile(place.path("venv", "bin", "python")):
            if os.path.lexists(place.path("release.json")):
                os.unlink(place.path("release.json"))
            finalize.give_tree(place.path("venv"), account.pw_uid, account.pw_gid)
            return
        if place.current == place.id and not self.live_path:
            raise HostError(
                f"Release {place.id} serves, and it is not complete any more: it cannot be built again in its place.",
                "Deploy another release (`--ref …`, or any change), then this one again.",
            )
        release_archive.clear(place.folder)
        release_archive.make_folders(place.folder)
        for name in ("static", "venv") if self.live_path else ("source", "static"):
            self.make_folder(place.path(name))
        if not self.live_path:
            point(place.path("venv"), os.path.join("..", "..", "venvs", self.release["vid"]))

    def make_folder(self, path: str) -> None:
        """Make a folder that the build user fills."""
        account = self.account()
        release_archive.make_folders(path)
        os.chown(path, account.pw_uid, account.pw_gid)

    def install(self) -> None:
        """Install the packages: into an environment that all releases with the same ones share."""
        if self.live_path:
            try:
                with self.steps.step("packages"):
                    release_install.install(self)
            except HostError:
                # What serves from live code goes on, with the packages as they were.
                finalize.seal_tree(self.venv)
                raise
        elif not os.path.isfile(self.venv + ".contents"):
            release_archive.clear(self.venv)
            release_archive.make_folders(self.place.venvs)
            self.make_folder(self.venv)
            donor = finalize.venv_donor(self.place)
            with self.steps.step("packages"):
                release_install.install(self)
            with self.steps.step("byte-code"):
                release_install.compile_packages(self, donor.folder)
            with self.steps.step("seal packages"):
                finalize.seal_venv(self.venv, donor)

    def account(self) -> pwd.struct_passwd:
        """Return the build user's entry; raises HostError without one."""
        try:
            return pwd.getpwnam(self.params["build_user"])
        except KeyError:
            name = self.params["build_user"]
            raise HostError(f"this host has no user {name}", "Run `./samestack provision` first.") from None

    def link_live(self) -> None:
        """Use the synced folder as the source."""
        if not os.path.isfile(os.path.join(self.live_path, self.release["directory"], "manage.py")):
            raise HostError(
                f"app_live_path = {self.live_path}: the host has no manage.py in "
                f"{self.live_path}/{self.release['directory']}.",
                "Check that the folder of app_source is synced to this place.",
            )
        point(self.place.path("source"), self.live_path)
        self.link_app()

    def link_app(self) -> None:
        """Give the folder of manage.py a name that does not depend on the project."""
        point(self.place.path("app"), os.path.join("source", self.release["directory"]).rstrip("/"))

    def unpack(self) -> None:
        """Unpack the source as the build user."""
        with open(self.params["archive"], "rb") as archive:
            done = self.attempt(["tar", "-x", "-z", "--no-same-owner"], cwd=self.place.path("source"), stdin=archive)
        if done.returncode:
            raise self.failure("tar", done.stderr)
        self.link_app()

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
        values = {**environment.of_build(self), **(env or {})}
        return subprocess.run(
            command, cwd=cwd, env=values, user=uid, group=gid, extra_groups=[],
            umask=0o022, capture_output=True, text=True, errors="replace", check=False, **options,
        )  # fmt: skip

    def failure(self, what: str, output: str) -> HostError:
        """Return the error that says what failed and why, with advice where the cause is known."""
        if DISK_FULL in output:
            return disk_error(OSError(errno.ENOSPC, what), self.params["root"])
        why = text.excerpt(output, os.path.realpath(self.place.path("source")))
        name = text.missing_name(why)
        hint = "Nothing that serves was touched. Mend this in the project and deploy again."
        if name:
            hint = (
                f"The settings need {name} while building: set a harmless value in app_build_env (in {DECISIONS_FILE})."
            )
        return HostError(f"Release {self.place.id} could not be built: `{what}` failed.\n{why}", hint)

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
        given = {"source": self.place.path("source"), "collect": self.release["collectstatic"]}
        done = self.attempt(
            [self.place.path("venv", "bin", "python"), "-"],
            cwd=self.place.path("app"),
            input=inside_source("program.build", given),
        )
        answer = inside_answer(done.stdout)
        if done.returncode or answer is None:
            raise self.failure("manage.py collectstatic", done.stdout + done.stderr)
        self.check_answer(answer)
        self.found = {name: answer[name] for name in ("migrations", "replaces")}

    def check_answer(self, answer: Mapping[str, Any]) -> None:
        """Refuse a release whose static files or media nginx would not find."""
        for name in ("static_url", "media_url"):
            said, served = answer[name], self.params[name]
            path = "/" + said.split("://", 1)[-1].split("/", 1)[-1].lstrip("/") if "://" in said else said
            used = name == "media_url" or (answer["staticfiles"] and self.release["collectstatic"])
            # Django's own default for media is the empty string: no media.
            if used and path not in ("", "/", served):
                raise HostError(
                    f"web_{name} = {served} (in {DECISIONS_FILE}): the settings say {name.upper()} = {said!r}, so "
                    "these files would not be found.",
                    f"Set web_{name}: {path}",
                )
        static = self.place.path("static")
        elsewhere = answer["static_root"] and answer["static_root"] != static
        if self.release["collectstatic"] and answer["staticfiles"] and elsewhere and not os.listdir(static):
            raise HostError(
                f"app_settings_overlay = false (in {DECISIONS_FILE}): the settings do not take STATIC_ROOT from the "
                f"environment; the static files went to {answer['static_root']}.",
                "Read STATIC_ROOT from the environment, or set app_settings_overlay: true",
            )
