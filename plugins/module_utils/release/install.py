"""Installs a release's packages into its own virtual environment, by whatever file of the project pins them."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NoReturn

from ..common.errors import DECISIONS_FILE, HostError
from .inside import inside_source

if TYPE_CHECKING:
    from .building import Building

PYTHON = "/usr/bin/python3"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
# What a tool says when the lock is older than the file it was made from, and how to make it anew
OUTDATED = {
    "uv": (r"lockfile .*needs to be updated|--locked", "uv lock"),
    "poetry": (r"changed significantly|poetry lock", "poetry lock"),
    "pipenv": (r"out of date|out-of-date", "pipenv lock"),
}


def environment(builder: Building) -> dict[str, str]:
    """Return uv's environment; a private index's password is only here, never among the arguments."""
    values = {
        "UV_CACHE_DIR": builder.params["uv_cache"],
        # Of a release, `compile_packages` sees to it.
        "UV_COMPILE_BYTECODE": "1" if builder.live_path else "0",
        "UV_LINK_MODE": "hardlink",
        "UV_NO_PROGRESS": "1",
        "UV_PROJECT_ENVIRONMENT": builder.venv,
        "UV_PYTHON": PYTHON,
        "UV_PYTHON_DOWNLOADS": "never",
        "SSL_CERT_FILE": CERTIFICATES,
    }
    declared = builder.release["packages"]["indexes"]
    added = []
    for name, index in builder.params["indexes"].items():
        key = re.sub(r"\W", "_", name).upper()
        if name not in declared:
            added.append(f"{name}={index['url']}")
        if index.get("user"):
            values[f"UV_INDEX_{key}_USERNAME"] = index["user"]
        if builder.params["index_passwords"].get(name):
            values[f"UV_INDEX_{key}_PASSWORD"] = builder.params["index_passwords"][name]
    if added:
        values["UV_INDEX"] = " ".join(added)
    return values


def install(builder: Building) -> None:
    """Make the environment and install the project's packages and the added ones; raises HostError."""
    packages = builder.release["packages"]
    source = builder.place.path("source")
    folder = os.path.dirname(os.path.join(source, packages["file"]))
    file = os.path.basename(packages["file"])
    uv = Uv(builder, folder)
    # Live code runs from the environment while it is brought up to date.
    existing = "--allow-existing" if builder.live_path else "--clear"
    uv.run("venv", "--quiet", existing, "--python", PYTHON, builder.venv)
    added = builder.release["requirements"]
    kind = packages["kind"]
    if kind == "uv":
        options = [part for extra in packages["extras"] for part in ("--extra", extra)]
        options += [part for group in packages["groups"] for part in ("--group", group)]
        uv.run("sync", "--locked", "--no-default-groups", "--no-install-project", *options)
    elif kind == "pylock":
        uv.install("-r", file)
    elif kind in ("poetry", "pipenv"):
        uv.install("-r", export(uv, kind), *added)
        added = []
    else:
        options = [part for extra in packages["extras"] for part in ("--extra", extra)]
        uv.install("-r", file, *options, *added)
        added = []
    if added:
        uv.install(*added)


def compile_packages(builder: Building, donor: str) -> None:
    """Make byte-code of the packages; what the donor, another environment, has already is copied from there."""
    # Without `site`: nothing of the packages runs.
    python = [os.path.join(builder.venv, "bin", "python"), "-I", "-S", "-B", "-"]
    program = inside_source("program.compile_packages", {"venv": builder.venv, "donor": donor})
    done = builder.attempt(python, cwd="/", input=program)
    if done.returncode:
        raise builder.failure("compileall", done.stdout + done.stderr)


def export(uv: Uv, kind: str) -> str:
    """Have the lock's own tool write it as a requirements file in the release's folder; returns that file's path."""
    tools = uv.builder.params["pins"]
    target = os.path.join(uv.builder.scratch, "requirements.txt")
    if kind == "poetry":
        with_plugin = ["--with", f"poetry-plugin-export=={tools['poetry-plugin-export']}"]
        poetry = ["tool", "run", "--from", f"poetry=={tools['poetry']}", *with_plugin, "poetry"]
        uv.run(*poetry, "export", "--only", "main", "--format", "requirements.txt", "--output", target, kind=kind)
        return target
    pipenv = ["tool", "run", "--from", f"pipenv=={tools['pipenv']}", "pipenv"]
    if os.path.isfile(os.path.join(uv.folder, "Pipfile")):
        uv.run(*pipenv, "verify", kind=kind)
    listed = uv.run(*pipenv, "requirements", "--hash", kind=kind)
    uv.builder.attempt(["tee", target], cwd=uv.builder.scratch, input=listed)
    return target


class Uv:
    """uv, run as the build user in the folder of the file that lists the packages."""

    def __init__(self, builder: Building, folder: str) -> None:
        """Take the builder and the folder."""
        self.builder, self.folder = builder, folder
        self.environment = environment(builder)

    def install(self, *arguments: str) -> None:
        """Install into the release's environment."""
        self.run("pip", "install", "--python", os.path.join(self.builder.venv, "bin", "python"), *arguments)

    def run(self, *arguments: str, kind: str = "") -> str:
        """Run uv and return what it printed; raises HostError."""
        command = [self.builder.params["uv"], *arguments]
        done = self.builder.attempt(command, cwd=self.folder, env=self.environment)
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
        if re.search(r"pg_config|libpq-fe\.h", output):
            raise HostError(
                "psycopg2 has to be compiled here and cannot be: PostgreSQL's headers are missing.",
                "Let the project ask for psycopg2-binary or psycopg[binary], or set app_system_packages: "
                "[build-essential, libpq-dev, python3-dev].",
            )
        raise builder.failure("uv " + " ".join(arguments[:2]), output)
