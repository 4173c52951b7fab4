"""How a project is served: its settings module and entry point, the paths of its files, and a page that answers."""

from __future__ import annotations

import ast
import posixpath
import re
from typing import TYPE_CHECKING

from ..project.code import dotted, module_file, parse, text_of
from ..project.entry_points import PRODUCTION
from ..project.variables import reads
from .finding import Finding
from .reading import DEEPEST
from .source import Address, addresses, included

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .finding import Sureness
    from .source import Source

#: Apps whose page answers 200 while all is well, and what their list of URLs is called
HEALTH_APPS = {
    "health_check": "health_check.urls",
    "watchman": "watchman.urls",
    "django_healthchecks": "django_healthchecks.urls",
    "heartbeat": "heartbeat.urls",
    "healthy_django": "healthy_django.urls",
}
HEALTH_PATH = re.compile(
    r"/(?:-/|_/|api/|api/v\d/|core/|status/|monitoring/|internal/|\.well-known/)?"
    r"(?:__)?(?:health(?:z|check|_check|-check)?|livez?|liveness|alive|ping|up|ht|heartbeat)(?:__)?/?"
)
#: A page to log in on, and what its view is called
LOGIN_PATH = re.compile(r"/(?:\w+/)?(?:login|log-in|signin|sign-in)/?")
LOGIN = ("LoginView.as_view", "login_view", "login")
IMAGE_FILE = re.compile(r"(^|/)(Dockerfile|Containerfile)[^/]*$")
IMAGE = re.compile(r"^FROM\s+(?:--\S+\s+)?(?:\S+/)?python:(\d\.\d+)\S*", re.MULTILINE)
STORES = {
    "storages.backends.s3": "S3", "storages.backends.s3boto3": "S3", "storages.backends.gcloud": "Google Cloud Storage",
    "storages.backends.azure_storage": "Azure", "cloudinary_storage": "Cloudinary",
    "storages.backends.dropbox": "Dropbox",
}  # fmt: skip


#: What a process writes by itself; the application's database is PostgreSQL here, wherever its settings have a file.
WRITTEN = re.compile(r"\.(sqlite3?|db|log)$")
DATABASE = "DATABASES"
#: What a folder is called in which a project keeps whatever it writes
DATA = re.compile(r"(?:\w+_)?DATA_(?:DIR|DIRECTORY|FOLDER|PATH|ROOT)")
#: What makes no other path of one, and what takes its last part away
AS_IT_IS = {"abspath", "realpath", "Path", "str", "normpath", "dirname"}
#: Apps that are there for debugging, and whose URLs nobody can load where they are not installed
OF_DEBUG = ("debug_toolbar", "silk")


def found(source: Source) -> Iterator[Finding]:
    """Yield what serves, and where it is."""
    project = source.project
    if project.directory:
        yield Finding("manage.py", project.directory, f"{project.directory}/manage.py:1")
    yield _settings(source)
    yield from _configurations(source)
    yield _entry(source)
    yield _packages(source)
    yield from _python(source)
    yield from _paths(source)
    yield from _stores(source)
    yield from _written(source)
    yield from _debug(source)
    yield health(source)


def _settings(source: Source) -> Finding:
    module = source.project.settings
    quoted = [(file, mark) for file in _entry_files(source) for mark in ("'", '"')]
    named = [(file, f"{mark}{module}{mark}") for file, mark in quoted if f"{mark}{module}{mark}" in source.text(file)]
    if named:
        return Finding("settings", module, source.place(*named[0]))
    file = source.settings.files[0].relative_to(source.root).as_posix()
    parent = module.rpartition(".")[0]
    beside = [name for name in _entry_files(source) if parent and parent in source.text(name)]
    note = f"{beside[0]} names another one; this is the one for production beside it" if beside else ""
    return Finding("settings", module, f"{file}:1", "likely", {"app_settings_module": module}, note)


