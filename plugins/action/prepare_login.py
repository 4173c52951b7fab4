"""First contact, part two: the user that Ansible works as can log in, use sudo, and finds python3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ..plugin_utils.connection import bootstrap as contact
from ..plugin_utils.connection.ssh_errors import last_words, trouble
from ..plugin_utils.connection.supported import LOOK, parse_look
from ..plugin_utils.connection.target import Target, connection_variables, sudo_password

REFUSED = "refuses the log-in"


class ActionModule(ActionBase):
    """Make one server ready for Ansible; changes nothing where it is."""

    _VALID_ARGS = frozenset({"users", "public_key"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return whether something was put in place, and as which user (`bootstrap_user`)."""
        result: dict[str, Any] = super().run(tmp, task_vars) | {"changed": False}
        _, arguments = self.validate_argument_spec(
            {
                "users": {"type": "list", "elements": "str", "required": True},
                "public_key": {"type": "path", "default": ""},
            }
        )
        task_vars = task_vars or {}
        target = Target.of({**task_vars, **connection_variables(self._connection)})
        user = str(self._connection.get_option("remote_user") or "root")
        look = target.ssh(user, LOOK)
        if look.returncode == 0:
            found = parse_look(look.stdout)
            if found.python and (found.is_root or found.sudo or sudo_password(task_vars, self._play_context)):
                return result
        elif REFUSED not in trouble(look.stderr, local=False).what:
            # Nobody is there: the next step says so, better than this one could.
            return result
        if self._task.check_mode:
            return result | {"changed": True, "msg": f"{target.address} would be prepared for the user {user}"}
        return result | self._prepare(target, user, arguments)

    def _prepare(self, target: Target, user: str, arguments: dict[str, Any]) -> dict[str, Any]:
        candidates = [name for name in [*arguments["users"], user] if name]
        login, said, refused = contact.first_login(target, candidates)
        if not login:
            told = "; ".join(f"{name}: {last_words(text)}" for name, text in refused.items())
            fix = "Put your public key on the server (most providers ask for it), or name the user it has with "
            return failed(f"nobody can log in to {target.address} ({told}). {fix}`--login-as NAME`")
        key = ""
        if user != "root":
            key = public_key(arguments["public_key"]) or contact.accepted_public_key(said) or ""
            if not key:
                fix = "Name the file of your public key with `--public-key ~/.ssh/id_ed25519.pub`"
                return failed(f"the public key that let {login} in cannot be found on this computer. {fix}")
        command = contact.prepare_command("" if user == "root" else user, key, as_root=login == "root")
        answer = target.ssh(login, command, script=contact.PREPARE)
        if answer.returncode:
            what = f"{target.address} could not be prepared as {login}: {last_words(answer.stderr or answer.stdout)}"
            return failed(f"{what}. Log in as {login} and see; where it is no root, it needs sudo without a password")
        return {"changed": True, "bootstrap_user": login}


def failed(text: str) -> dict[str, Any]:
    """Return a result that fails with a paragraph."""
    return {"failed": True, "msg": f"{text}."}


def public_key(path: str) -> str:
    """Return the public key in a file, or nothing where no file is named."""
    return Path(path).expanduser().read_text(encoding="utf-8").strip() if path else ""
