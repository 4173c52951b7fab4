"""Installs a release's packages into its own virtual environment, by whatever file of the project pins them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote, urlsplit, urlunsplit

from ..common.errors import DECISIONS_FILE, HostError
from ..common.text import last_lines
from . import causes
from .environment import own_folders
from .fetching import CERTIFICATES, fetch_account
from .inside import inside_source
from .interpreter import Interpreter
from .sandbox import INSIDE, online

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .building import Building

CACHE = f"{INSIDE}/cache"
# What uv says of a Python that it cannot start, and of a package that it cannot build without one
DENIED, UNKNOWN_PYTHON = "Permission denied (os error 13)", "Failed to inspect Python interpreter"
UNBUILT = re.compile(r"Failed to (?:download and )?build `([\w.-]+)")
MOST_UNBUILT = 50
DRIVERS = {"psycopg2", "psycopg-c"}
NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
# Folders of uv's cache: what is of one moment, and where sources are built
BUCKET = re.compile(r"[a-z]+-v\d+")
NOT_GIVEN = ("builds-", "interpreter-", "environments-")
BUILT_IN = ("sdists-", "git-")
# What a netrc file can hold without quotes
PLAIN = re.compile(r"[^\s\"'#\\]+")
# What a tool says when the lock is older than the file it was made from, and how to make it anew
OUTDATED = {
    "uv": (r"lockfile .*needs to be updated|--locked", "uv lock"),
    "poetry": (r"changed significantly|poetry lock", "poetry lock"),
    "pipenv": (r"out of date|out-of-date", "pipenv lock"),
}


def environment(builder: Building) -> dict[str, str]:
    """Return uv's environment, with nothing of the application's in it."""
    return {
        **own_folders(),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "UV_CACHE_DIR": CACHE,
        # `compile_packages` sees to it.
        "UV_COMPILE_BYTECODE": "0",
        # What is fetched is of another account.
        "UV_LINK_MODE": "copy",
        "UV_NO_PROGRESS": "1",
        "UV_PROJECT_ENVIRONMENT": builder.venv,
        "UV_PYTHON": builder.python,
        "UV_PYTHON_DOWNLOADS": "never",
        "SSL_CERT_FILE": CERTIFICATES,
        **{name: str(value) for name, value in builder.params["build_env"].items()},
    }


def index_environment(builder: Building) -> tuple[dict[str, str], str]:
    """Return what uv is told of the private indexes: an environment, and the text of a netrc file.

    Passwords belong to the host that the decisions name: the project may call an index of its own by the same name.
    They are for the account that fetches alone; what netrc cannot hold is part of the index's address.
    """
    declared = builder.release["packages"]["indexes"]
    added, lines, hosts = [], [], set()
    for name, index in builder.params["indexes"].items():
        user, password = index.get("user") or "", builder.params["index_passwords"].get(name) or ""
        url = urlsplit(index["url"])
        address = index["url"]
        if password and PLAIN.fullmatch(user) and PLAIN.fullmatch(password) and url.hostname not in hosts:
            hosts.add(url.hostname)
            lines.append(f"machine {url.hostname}\nlogin {user}\npassword {password}\n")
        elif user or password:
            given = ":".join(quote(part, safe="") for part in (user, password))
            address = urlunsplit(url._replace(netloc=f"{given}@{url.netloc.rpartition('@')[2]}"))
        if name not in declared or address != index["url"]:
            added.append(f"{name}={address}")
    return ({"UV_INDEX": " ".join(added)} if added else {}), "".join(lines)


@dataclass(frozen=True)
class Made:
    """An environment that is not sealed yet: its real folder, and the user id that it belongs to."""

    folder: str
    owner: int


def install(builder: Building) -> Made:
    """Make the environment with the project's packages and the added ones; raises HostError.

    Where nothing has to be built, what was fetched is the environment: nothing of a package ran.
    """
    packages = builder.release["packages"]
    source = builder.place.path("source")
    folder = os.path.join(source, packages["folder"]).rstrip(os.sep)
    uv = Uv(builder, folder)
    listed = os.path.join(source, packages["file"])
    if packages["kind"] in ("poetry", "pipenv"):
        listed = export(uv, packages["kind"], *chosen(builder.release))
    steps = commands(builder.release, source, listed, live=bool(builder.live_path))
    uv.begin()
    for step in steps:
        uv.fetch(*step)
    if not uv.unbuilt:
        return Made(uv.fetched, fetch_account(builder.params).pw_uid)
    made = Made(builder.sandbox.make("venv"), builder.sandbox.uid)
    uv.hand_over()
    uv.run("venv", "--quiet", "--allow-existing", "--python", builder.python, builder.venv)
    for step in steps:
        uv.install(*step)
    return made


def chosen(release: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the extras and groups that are installed beside the main one: for servers, and what live code has."""
    parts = (release["packages"], release.get("development") or {})
    extras, groups = ([one for part in parts for one in part.get(name, [])] for name in ("extras", "groups"))
    return list(dict.fromkeys(extras)), list(dict.fromkeys(groups))