def _configurations(source: Source) -> Iterator[Finding]:
    """Yield which class of django-configurations serves: its settings are no module's, so nothing is set over them."""
    for file in source.settings.files:
        body = (parse(file) or ast.Module([], [])).body
        classes = [node for node in body if isinstance(node, ast.ClassDef)]
        imported = any(isinstance(node, ast.ImportFrom) and node.module == "configurations" for node in body)
        if not imported or not classes:
            continue
        best = next((node for node in classes if node.name.lower() in (*PRODUCTION, "prd")), classes[-1])
        chosen = {"DJANGO_CONFIGURATION": best.name}
        note = "its settings have to take DATABASE_URL, ALLOWED_HOSTS and SECRET_KEY from the environment themselves"
        yield Finding("configuration", best.name, source.settings.place(file, best), "likely",
                      {"app_env": chosen, "app_build_env": chosen, "app_settings_overlay": False}, note)  # fmt: skip
        return


def _entry_files(source: Source) -> list[str]:
    names = ("wsgi.py", "asgi.py", "manage.py")
    return [file for name in names for file in source.files if file.rpartition("/")[2] == name]


def _entry(source: Source) -> Finding:
    project = source.project
    sockets = next(
        (re.search(r"set app_asgi: \"([^\"]+)\"", note) for note in project.notes if "WebSockets" in note), None
    )
    if sockets and project.interface == "wsgi":
        asgi = sockets[1]
        return Finding("entry point", f"{asgi} (ASGI)", _module_place(source, asgi), "likely",
                       {"app_asgi": asgi}, "it answers WebSockets, which the wsgi.py beside it cannot")  # fmt: skip
    shown = f"{project.application} ({project.interface.upper()})"
    return Finding("entry point", shown, _module_place(source, project.application))


def _module_place(source: Source, entry: str) -> str:
    """Return `file:line` of an entry point, `module:name`."""
    module, _, name = entry.partition(":")
    file = module_file(source.settings.folders, module)
    return source.place(file.relative_to(source.root).as_posix(), f"{name} =") if file else ""


def _packages(source: Source) -> Finding:
    packages = source.project.packages
    note = "no lock: each build may get newer versions" if packages.kind == "pyproject" else ""
    return Finding("packages", f"{packages.file}, {len(packages.versions)} packages", f"{packages.file}:1", note=note)


def _python(source: Source) -> Iterator[Finding]:
    asked = source.project.asked
    if asked.version:
        yield Finding("Python", asked.version, f"{asked.file}:1")
    elif asked.specifier:
        yield Finding("Python", asked.specifier, source.place(asked.listed, "python"))
    else:
        yield from _python_of_images(source)


def _python_of_images(source: Source) -> Iterator[Finding]:
    """Yield the Python that images are built with, where nothing else says one; the machine's own serves until then."""
    for name in (one for one in source.files if IMAGE_FILE.search(one)):
        if match := IMAGE.search(source.text(name)):
            note = f'the machine\'s own is taken; where packages need this one: app_python: "{match[1]}"'
            yield Finding("Python", match[1], source.place(name, match[0].strip()), "guess", note=note)
            return


def _paths(source: Source) -> Iterator[Finding]:
    for setting, decision, usual in (
        ("STATIC_URL", "web_static_url", "/static/"), ("MEDIA_URL", "web_media_url", "/media/"),
    ):  # fmt: skip
        said = source.settings.said(setting)
        value = source.settings.value(setting)
        if not said or not isinstance(value, str) or not value:
            continue
        if "://" in value:
            yield Finding(setting, value, said.place, note="on another host, which serves these files")
            continue
        path = f"/{value.strip('/')}/"
        if path not in (usual, "//"):
            yield Finding(setting, path, said.place, "sure" if said.sure else "likely", {decision: path})


def _stores(source: Source) -> Iterator[Finding]:
    for text, place in source.settings.texts("STORAGES", "DEFAULT_FILE_STORAGE", "STATICFILES_STORAGE"):
        name = next((title for begin, title in STORES.items() if text.startswith(begin)), "")
        if name:
            yield Finding("files", name, place, note="files there are the store's business: give its keys in app_env "
                          "and app_secret_env, and take it off for dev if you want them on the machine")  # fmt: skip


