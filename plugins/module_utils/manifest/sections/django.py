"""Sections `settings` and `gunicorn`: what the application's own Python says of itself, asked after a change."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from ...common.secrets import is_secret_name
from ...release.application import app_command, hand_over
from ...release.inside import inside_answer, inside_source
from ..reading.live import no_release
from ..reading.machine import COMPLAINT_LENGTH, PATIENCE_SECONDS, MissingError, NotHereError
from ..reading.processes import changed_since, main_processes, started
from ..section import Collector

if TYPE_CHECKING:
    from ..reading.live import Live
    from ..reading.machine import Host, Section

OVERLAY = "/usr/local/lib/samestack/python"
#: What live code's settings may be made from
SETTINGS_FILES = (".py", ".env", ".toml", ".json", ".yaml", ".yml", ".ini", ".cfg")


def settings(host: Host, live: Live) -> Section:
    """Return the section `settings`; raises MissingError where they cannot be asked for."""
    found = described(host, live)
    return {"(Django)": found["django"], **found["settings"]}


def gunicorn(host: Host, live: Live) -> Section:
    """Return the section `gunicorn`; raises MissingError where another server serves, or none."""
    if "web" not in host.config["functions"]:
        raise NotHereError("this host serves no web requests")
    if server_of(live) != "gunicorn":
        raise NotHereError(f"the release is served by {server_of(live)}; its command is in section units")
    found = described(host, live)
    if "gunicorn" not in found:
        raise MissingError(found.get("trouble", "Gunicorn was not asked"))
    section: Section = dict(found["gunicorn"])
    own = [config_file(host)]
    pids = [pid for unit, pid in main_processes(host).items() if unit.startswith(f"{host.config['app']}-web@")]
    section["not read yet"] = sorted({path for pid in pids for path in changed_since(host, own, started(host, pid))})
    return section


def server_of(live: Live) -> str:
    """Return which server the release was built with."""
    return str(((live.place.finished or {}).get("inputs") or {}).get("server") or "gunicorn")


def config_file(host: Host) -> str:
    """Return Gunicorn's file."""
    return f"/etc/{host.config['app']}/gunicorn.conf.py"


def described(host: Host, live: Live) -> dict[str, Any]:
    """Return what `settings.describe` answers, without secrets: so it is kept, too. Raises MissingError."""
    if not live.id or "app" not in host.config["functions"]:
        raise no_release(host)
    if live.trouble:
        raise MissingError(live.trouble)
    try:
        return dict(host.cache.finding("django", follows_from(host, live), lambda: ask(host, live)))
    except MissingError as missing:
        live.trouble = str(missing)
        raise


def follows_from(host: Host, live: Live) -> str:
    """Return a digest of everything that decides the settings: code, packages, environment, and these programs."""
    digest = hashlib.sha256(inside_source("settings.describe").encode())
    overlay = [f"{OVERLAY}/{name}.py" for name in ("samestack_overlay", "samestack_settings")]
    own = [f"/etc/{host.config['app']}/env", config_file(host), *overlay]
    for path in own:
        digest.update(host.text(path).encode("utf-8", "surrogateescape") + b"\0")
    digest.update(live.id.encode())
    # What the environment is made of decides too, and whatever somebody changed in it.
    trees = [live.tree, {path: one for path, one in live.venv_tree.items() if not path.endswith(".pyc")}]
    for tree in trees:
        for path, (mode, sha256) in sorted(tree.items()):
            if not live.is_code or path.endswith(SETTINGS_FILES):
                digest.update(f"{path} {mode} {sha256}\n".encode("utf-8", "surrogateescape"))
    return str(host.keyed(digest.hexdigest() + "".join(host.config["secrets"])))


def ask(host: Host, live: Live) -> dict[str, Any]:
    """Run the program as the application, in its environment; raises MissingError."""
    config = host.config
    account = {"user": config["app"], "groups": config["groups"], "env_file": f"/etc/{config['app']}/env"}
    given = {"gunicorn": config_file(host) if "web" in config["functions"] else ""}
    program = inside_source("settings.describe", given)
    # The same text in every process: sets have an order of their own otherwise.
    python = ["env", "PYTHONHASHSEED=0", "PYTHONDONTWRITEBYTECODE=1", "SAMESTACK_SOCKET=/run/live.sock"]
    python += [live.place.path("venv", "bin", "python"), "-"]
    command = app_command(live.place, account, python)
    # A program that hangs is ended together with whoever waits for it.
    command[1:1] = [f"--property=RuntimeMaxSec={PATIENCE_SECONDS}"]
    code, out, err = host.ask(*command, stdin=program)
    if live.is_code:
        hand_over(live.place.live_folder, config["app"])
    answer = inside_answer(out)
    if code or answer is None:
        last = [line for line in (err or out).splitlines() if line.strip()][-1:]
        why = host.secrets.masked("".join(last))[:COMPLAINT_LENGTH]
        raise MissingError(f"the application's settings cannot be read: {why or f'exit code {code}'}")
    sections: dict[str, dict[str, Any]] = {
        name: answer.get(name, {}) for name in ("settings", "gunicorn") if name in answer
    }
    clean: dict[str, Any] = {
        section: {name: value_of(host, live, name, value) for name, value in values.items()}
        for section, values in sections.items()
    }
    trouble = {"trouble": host.secrets.masked(answer["trouble"])} if "trouble" in answer else {}
    return {"django": answer["django"], **clean, **trouble}


def value_of(host: Host, live: Live, name: str, value: Any) -> Any:
    """Return a setting as the manifest has it: no secret, and the live release's folder by the name that stays."""
    if isinstance(value, list):
        return [str(value_of(host, live, name, one)) for one in value]
    if isinstance(value, float):
        value = json.dumps(value)
    if not isinstance(value, str):
        plain = value is None or isinstance(value, bool) or not is_secret_name(name)
        return value if plain else host.keyed(str(value))
    root = live.place.root
    text = value.replace(f"{root}/releases/{live.id}/", f"{root}/current/").replace(
        f"{live.venv}/", f"{root}/current/venv/"
    )
    return host.secrets.value(name, text)


SECTIONS = (Collector("settings", settings, after="release"), Collector("gunicorn", gunicorn, after="release"))