def commands(release: Mapping[str, Any], source: str, listed: str, *, live: bool) -> list[list[str]]:
    """Return the commands of uv that install a project's packages, and those that are added.

    Args:
        release: what `release_source` found.
        source: the source's folder.
        listed: the file that lists the packages, as the commands find it.
        live: whether it is for live code, whose own packages change under the same version.
    """
    kind, added = release["packages"]["kind"], list(release["requirements"])
    development = release.get("development") or {}
    files = [part for name in development.get("files", []) for part in ("-r", os.path.join(source, name))]
    optional: list[str] = []
    if kind in ("uv", "pyproject"):
        for option, names in zip(("--extra", "--group"), chosen(release), strict=True):
            optional += [part for name in names for part in (option, name)]
    if live:
        open_ones = release["packages"]["unpinned"]
        named = [part for name in open_ones for part in ("--reinstall-package", name)]
        optional += named if all(map(NAME.fullmatch, open_ones)) else ["--reinstall"]
    if kind == "uv":
        whole = ["sync", "--locked", "--no-default-groups", "--no-install-project", *optional]
        if not live:
            # Other projects of the source: their code as it is now, not a way to it
            whole.append("--no-editable")
        return [whole, *([["pip", "install", *added]] if added else [])]
    if kind == "pylock":
        # Such a lock stands alone in a command.
        alone = [["-r", listed, *optional], *([files] if files else []), *([added] if added else [])]
        return [["pip", "install", *one] for one in alone]
    # A file with groups alone is no project that could be installed.
    main = [] if kind == "pyproject" and release["packages"]["groups"] else ["-r", listed]
    return [["pip", "install", *main, *files, *optional, *added]]


def fetched_environment(builder: Building) -> str:
    """Return the folder of the environment that is fetched for; it goes with the build."""
    return os.path.join(builder.params["uv_cache"], os.path.basename(builder.venv))


def compile_packages(builder: Building, made: Made, donor: str) -> None:
    """Make byte-code of the packages; what the donor, another environment, has already is copied from there."""
    # Without `site`, and not by the environment's own Python: nothing of the packages runs.
    python = [builder.python, "-I", "-S", "-B", "-"]
    program = inside_source("program.compile_packages", {"venv": builder.venv, "donor": donor})
    account = "" if made.owner == builder.sandbox.uid else builder.params["fetch_user"]
    given = {builder.venv: made.folder}
    done = builder.attempt(python, cwd="/", env=environment(builder), text=program, account=account, given=given)
    if done.returncode:
        raise builder.failure("compileall", done.stdout + done.stderr)


def export(uv: Uv, kind: str, extras: Sequence[str], groups: Sequence[str]) -> str:
    """Have the lock's own tool write it as a requirements file; returns that file's path, as a step sees it.

    `groups` and `extras` are those beside the main one.
    """
    tools = uv.builder.params["pins"]
    uv.builder.sandbox.make("exported")
    target = os.path.join(INSIDE, "exported", "requirements.txt")
    wanted = [f"{kind}=={tools[kind]}"]
    if kind == "poetry":
        wanted.append(f"poetry-plugin-export=={tools['poetry-plugin-export']}")
    uv.begin()
    uv.fetch("pip", "install", *wanted, kind=kind)
    uv.hand_over()
    tool = ["tool", "run", "--offline", "--from", wanted[0], *[part for one in wanted[1:] for part in ("--with", one)]]
    if kind == "poetry":
        chosen = ["--with", ",".join(groups)] if groups else ["--only", "main"]
        chosen += ["--extras", " ".join(extras)] if extras else []
        uv.run(*tool, "poetry", "export", *chosen, "--format", "requirements.txt", "--output", target, kind=kind)
        return target
    if any(os.path.basename(name) == "Pipfile" for name in uv.builder.release["packages"]["inputs"]):
        uv.run(*tool, "pipenv", "verify", kind=kind)
    listed = uv.run(*tool, "pipenv", "requirements", "--hash", *(["--dev"] if groups else []), kind=kind)
    uv.builder.attempt(["tee", target], cwd="/", env=uv.environment, text=listed)
    return target


