"""One change to an environment at a time: the deploy lock, held by a process that lives as long as this run."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.plugins.action import ActionBase

from ..module_utils.common.paths import RUN, STATE
from ..module_utils.standalone import hold_lock
from ..plugin_utils.connection import lock_holder
from ..plugin_utils.connection.lock_messages import lost, refused, waiting
from ..plugin_utils.connection.messages import unreachable
from ..plugin_utils.connection.target import OPTIONS as VARIABLES
from ..plugin_utils.connection.target import Target, connection_variables, sudo_password
from ..plugin_utils.errors import DecisionError, failing
from ..plugin_utils.inventory.formats import FORMATS, parse_duration
from ..plugin_utils.release.answers import NEWS, has_shape
from ..plugin_utils.release.run import current_run, new_run, run_process, who
from ..plugin_utils.version import own_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Seconds. The run before may just be ending; a connection that is silent for longer is lost.
PATIENCE, SILENCE = 2, 15
SSH_FAILED = 255
# Bytes of a line that a host may say
LONGEST_NEWS = 1 << 20
OPTIONS = (
    "BatchMode=yes", "ConnectTimeout=15", "ControlPath=none", "ControlMaster=no", "ServerAliveInterval=5",
    "ServerAliveCountMax=2", "ClearAllForwardings=yes", "ForwardAgent=no",
)  # fmt: skip
# The program comes on standard input, after a password that sudo may or may not have read.
START = (
    "import sys, json\n"
    "for line in iter(sys.stdin.buffer.raw.readline, b''):\n"
    "    if line.startswith(b'{\"samestack_lock\"'):\n"
    "        given, names = json.loads(line), {}\n"
    "        exec(given['samestack_lock'], names)\n"
    "        names['main'](given['request'])\n"
    "        break\n"
)


class ActionModule(ActionBase):
    """Take the lock, or say who has it."""

    _VALID_ARGS = frozenset({"verb", "environment", "host", "wait", "allow_older_engine"})
    _supports_check_mode = False

    @failing
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return `ansible_facts.run`: the run that holds the lock."""
        result: dict[str, Any] = super().run(tmp, task_vars) | {"changed": False, "remote_calls": 0}
        _, given = self.validate_argument_spec(
            {name: {"type": "str", "required": True} for name in ("verb", "environment", "host")}
            | {"wait": {"type": "str", "default": "0"}, "allow_older_engine": {"type": "bool", "default": False}}
        )
        task_vars = task_vars or {}
        try:
            wait = parse_duration(given["wait"])
        except ValueError as error:
            advice = FORMATS["duration"].advice
            raise DecisionError("lock_wait", given["wait"], str(error), advice, "the command line, -e") from error
        # Two verbs in one ansible-playbook are one run.
        before = current_run(task_vars)
        if before.get("process") == run_process() and before.get("environment") == given["environment"]:
            here = time.time()
            began = before["began"] + here - before["here"]
            return result | {"ansible_facts": {"run": {**before, "verb": given["verb"], "began": began, "here": here}}}
        return result | self._take(given, wait, self._reach(given["host"], task_vars))

    def _take(self, given: Mapping[str, Any], wait: int, reach: dict[str, Any]) -> dict[str, Any]:
        request = {
            "id": new_run(), "who": who(), "verb": given["verb"], "environment": given["environment"],
            "engine": own_version(), "allow_older": given["allow_older_engine"],
            "wait": wait, "patience": PATIENCE, "silence": SILENCE, "folder": RUN, "state": STATE,
        }  # fmt: skip
        holder = start_holder(reach, request, run_process())
        for news in heard_from(holder):
            if "waiting" in news:
                self._display.display(waiting(news, given["environment"], wait))
            elif news.get("held") and {"machine", "began"} <= set(news):
                kept = {name: request[name] for name in ("id", "verb", "who", "environment", "engine")}
                own = {"machine": news["machine"], "process": run_process(), "here": time.time()}
                return {"ansible_facts": {"run": {**kept, "began": news["began"], **own}}}
            elif said := refused(news, given["environment"], wait, request["engine"]):
                return {"failed": True} | said
            elif news.get("ended") == SSH_FAILED:
                # Another host than the one in hand may be the one that is not there.
                kind = "unreachable" if reach["here"] else "failed"
                return {kind: True, "msg": unreachable(news["said"], reach["user"], reach["variables"])}
            elif "ended" in news:
                return {"failed": True} | lost(news, given["host"])
        return {"failed": True} | lost({"ended": holder.wait(), "said": ""}, given["host"])

    def _reach(self, host: str, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return how the lock's host is reached: target, user, password, and the variables that say so."""
        known = task_vars["hostvars"][host]
        here = host == task_vars["inventory_hostname"]
        values = connection_variables(self._connection) if here else {name: known.get(name) for name in VARIABLES}
        groups = ("ansible_inventory_sources", "groups")
        variables = {
            "inventory_hostname": host, "group_names": known["group_names"],
            **{name: task_vars[name] for name in groups if name in task_vars},
            **{name: value for name, value in values.items() if value},
            **({"ansible_host": known["ansible_host"]} if known.get("ansible_host") else {}),
        }  # fmt: skip
        user = str(values.get("ansible_user") or self._play_context.remote_user or "root")
        password = sudo_password(known, self._play_context)
        target = Target.of(variables)
        return {"target": target, "user": user, "password": password, "variables": variables, "here": here}


def command(user: str, password: str) -> str:
    """Return the command that starts the host's half as root, which reads its program from standard input."""
    python = ["/usr/bin/python3", "-I", "-S", "-c", START]
    if user == "root":
        return shlex.join(python)
    return shlex.join([*(["sudo", "-S", "-p", ""] if password else ["sudo", "-n"]), *python])


def start_holder(reach: Mapping[str, Any], request: Mapping[str, Any], pid: int) -> subprocess.Popen[bytes]:
    """Start the process that holds the connection, in a session of its own: Ctrl-C is not for it."""
    argv = reach["target"].argv(reach["user"], command(reach["user"], reach["password"]), *OPTIONS)
    program = {"samestack_lock": Path(hold_lock.__file__).read_text(encoding="utf-8"), "request": request}
    first = (reach["password"] + "\n" if reach["password"] else "") + json.dumps(program) + "\n"
    holder = subprocess.Popen(
        [sys.executable, "-I", "-S", lock_holder.__file__], cwd="/", start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert holder.stdin is not None
    holder.stdin.write(json.dumps({"argv": argv, "first": first, "pid": pid}).encode())
    holder.stdin.close()
    return holder


def heard_from(holder: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    """Yield what the holder passes on, without what a log-in shell has to say."""
    assert holder.stdout is not None
    for line in iter(lambda: holder.stdout.readline(LONGEST_NEWS), b""):  # type: ignore[union-attr]
        if line.startswith(b"{"):
            try:
                news = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if has_shape(NEWS, news):
                yield news