def _debug(source: Source) -> Iterator[Finding]:
    """Yield that dev goes without DEBUG: URLs that go by it, of an app that is installed by another one.

    What people develop with has its own settings as a rule, and those that serve say DEBUG = False.
    """
    if read_from_outside(source, "DEBUG"):
        return
    for name, text in source.code.items():
        tree = parse(source.root / name) if "DEBUG" in text and any(app in text for app in OF_DEBUG) else None
        for node in ast.walk(tree) if tree else ():
            # Whoever looks for it there is safe.
            if not isinstance(node, ast.If) or not by_debug(node) or "INSTALLED_APPS" in ast.dump(node):
                continue
            app = next((app for app in OF_DEBUG if loads(node, app)), "")
            if app and (not source.app(app) or installed_by_debug(source, app)):
                note = (
                    f"with DEBUG, this file loads {app}, which these settings do not install; so dev goes without. Let "
                    "them read DEBUG from the environment, and set it there again"
                )
                place = f"{name}:{node.lineno}"
                yield Finding("DEBUG", "off in dev, too", place, "likely", {"app_debug": False}, note)
                return


def read_from_outside(source: Source, name: str) -> bool:
    """Return whether the environment has a say in a setting."""
    nodes = [node for said in source.settings.every(name) for node in ast.walk(said.node)]
    calls = any(isinstance(node, ast.Call) and reads(node) for node in nodes)
    return calls or any(isinstance(node, ast.Attribute | ast.Name) and "environ" in dotted(node) for node in nodes)


def by_debug(node: ast.If) -> bool:
    """Return whether a condition asks for DEBUG, the settings' own or through django.conf."""
    return any(dotted(part) in ("DEBUG", "settings.DEBUG") for part in ast.walk(node.test))


def loads(node: ast.If, app: str) -> bool:
    """Return whether the body of a condition imports an app, or includes its URLs by their name."""
    names: list[str] = []
    for part in (part for statement in node.body for part in ast.walk(statement)):
        match part:
            case ast.Import():
                names += [alias.name for alias in part.names]
            case ast.ImportFrom(module=str(module)):
                names.append(module)
            case ast.Call():
                names.append(included(part))
    return any(name.partition(".")[0] == app for name in names)


def installed_by_debug(source: Source, app: str) -> bool:
    """Return whether the settings install an app, or take it out, by DEBUG."""
    nodes = (node for file in source.settings.files for node in ast.walk(parse(file) or ast.Module([], [])))
    conditions = (node for node in nodes if isinstance(node, ast.If) and by_debug(node))
    return any(text_of(part) == app for node in conditions for part in ast.walk(node) if isinstance(part, ast.Constant))


def _written(source: Source) -> Iterator[Finding]:
    """Yield the folders of the source that hold what processes write: logs, queues in SQLite, all data."""
    told = set()
    for name in source.settings.names():
        for said in source.settings.every(name) if name != DATABASE else ():
            file = said.place.rpartition(":")[0]
            for node in ast.walk(said.node):
                first, *folders, last = joined(source, node) or ["", ""]
                whole = DATA.fullmatch(name)
                kept = [*folders, last] if whole else folders if WRITTEN.search(last) else []
                folder = posixpath.normpath("/".join([first, *kept]).strip("/"))
                if not any(kept) or folder in told or not is_data(source, folder):
                    continue
                # What is committed there, a release brings.
                if whole and any(file.startswith(f"{folder}/") for file in source.files):
                    continue
                told.add(folder)
                place = f"{file}:{getattr(node, 'lineno', 1)}"
                yield Finding("written folder", f"{folder}, for {name if whole else last}", place, "likely",
                              {"app_writable_paths": [folder]}, "kept outside the releases")  # fmt: skip


