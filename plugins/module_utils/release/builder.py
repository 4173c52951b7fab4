"""Builds one release on the host, step by step; the steps are the methods of `Builder`, in the order of `build`."""

from __future__ import annotations

import errno
import json
import os
import re
from typing import TYPE_CHECKING, Any

from ..common import text
from ..common.errors import DECISIONS_FILE, DISK_FULL, HostError, disk_error
from ..common.files import point
from ..common.stopwatch import Steps
from . import causes, environment, writable
from . import install as release_install
from .files import archive as release_archive
from .files import contents, finalize
from .inside import inside_answer, inside_source
from .interpreter import program_of
from .place import Place
from .sandbox import INSIDE, ROOT, Sandbox, Step, no_python, online

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence

# What commands say that look for a network where there is none
NO_NETWORK = re.compile(
    r"\b(ENOTFOUND|EAI_AGAIN|ENETUNREACH)\b|network is unreachable|getaddrinfo|name resolution|dns error"
    r"|(could not|couldn't|cannot|can't|unable to|failed to) resolve|resolving |error sending request for url",
    re.IGNORECASE,
)


class Builder:
    """One release on one host."""

    #: What is said of the release where a step fails
    WHAT_FAILED = "could not be built"

    def __init__(self, params: Mapping[str, Any]) -> None:
        """Take the module's parameters."""
        self.params = params
        self.release = params["release"]
        self.place = Place(params["root"], self.release["id"])
        self.live_path = self.release.get("live_path") or ""
        vid = self.release.get("vid") or "none"
        self.venv = os.path.join(self.place.venvs, vid)
        self.python = program_of(str(self.release["inputs"].get("python", "")))
        # What the application's own Python found: the migrations
        self.found: dict[str, Any] = {}
        # Variables that a step turned out to insist on
        self.demanded: list[str] = []
        self.steps = Steps()
        self.said: list[str] = []
        self.committed: set[str] = set()
        self.writable_paths: list[str] = self.release.get("writable_paths") or []
        self.media = ""
        # A build begins with `min_free` at least.
        self.sandbox = Sandbox(os.path.join(os.path.dirname(params["uv_cache"]), "build"), params["min_free"] // 2)

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
            with self.sandbox:
                try:
                    self.take_steps()
                finally:
                    self.sandbox.take_away(release_install.fetched_environment(self))
        except (HostError, OSError) as error:
            self.clear()
            if isinstance(error, OSError):
                raise disk_error(error, self.params["root"]) from error
            raise

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
            if not self.live_path:
                writable.lead_outside(self)
            (finalize.seal_live if self.live_path else finalize.seal_release)(self)

    def clear(self) -> None:
        """Take away what is not complete; live code runs on, with what it had."""
        if not self.live_path:
            release_archive.clear(self.place.folder)
        if not os.path.isfile(self.venv + ".contents"):
            release_archive.clear(self.venv)

    def prepare_folders(self) -> None:
        """Make the release's folder, root's and empty, and the build's own ones, which a step sees in their places."""
        place = self.place
        if place.current == place.id and not self.live_path:
            raise HostError(
                f"Release {place.id} serves, and it is not complete any more: it cannot be built again in its place.",
                "Deploy another release (`--ref …`, or any change), then this one again.",
            )
        if not self.live_path:
            release_archive.clear(place.folder)
        release_archive.make_folders(place.folder)
        folders = ("source", "static", *([writable.INITIAL] if self.writable_paths else []))
        for name in ("static",) if self.live_path else folders:
            release_archive.make_folders(place.path(name))
            self.sandbox.make(name)
        if not self.live_path:
            point(place.path("venv"), os.path.join("..", "..", "venvs", self.release["vid"]))

    def install(self) -> None:
        """Install the packages: into an environment that all releases with the same ones share."""
        if os.path.isfile(self.venv + ".contents"):
            return
        donor = finalize.venv_donor(self.place)
        release_archive.clear(self.venv)
        for folder in (self.place.venvs, self.venv):
            release_archive.make_folders(folder)
        with self.steps.step("packages"):
            made = release_install.install(self)
        with self.steps.step("byte-code"):
            release_install.compile_packages(self, made, donor.folder)
        with self.steps.step("seal packages"):
            finalize.seal_venv(made.folder, self.venv, made.owner, donor)

    def link_live(self) -> None:
        """Use the synced folder as the source."""
        if not os.path.isfile(os.path.join(self.live_path, self.release["directory"], "manage.py")):
            raise HostError(
                f"app_live_path = {self.live_path}: the host has no manage.py in "
                f"{self.live_path}/{self.release['directory']}.",
                "Check that the folder of app_source is synced to this place.",
            )
        writable.make_live(self)
        point(self.place.path("source"), self.live_path)
        self.link_app()

    def link_app(self) -> None:
        """Give the folder of manage.py a name that does not depend on the project."""
        point(self.place.path("app"), os.path.join("source", self.release["directory"]).rstrip("/"))

    def unpack(self) -> None:
        """Unpack the source, by the build's account, and compare every byte with what was read of the commit."""
        with open(self.params["archive"], "rb") as archive:
            done = self.attempt(["tar", "-x", "-z", "--no-same-owner"], cwd=self.place.path("source"), stdin=archive)
        if DISK_FULL in done.stderr:
            raise disk_error(OSError(errno.ENOSPC, "tar"), self.params["root"])
        found = contents.Contents(contents.read_tree(self.sandbox.path("source"))).sha256
        if done.returncode or found != self.release["source_sha256"]:
            why = f"\n{text.last_lines(done.stderr)}" if done.stderr else ""
            raise HostError(
                f"The source of release {self.place.id} did not arrive as it was sent: nothing was built.{why}",
                "Run the same command again.",
            )
        self.link_app()
        writable.take_initial(self)

    def places(self) -> dict[str, str]:
        """Return where a step sees what it may write to, and where that is: what is sealed is in its place already."""
        own = {self.place.path(name): self.sandbox.path(name) for name in ("source", "static", writable.INITIAL)}
        own |= {self.venv: self.sandbox.path("venv")}
        own |= {os.path.join(INSIDE, name): self.sandbox.path(name) for name in ("exported", "cache")}
        # What one step leaves at home, uv's or npm's settings for example, is none of the next one's.
        own |= {os.path.join(INSIDE, "home"): self.sandbox.make(f"home-{self.sandbox.steps}")}
        return {inside: real for inside, real in own.items() if os.path.isdir(real)}

    def readable(self, given: Mapping[str, str]) -> list[str]:
        """Return what of the application a step can read: this release, the environments, and live code.

        Without what it may write to: of two mounts in one place systemd keeps the one for reading.
        """
        shown = (self.place.venvs, self.place.folder, self.live_path)
        return [f"-{path}" for path in shown if path and path not in given]

    def attempt(
        self, command: Sequence[str], cwd: str, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a step as the build's account and return how it ended; `options` are those of `Step`.

        `env` replaces the environment of the build, which leads to the application's own modules.
        """
        values = environment.of_build(self) if env is None else env
        given = options.pop("given", None) or self.places()
        more = ["BindReadOnlyPaths=" + " ".join(self.readable(given)), *options.pop("more", ())]
        return self.sandbox.run(Step(command, cwd, values, given, more, **options))

    def attempt_with_stand_ins(
        self, command: Sequence[str], cwd: str, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a step that may import the settings; whatever variable it says it lacks, something stands in for.

        What a project's text says of its variables is a guess, what its own Python says is not.
        """
        while True:
            done = self.attempt(command, cwd, **options)
            name = text.missing_name(done.stdout + done.stderr) if done.returncode else ""
            if not name or name in environment.of_build(self):
                return done
            self.demanded.append(name)

    def fetch(
        self, command: Sequence[str], cwd: str, env: Mapping[str, str], *, knowing: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run a step as the account that fetches: it has the network, can start no Python, and leaves the build alone.

        With `knowing` it is the other way round: no network, nothing of the build, and Python.
        """
        own = self.sandbox
        # Over the environments of before, of which none is needed
        given = {self.place.venvs: self.params["uv_cache"]}
        shown = [os.path.join(INSIDE, "exported"), *([] if self.live_path else [self.place.path("source")])]
        readable = [f"-{own.path(name)}:{INSIDE}/{name}" for name in ("exported", "netrc", "left-out")]
        readable += [f"-{path}" for path in (self.place.folder, self.live_path) if path]
        if os.path.isdir(own.path("source")):
            readable.append(f"{own.path('source')}:{self.place.path('source')}")
        fetching = [*online(), *no_python([*given, *shown]), "BindReadOnlyPaths=" + " ".join(readable)]
        more = [] if knowing else fetching
        return own.run(Step(command, cwd, env, given, more, account=self.params["fetch_user"]))

    def failure(self, what: str, output: str) -> HostError:
        """Return the error that says what failed and why, with advice where the cause is known."""
        if DISK_FULL in output:
            return disk_error(OSError(errno.ENOSPC, what), self.params["root"])
        why = text.excerpt(output, os.path.realpath(self.place.path("source")))
        name = text.missing_name(output)
        hint = causes.advice(output) or causes.of_import(why) or causes.PROJECT
        if name:
            hint = (
                f"The settings need {name} while building: set a harmless value in app_build_env (in {DECISIONS_FILE})."
            )
        elif unsuited := self.unsuited(output):
            listed = ", ".join(f"{name}={value}" for name, value in unsuited.items())
            hint = (
                f"While building, something stands in for variables that only an environment has: {listed}. If that "
                f"does not suit, set another harmless value in app_build_env (in {DECISIONS_FILE})."
            )
        return HostError(f"Release {self.place.id} {self.WHAT_FAILED}: `{what}` failed.\n{why}", hint)

    def unsuited(self, output: str) -> dict[str, str]:
        """Return what stands in for variables that a failure's output names, or all of it where settings failed."""
        guessed = environment.standing_in(self)
        named = {name: value for name, value in guessed.items() if re.search(rf"\b{name}\b", output)}
        package = str(self.release["settings"]).rpartition(".")[0] or str(self.release["settings"])
        of_settings = f"/{package.replace('.', '/')}" in output
        return named or (guessed if of_settings else {})

    def run_build_commands(self) -> None:
        """Run app_build_commands in the application's folder; live code is its owner's to change."""
        options: dict[str, Any] = {"more": online() if self.params["build_network"] else []}
        become: list[str] = []
        if self.live_path:
            status = os.stat(self.live_path)
            become = ["setpriv", f"--reuid={status.st_uid}", f"--regid={status.st_gid}", "--clear-groups", "--"]
            # Its owner finds nothing that a package left in the build's home.
            home = self.sandbox.make("owner", status.st_uid)
            options |= {"account": ROOT, "given": {self.live_path: self.live_path, f"{INSIDE}/home": home}}
        for command in self.release["build_commands"]:
            done = self.attempt_with_stand_ins([*become, "/bin/sh", "-ec", command], self.place.path("app"), **options)
            if done.returncode:
                error = self.failure(command, done.stdout + done.stderr)
                if not self.params["build_network"] and NO_NETWORK.search(done.stdout + done.stderr):
                    error.hint = (
                        "Commands of the build have no network: commit what they fetch, or set app_build_network: true "
                        f"(in {DECISIONS_FILE})."
                    )
                raise error

    def run_inside(self) -> None:
        """Collect, compress and compile in the application's Python, and compare its settings with the web server's."""
        if self.live_path:
            return
        given = {"source": self.place.path("source"), "collect": self.release["collectstatic"]}
        done = self.attempt_with_stand_ins(
            [self.place.path("venv", "bin", "python"), "-"],
            self.place.path("app"),
            text=inside_source("program.build", given),
        )
        answer = inside_answer(done.stdout)
        if done.returncode or answer is None:
            raise self.failure("manage.py collectstatic", done.stdout + done.stderr)
        self.check_answer(answer)
        self.said += self.say_of_static_files(answer)
        self.media = self.media_of(answer["media_root"])
        if self.media:
            self.said.append(
                f"MEDIA_ROOT is {self.media} of the source: a link leads from there to MEDIA_ROOT of the environment"
            )
        self.found = {name: [str(one) for one in answer[name]] for name in ("migrations", "replaces")}

    def media_of(self, folder: str) -> str:
        """Return the folder of the source that the settings have for media, "" for any other, and for one with code."""
        source = os.path.realpath(self.place.path("source")) + os.sep
        inside = folder[len(source) :] if folder.startswith(source) else ""
        code = f"{self.release['directory']}/".lstrip("/")
        led = [path for path in self.writable_paths if f"{inside}/".startswith(f"{path}/")]
        return "" if led or code.startswith(f"{inside}/") else inside

    def say_of_static_files(self, answer: Mapping[str, Any]) -> list[str]:
        """Return what people want to know where files are ready that are not collected, and where nothing is."""
        if answer["left_out"]:
            return [
                f"{answer['ready']} of the source has {answer['left_out']} static files that collectstatic does not "
                "find: if pages need them, set app_collectstatic: false"
            ]
        if self.release["collectstatic"] or not answer["staticfiles"] or "//" in answer["static_url"]:
            return []
        if answer["committed"]:
            return [f"app_collectstatic is false: {answer['static_url']} has the files of {answer['committed']}"]
        return [
            f"app_collectstatic is false, and the source has no folder of static files that is ready (STATIC_ROOT): "
            f"{answer['static_url']} is empty. Commit it, or have app_build_commands fill $STATIC_ROOT"
        ]

    def check_answer(self, answer: Mapping[str, Any]) -> None:
        """Refuse a release whose static files or media nginx would not find."""
        for name in ("static_url", "media_url"):
            said, served = answer[name], self.params[name]
            used = name == "media_url" or (answer["staticfiles"] and self.release["collectstatic"])
            # What another host has (S3, a CDN) is none of Nginx's business. Django's own default for media is the empty
            # string: no media.
            if used and not re.match(r"([a-z][a-z0-9+.-]*:)?//", said, re.IGNORECASE) and said not in ("", "/", served):
                raise HostError(
                    f"web_{name} = {served} (in {DECISIONS_FILE}): the settings say {name.upper()} = {said!r}, so "
                    "these files would not be found.",
                    f"Set web_{name}: {said}",
                )
        elsewhere = answer["static_root"] and answer["static_root"] != self.place.path("static")
        empty = not os.listdir(self.sandbox.path("static"))
        if self.release["collectstatic"] and answer["staticfiles"] and elsewhere and empty:
            raise HostError(
                f"app_settings_overlay = false (in {DECISIONS_FILE}): the settings do not take STATIC_ROOT from the "
                f"environment; the static files went to {answer['static_root']}.",
                "Read STATIC_ROOT from the environment, or set app_settings_overlay: true",
            )
