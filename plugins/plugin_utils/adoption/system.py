"""What a project needs of the machine: packages of the system that its own are built with or load, and Node builds."""

from __future__ import annotations

import json
import posixpath
import re
from typing import TYPE_CHECKING, Any

from ...module_utils.release import causes
from .finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .source import Source

COMPILER = ("gcc", "python3-dev")
#: What is needed beside the wheel, by the names of packages; Debian and Ubuntu have all of these in every release.
NEEDED: dict[str, tuple[str, ...]] = {
    "psycopg2": (*COMPILER, "libpq-dev"),
    "psycopg-c": (*COMPILER, "libpq-dev"),
    "xmlsec": (*COMPILER, "libxmlsec1-dev", "pkg-config"),
    "pysaml2": ("xmlsec1",),
    "djangosaml2": ("xmlsec1",),
    "python-ldap": (*COMPILER, "libldap2-dev", "libsasl2-dev"),
    "django-auth-ldap": (*COMPILER, "libldap2-dev", "libsasl2-dev"),
    "weasyprint": ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0", "fonts-dejavu-core"),
    "pycairo": (*COMPILER, "libcairo2-dev", "pkg-config"),
    "cairosvg": ("libcairo2",),
    "python-magic": ("libmagic1",),
    "pyvips": ("libvips42",),
    "wand": ("libmagickwand-dev",),
    "pytesseract": ("tesseract-ocr",),
    "ocrmypdf": ("ocrmypdf",),
    "pdf2image": ("poppler-utils",),
    "pydub": ("ffmpeg",),
    "ffmpeg-python": ("ffmpeg",),
    "uwsgi": COMPILER,
    "pygraphviz": (*COMPILER, "libgraphviz-dev", "graphviz"),
    "graphviz": ("graphviz",),
    "gdal": (*COMPILER, "g++", "libgdal-dev"),
    "pyodbc": ("unixodbc",),
    "pylibmc": (*COMPILER, *causes.TO_BUILD["pylibmc"]),
    "django-dbbackup": ("postgresql-client",),
}
#: What is called by programs that not every release has: by the names of packages, what and which release has none
NOT_EVERYWHERE = {"pdfkit": ("wkhtmltopdf", "Debian 13")}
#: What nobody publishes ready-made
TO_COMPILE = {name: (*COMPILER, *causes.TO_BUILD[name]) for name in sorted(causes.SOURCES_ONLY - NEEDED.keys())}
#: Those of another name on some release: what is asked for is left out, and said
LATER = {"libvips42": "libvips42 is libvips42t64 on Debian 13 and Ubuntu 24.04"}
WEB_BUILDS = (
    "webpack_loader",
    "django_vite",
    "django_webpack_loader",
    "tailwind",
    "compressor",
    "pipeline",
    "django_esbuild",
)
#: What is built there is no part of the site
OTHERS = re.compile(r"(^|/)(docs?|examples?|tests?|e2e|cypress|storybook|node_modules)/")
#: Folders above a package.json of the project's own
DEEPEST = 2
SCRIPTS = ("build:production", "build:prod", "production", "build")
LOCKS = {
    "package-lock.json": ("npm{0} ci", "npm{0} run"),
    "npm-shrinkwrap.json": ("npm{0} ci", "npm{0} run"),
    "yarn.lock": ("npx --yes yarn{1} install --frozen-lockfile", "npx --yes yarn{1} run"),
    "pnpm-lock.yaml": ("npx --yes pnpm{2} install --frozen-lockfile", "npx --yes pnpm{2} run"),
}

#: The Node that each release of a system has at least: a newer one comes from npm.
NODE = 18
NODE_FILES = (".nvmrc", ".node-version")


def found(source: Source) -> Iterator[Finding]:
    """Yield what has to be on the machine."""
    for package, wanted in (NEEDED | TO_COMPILE).items():
        if package not in {*source.packages, *source.development}:
            continue
        note = "; ".join(LATER[name] for name in wanted if name in LATER)
        yield Finding("system packages", f"{', '.join(wanted)}, for {package}", source.package_place(package), "likely",
                      {"app_system_packages": list(wanted)}, note)  # fmt: skip
    for package, (program, release) in NOT_EVERYWHERE.items():
        if package in source.packages:
            note = f"{release} has none; where your machines have it: app_system_packages: [{program}]"
            yield Finding(
                "system packages", f"{program}, for {package}", source.package_place(package), "guess", note=note
            )
    yield from _node(source)