def joined(source: Source, node: ast.AST) -> list[str]:
    """Return the parts of a path that is put together below a folder which has a name: BASE_DIR; [] for others.

    The first part is that folder, relative to the source.
    """
    parts: list[ast.expr] = []
    first: ast.AST = node
    if isinstance(node, ast.Call) and dotted(node.func) in ("os.path.join", "path.join", "join"):
        first, *parts = node.args or [node]
    else:
        while isinstance(first, ast.BinOp) and isinstance(first.op, ast.Div):
            parts.insert(0, first.right)
            first = first.left
    texts = [text_of(part) for part in parts]
    name = dotted(first)
    if not name.endswith(("DIR", "ROOT", "PATH")) or not texts or not all(texts):
        return []
    said = source.settings.said(name)
    above = folder_of(source, said.node, said.place.rpartition(":")[0]) if said else None
    base = source.project.directory if above is None else above
    return [base, *(part for text in texts if text for part in text.split("/") if part)]


def folder_of(source: Source, node: ast.AST, file: str, depth: int = 0) -> str | None:
    """Return a path that is put together from `__file__`, relative to the source; None where that is not all."""
    inner: ast.AST | None = None
    up = 0
    match node:
        case ast.Name(id="__file__"):
            return file
        case ast.Name() if depth < DEEPEST and (said := source.settings.said(node.id)):
            inner, file = said.node, said.place.rpartition(":")[0]
        case ast.Call(func=ast.Attribute(attr="resolve" | "absolute", value=inner)):
            pass
        case ast.Call(args=[first, *_]) if (last := dotted(node.func).rpartition(".")[2]) in AS_IT_IS:
            inner, up = first, int(last == "dirname")
        case ast.Attribute(attr="parent", value=inner):
            up = 1
        case ast.Subscript(value=ast.Attribute(attr="parents", value=inner), slice=ast.Constant(value=int(above))):
            up = above + 1
    path = folder_of(source, inner, file, depth + 1) if inner and depth < DEEPEST else None
    if path is None or path.count("/") + 1 < up:
        return None
    return "/".join(path.split("/")[: len(path.split("/")) - up])


def is_data(source: Source, folder: str) -> bool:
    """Return whether a folder of the source has no code: git ignores it, or what is in it is none."""
    if folder.startswith(".."):
        return False
    if any(name.startswith(f"{folder}/") for name in source.files):
        return not any(name.startswith(f"{folder}/") and name.endswith(".py") for name in source.files)
    ignored = {line.strip().strip("/*") for line in source.text(".gitignore").splitlines()}
    return bool(ignored & {folder, posixpath.basename(folder)})


def health(source: Source) -> Finding:
    """Return a page that answers 200 to everybody while the site is well."""
    every = list(addresses(source))
    for app, urls in HEALTH_APPS.items():
        if source.app(app):
            at = next((one for one in every if included(one.target) == urls), None)
            if at:
                return _page(at, "sure")
    at = next((one for one in every if HEALTH_PATH.fullmatch(one.path)), None)
    if at:
        return _page(at, "likely")
    at = next((one for one in every if _is_admin(one)), None)
    if at:
        return Finding("page that must answer", f"{at.path}login/", at.place, "likely",
                       {"app_health_path": f"{at.path}login/"})  # fmt: skip
    logins = (one for one in every if LOGIN_PATH.fullmatch(one.path))
    at = next((one for one in logins if dotted(called(one.target)).endswith(LOGIN)), None)
    if at:
        return _page(at, "likely")
    root = next((one for one in every if one.path == "/"), None)
    place = root.place if root else ""
    note = "" if root else "no list of URLs could be read; write a page that answers 200 to everybody"
    return Finding("page that must answer", "/", place, "guess", {"app_health_path": "/"}, note)


def _page(at: Address, sure: Sureness) -> Finding:
    return Finding("page that must answer", at.path, at.place, sure, {"app_health_path": at.path})


def called(target: ast.expr) -> ast.expr:
    """Return what is called, or what is there without a call."""
    return target.func if isinstance(target, ast.Call) else target


def _is_admin(at: Address) -> bool:
    # admin.site.urls, or another site of the same kind
    name = dotted(at.target)
    return name.endswith(".urls") and ("admin" in name or name.endswith(".site.urls"))