class Uv:
    """uv: as the account that fetches, into its cache alone, then as the build's account and without a network."""

    def __init__(self, builder: Building, folder: str) -> None:
        """Take the builder, and the folder of the file that lists the packages."""
        self.builder, self.folder = builder, folder
        self.environment = environment(builder)
        #: What could not be fetched without building it, "*" for what is not known by name
        self.unbuilt: list[str] = []
        # As a step sees it and really: inside of the cache, so that equal files are links
        self.fetched = fetched_environment(builder)
        self.environment_path = os.path.join(builder.place.venvs, os.path.basename(self.fetched))

    def begin(self) -> None:
        """Make an empty environment to fetch for, and let uv note what its Python is: nothing else is there yet."""
        account = fetch_account(self.builder.params)
        self.builder.sandbox.take_away(self.fetched)
        for name, content in (("netrc", index_environment(self.builder)[1]), ("left-out", "")):
            self.give(name, content, account.pw_uid)
        uv, venv = self.builder.params["uv"], self.environment_path
        make = '"$0" --no-config venv --quiet --python "$1" "$2" && "$0" --no-config pip list --python "$2/bin/python"'
        done = self.builder.fetch(
            ["/bin/sh", "-ec", make, uv, self.builder.python, venv], "/", self.fetching, knowing=True
        )
        if done.returncode:
            raise self.builder.failure("uv venv", done.stdout + done.stderr)

    def give(self, name: str, content: str, owner: int) -> None:
        """Write a file of the build's folder that one user alone reads."""
        path = self.builder.sandbox.path(name)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o400), "w", encoding="utf-8") as file:
            os.fchown(file.fileno(), owner, owner)
            file.write(content)

    def fetch(self, *arguments: str, kind: str = "") -> None:
        """Bring what a command installs into the cache, and into an environment; raises HostError.

        Nothing is built: no Python can be started. A package that would have to be built ends the command once its
        sources, and what they say they need, are fetched; so it is left out and the rest is fetched.
        """
        command = list(arguments)
        names: list[str] = []
        env = {**self.fetching, **index_environment(self.builder)[0], "NETRC": f"{INSIDE}/netrc"}
        while True:
            done = self.builder.fetch([self.builder.params["uv"], *command, *self.left_out(command, names)],
                                      self.folder, env)  # fmt: skip
            output = done.stdout + done.stderr
            unbuilt = UNBUILT.search(output)
            if not done.returncode:
                break
            if DENIED not in output or UNKNOWN_PYTHON in output:
                self.explain(arguments, output, kind)
            elif "--locked" in command:
                # To compare the lock with the project may need a build, too: that is done when it is installed.
                command[command.index("--locked")] = "--frozen"
            elif unbuilt and unbuilt[1] not in names and len(names) < MOST_UNBUILT:
                names.append(unbuilt[1])
            else:
                names.append("*")
                break
        self.unbuilt += names

    def left_out(self, command: Sequence[str], names: Sequence[str]) -> list[str]:
        """Return the options that install where it is fetched for, without some packages."""
        if command[0] != "pip":
            return [part for name in names for part in ("--no-install-package", name)]
        self.give("left-out", "\n".join(names) + "\n", fetch_account(self.builder.params).pw_uid)
        python = ["--python", os.path.join(self.environment_path, "bin", "python")]
        return [*python, *(["--excludes", f"{INSIDE}/left-out"] if names else [])]

    @property
    def fetching(self) -> dict[str, str]:
        """Return the environment of the account that fetches; cache and environment lie on one mount for links."""
        venvs = self.builder.place.venvs
        own = {"HOME": INSIDE, "TMPDIR": venvs, "UV_CACHE_DIR": venvs, "UV_PROJECT_ENVIRONMENT": self.environment_path}
        return {**self.environment, **own, "UV_LINK_MODE": "hardlink", "UV_COMPILE_BYTECODE": "0"}

    def hand_over(self) -> None:
        """Give the build a cache of its own with what was fetched: files of which it can change none."""
        source, target = self.builder.params["uv_cache"], self.builder.sandbox.path("cache")
        shutil.rmtree(target, ignore_errors=True)
        self.builder.sandbox.make("cache")
        names = [name for name in os.listdir(source) if BUCKET.fullmatch(name) and not name.startswith(NOT_GIVEN)]
        # uv writes beside sources that it builds: those are copies.
        whole = [os.path.join(source, name) for name in names if name.startswith(BUILT_IN)]
        linked = [os.path.join(source, name) for name in names if not name.startswith(BUILT_IN)]
        for options, paths in (["-a"], whole), (["-a", "--link"], linked):
            if paths:
                subprocess.run(["cp", *options, "--", *paths, target], check=True, capture_output=True)
        owner = str(self.builder.sandbox.uid)
        for path in whole:
            command = ["chown", "-R", "-h", owner, "--", os.path.join(target, os.path.basename(path))]
            subprocess.run(command, check=True, capture_output=True)
        # The folders are the build's, so that it can add to them.
        folders = ["find", target, "-type", "d", "-exec", "chown", "-h", owner, "{}", "+"]
        subprocess.run(folders, check=True, capture_output=True)

    def install(self, *arguments: str) -> None:
        """Install into the release's environment: without a network, or it is said."""
        command = [self.builder.params["uv"], *arguments]
        if arguments[0] == "pip":
            command += ["--python", os.path.join(self.builder.venv, "bin", "python")]
        done = self.builder.attempt([*command, "--offline"], cwd=self.folder, env=self.environment)
        if done.returncode and self.unbuilt:
            names = ", ".join(name for name in self.unbuilt if name != "*") or "A package"
            self.builder.said.append(
                f"{names}: built with a network, because the project's lock does not say all that building needs"
            )
            done = self.builder.attempt(command, cwd=self.folder, env=self.environment, more=online())
        if done.returncode:
            self.explain(arguments, done.stdout + done.stderr, "")

    def run(self, *arguments: str, kind: str = "") -> str:
        """Run uv as the build's account and return what it printed; raises HostError."""
        done = self.builder.attempt([self.builder.params["uv"], *arguments], cwd=self.folder, env=self.environment)
        if done.returncode:
            self.explain(arguments, done.stdout + done.stderr, kind)
        return str(done.stdout)

    def explain(self, arguments: tuple[str, ...], output: str, kind: str) -> NoReturn:
        """Raise a HostError with advice for what commonly goes wrong."""
        builder = self.builder
        file = builder.release["packages"]["file"]
        pattern, command = OUTDATED.get(kind or builder.release["packages"]["kind"], ("$^", ""))
        if re.search(pattern, output):
            raise HostError(
                f"{file} does not match the project any more: the packages that it pins are not those that the project "
                "asks for.",
                f"Run `{command}` in the project, commit {os.path.basename(file)}, and deploy again.",
            )
        if re.search(r"40[13] (Unauthorized|Forbidden)|authentication credentials", output):
            error = builder.failure("uv " + " ".join(arguments[:2]), output)
            error.hint = f"Check user and password in release_package_indexes (in {DECISIONS_FILE}) and the vault."
            raise error
        built = {name for name in (*self.unbuilt, *UNBUILT.findall(output)) if name != "*"}
        if not built and "pg_config" in output:
            built = {"psycopg2"}
        if built and causes.NO_COMPILER.search(output):
            hint = causes.system_packages(causes.to_build(built, output))
            if DRIVERS & built:
                hint += " Or let the project ask for psycopg[binary] (or psycopg2-binary)."
            python = str(builder.release["inputs"].get("python", ""))
            brought = Interpreter.of(python)
            hint += causes.older_python(built, brought.minor if brought else python)
            raise HostError(
                f"{', '.join(sorted(built))} has to be compiled here and cannot be: this host lacks compilers or "
                f"headers.\n{last_lines(output, 4)}",
                hint,
            )
        error = builder.failure("uv " + " ".join(arguments[:2]), output)
        if any((builder.release.get("development") or {}).values()):
            error.hint += f" Without what the project is developed with: app_dev_packages: false ({DECISIONS_FILE})."
        raise error