def _node(source: Source) -> Iterator[Finding]:
    files = [
        name
        for name in source.files
        if posixpath.basename(name) == "package.json" and not OTHERS.search(name)
        # Of what is below manage.py, as deep as below the top
        if name.removeprefix(f"{source.project.directory}/").count("/") <= DEEPEST
    ]
    for name in sorted(files, key=lambda one: one.count("/")):
        try:
            content: dict[str, Any] = json.loads(source.text(name) or "{}")
        except ValueError:
            continue
        scripts = content.get("scripts") if isinstance(content, dict) else None
        script = next((one for one in SCRIPTS if isinstance(scripts, dict) and one in scripts), "")
        if script:
            yield _build(source, name, script)
            return


def _build(source: Source, name: str, script: str) -> Finding:
    folder = posixpath.dirname(name)
    lock = next((one for one in LOCKS if posixpath.join(folder, one) in source.files), "")
    install, run = LOCKS.get(lock, ("npm{0} install", "npm{0} run"))
    inside = posixpath.relpath(folder or ".", source.project.directory or ".")
    options = ["", "", ""] if inside == "." else [f" --prefix {inside}", f" --cwd {inside}", f" --dir {inside}"]
    node, said = node_of(source, name)
    commands = [with_node(one, node) for one in (install.format(*options), f"{run.format(*options)} {script}")]
    decided = {"app_build_commands": commands, "app_build_network": True, "app_system_packages": ["npm"]}
    place = source.place(name, f'"{script}"')
    app = source.app(*WEB_BUILDS)
    ignored = built_folder(source, folder)
    # What is beside the Django project may be a site of its own.
    if app or (ignored and not inside.startswith("..")):
        why = f"{app} is installed" if app else f"{ignored} is not in git"
        note = f"{why}: the build makes what pages load" + (f"; {said} asks for Node {node}" if node > NODE else "")
        return Finding("Node", " && ".join(commands), place, "likely", decided, note)
    note = (
        f"nothing says that pages need it; if they do: app_build_commands: {json.dumps(commands)}, "
        f"app_build_network: true, app_system_packages: [npm]"
    )
    return Finding("Node", f"{script} in package.json", place, "guess", note=note)


def node_of(source: Source, name: str) -> tuple[int, str]:
    """Return which Node a package.json is for, and the file that says it; (0, "") where none does."""
    folder = posixpath.dirname(name)
    for place in dict.fromkeys(posixpath.join(above, file) for above in (folder, "") for file in NODE_FILES):
        if version := re.match(r"v?(\d+)(\.|\s|$)", source.text(place)):
            return int(version[1]), place
    content: dict[str, Any] = json.loads(source.text(name))
    engines, tools = content.get("engines"), content.get("devDependencies")
    asked = str(engines.get("node", "")) if isinstance(engines, dict) else ""
    # What TypeScript is told to write for
    asked += " ".join(tools if isinstance(tools, dict) else ()) if not asked else ""
    version = re.match(r"[^\w]*v?(\d+)", asked) or re.search(r"@tsconfig/node(\d+)\b", asked)
    return (int(version[1]), name) if version else (0, "")


def with_node(command: str, node: int) -> str:
    """Return a command that runs with a Node which is newer than some release's, as npm brings it."""
    if node <= NODE:
        return command
    bring = f"npx --yes --package node@{node}"
    tool = command.removeprefix("npx --yes ")
    bring += f" --package {tool.split()[0]}" if tool != command else ""
    # Debian's npm hands --package on to scripts, whose own npx would look for its program in these packages alone.
    return f"{bring} -- env --unset=npm_config_package {tool}"


def built_folder(source: Source, folder: str) -> str:
    """Return a folder that git ignores, into which a build of static files goes; "" for none."""
    for place in dict.fromkeys((posixpath.join(folder, ".gitignore"), ".gitignore")):
        for line in source.text(place).splitlines():
            name = line.split("#")[0].strip().strip("/")
            if re.search(r"(^|/)(dist|bundles?|webpack_bundles|build)$", name) and re.search(
                "static|assets|dist|bundle", name
            ):
                return name
    return ""
