"""What systemd reads: environment files, arguments, the units of an application's processes."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError

from ..plugin_utils.inventory.formats import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def systemd_environment(values: Mapping[str, Any]) -> str:
    """Return an environment file for systemd's `EnvironmentFile=`, one quoted assignment a line.

    Inside double quotes systemd.exec(5) takes a backslash before `"`, `\\`, `` ` `` and `$`; everything else, line
    breaks included, stands for itself. Booleans are True and False: every reader takes these, and some no others.
    """
    lines = []
    for name, value in values.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise AnsibleFilterError(f"{name!r} is not the name of an environment variable")
        quoted = re.sub(r'(["\\`$])', r"\\\1", str(value))
        lines.append(f'{name}="{quoted}"\n')
    return "".join(lines)


def home_variables(home: str) -> dict[str, str]:
    """Return the variables by which programs find where they may keep something (XDG Base Directory Specification)."""
    folders = {"CACHE": ".cache", "CONFIG": ".config", "DATA": ".local/share", "STATE": ".local/state"}
    return {"HOME": home, **{f"XDG_{name}_HOME": f"{home}/{folder}" for name, folder in folders.items()}}


def folders_above(paths: Iterable[str]) -> list[str]:
    """Return the folders in which these lie, each once, outer ones first: `a` and `a/b` of `a/b/c`."""
    found = {path[:end] for path in paths for end, letter in enumerate(path) if letter == "/"}
    return sorted(found)


def systemd_argument(text: str) -> str:
    """Return one argument for `ExecStart=`: quoted, and safe from systemd's own expansions.

    systemd.service(5): `%` and `$` are doubled, and inside double quotes a backslash stands before `"` and `\\`.
    systemd has C's escapes for what would end the line.
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):02x}", escaped) + '"'


def systemd_line(text: str) -> str:
    """Return a text that stays in its line: every run of white space and control characters is one space."""
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", str(text)).strip()


# What no other program is called, or a shell does itself (POSIX's reserved words and built-in utilities)
SHELLS_OWN = frozenset((
    ".", ":", "[", "!", "{", "}", "alias", "bg", "bind", "break", "builtin", "case", "cd", "command", "continue",
    "declare", "do", "done", "elif", "else", "esac", "eval", "exec", "exit", "export", "fg", "fi", "for", "function",
    "getopts", "hash", "if", "in", "jobs", "let", "local", "printf", "pushd", "popd", "read", "readonly", "return",
    "select", "set", "shift", "source", "test", "then", "time", "times", "trap", "type", "ulimit", "umask", "unalias",
    "unset", "until", "wait", "while",
))  # fmt: skip
ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
#: How long a worker may take for what it has begun, and the signal that asks it to end
STOP_TIMEOUT, STOP_SIGNAL = "5m", "TERM"


def shell_exec(command: str) -> str:
    """Return a command for a shell that puts the program in the shell's own place, where it is one program.

    systemd asks the first process of a unit to end, and that shall be the program: a shell in front of it ends at once.
    A list, a pipe or a command of the shell's own stays as it is (samestack_stop.py looks behind the shell).
    """
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError:
        return command
    program = next((word for word in words if not ASSIGNMENT.match(word)), "")
    if program in {"", *SHELLS_OWN} or any(set(word) <= set(";&|()<>") and set(word) & set(";&|()") for word in words):
        return command
    return ("exec env " if ASSIGNMENT.match(words[0]) else "exec ") + command.lstrip()


def worker_processes(workers: Mapping[str, Mapping[str, Any]], first: bool) -> dict[str, dict[str, Any]]:
    """Return the workers of a host by name, everything that is known of each said.

    Args:
        workers: as `app_workers` has them.
        first: whether this host is the first that has workers, the only one for those that must not run twice.
    """
    return {
        name: {
            "command": worker["command"],
            "single": worker.get("single", False),
            "stop_signal": worker.get("stop_signal", STOP_SIGNAL),
            "stop_timeout": parse_duration(worker.get("stop_timeout", STOP_TIMEOUT)),
        }
        for name, worker in workers.items()
        if first or not worker.get("single", False)
    }


def timer_processes(timers: Mapping[str, Mapping[str, Any]], first: bool) -> dict[str, dict[str, Any]]:
    """Return the timers of a host by name: on several hosts a job runs on the first, unless it is for each of them.

    Args:
        timers: as `app_timers` has them.
        first: whether this host is the first that has workers.
    """
    return {name: dict(timer) for name, timer in timers.items() if first or timer.get("each_host", False)}


def process_units(processes: Mapping[str, Mapping[str, Any]], app: str, kind: str) -> list[dict[str, Any]]:
    """Return `system_state` entries for the units of the application's workers or timers.

    Args:
        processes: the processes by name, as `worker_processes` or `timer_processes` return them.
        app: name of the application.
        kind: `worker` (a template unit, one instance a release) or `timer` (a service and its timer).
    """
    entries: list[dict[str, Any]] = []
    for name, process in processes.items():
        unit = f"/etc/systemd/system/{app}-{kind}-{name}"
        values = {**{f"process_{key}": value for key, value in process.items()}, "process_name": name}
        if kind == "worker":
            worker = {"path": f"{unit}@.service", "template": "worker.service.j2"}
            entries.append({**worker, "vars": values, "apply": f"touch /var/lib/samestack/owed/{app}"})
            continue
        values["process_schedule"] = systemd_line(process["schedule"])
        for suffix in ("service", "timer"):
            entries.append({"path": f"{unit}.{suffix}", "template": f"timer.{suffix}.j2", "vars": values})
        # A timer that runs takes up another schedule; one that is new is started with the release that serves.
        timer = f"{app}-{kind}-{name}.timer"
        entries[-1]["apply"] = f"sh -c 'systemctl --quiet is-active {timer} || touch /var/lib/samestack/owed/{app}'"
        entries[-1]["restart"] = timer
    return entries


def credential_files(values: Mapping[str, Any], app: str) -> list[dict[str, Any]]:
    """Return `system_state` entries for the files that `LoadCredential=` of the application's units names.

    Root alone reads them; systemd shows each process a copy in memory (systemd.exec(5)).
    """
    folder, renew = f"/etc/{app}/credentials", f"touch /var/lib/samestack/owed/{app}"
    files = [
        {"path": f"{folder}/{name}", "content": str(value), "mode": "0600", "secret": True, "apply": renew}
        for name, value in values.items()
    ]
    # What is declared no more goes.
    return [{"path": folder, "state": "directory", "mode": "0700", "exclusive": True, "secret": True}, *files]


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "systemd_environment": systemd_environment,
            "home_variables": home_variables,
            "folders_above": folders_above,
            "systemd_argument": systemd_argument,
            "shell_exec": shell_exec,
            "worker_processes": worker_processes,
            "timer_processes": timer_processes,
            "process_units": process_units,
            "credential_files": credential_files,
        }
