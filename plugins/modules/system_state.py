#!/usr/bin/python
"""Bring a role's files, directories, links and systemd units to their declared state, as one transaction."""

from __future__ import annotations

DOCUMENTATION = r"""
module: system_state
short_description: A role's files and units, in one step
description:
  - Compares every entry with what is on the host and replaces, atomically, what differs; then sees to the units. One
    remote call serves a whole role, because nearly all of a task's cost is the start of Python on the host.
  - The files form a transaction. When a validation command of a changed entry fails, everything that this call wrote is
    put back, so that a service never meets a configuration that it would refuse.
  - Units that have to take up a change are restarted or reloaded at the end, once, and only where they run. What is
    still to be done is written down before the first change, so that the next run finishes what a cut-off run began.
  - A change to ssh, sudo or the firewall goes back by itself, within a minute, until a new login has worked. The
    action plugin tries one.
  - Templates and local files are read on the control node by the action plugin of the same name.
options:
  owner:
    description: Whose state this is; the action plugin fills in the role's name.
    type: str
    required: true
  files:
    description: The entries, in order. Missing parent directories of files and links are an error.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Absolute path on the host., type: path, required: true}
      state:
        description: >-
          What shall be at the path; C(first_line) makes the content, one line, the first of a file that is there, but
          for comments, and takes the same line away further down; C(block) keeps lines of ours in such a file, and no
          others that begin with the same two words; C(attributes) sets owner and mode of what is there,
          makes nothing and follows no link; C(original) puts back what was there before an entry with C(keep_original)
          replaced it. With C(absent) the last name of the path may be a pattern (C(*)), for all that no entry names.
        type: str
        choices: [file, first_line, block, directory, link, absent, attributes, original]
        default: file
      template: {description: Template in the role's templates folder (state file)., type: str}
      vars: {description: Variables of this entry's template., type: dict}
      source: {description: File on the control node, copied as it is (state file)., type: path}
      content: {description: Text of the file (state file)., type: str}
      target: {description: What the link points to (state link)., type: str}
      owner: {description: User name., type: str, default: root}
      group: {description: Group name., type: str, default: root}
      mode: {description: Permission bits in octal; 0644 for files and 0755 for directories when left out., type: str}
      secret: {description: The content never appears in a diff., type: bool, default: false}
      initial: {description: Only a missing file is written; an existing one is kept., type: bool, default: false}
      exclusive:
        description: Files and links below this directory that no entry names are removed (not Python's byte-code).
        type: bool
        default: false
      keep_original: {description: What was there first is kept for C(original)., type: bool, default: false}
      apply: {description: Commands that run after a change; later entries may rely on it., type: list, elements: str}
      validate: {description: Commands that must succeed once all files are in place., type: list, elements: str}
      restart: {description: Running units (or patterns) to restart when this entry changed., type: list, elements: str}
      reload: {description: Running units (or patterns) to reload when this entry changed., type: list, elements: str}
      when: {description: Leave the entry out when false., type: bool, default: true}
  otherwise:
    description: >-
      What files and links are whose C(when) is false. C(absent): a role also has to take away what it wrote when other
      things were decided. Directories stay, and what is in them.
    type: str
    choices: [as it is, absent]
    default: as it is
  login_port:
    description: Port of the new login, where this call changes it; the connection's own when left out.
    type: int
  run:
    description: The current run; with its C(id), what is replaced is kept. The action plugin fills it in.
    type: dict
    default: {}
  contents:
    description: Content of the files by path, base64; the action plugin fills it in. Kept out of every log.
    type: dict
    default: {}
  units:
    description: The units, seen to after the files; those whose file goes end before it does.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Full unit name., type: str, required: true}
      enabled: {description: Started at boot; left alone when not given., type: bool}
      started: {description: Running now; left alone when not given., type: bool}
      when: {description: Leave the unit out when false., type: bool, default: true}
author: Samestack
"""

EXAMPLES = r"""
- name: Configure Nginx
  samestack.core.system_state:
    files:
      - {path: /etc/nginx/nginx.conf, template: nginx.conf.j2, validate: nginx -t, reload: [nginx.service]}
      - {path: /etc/nginx/sites-enabled/default, state: absent, reload: [nginx.service]}
    units:
      - {name: nginx.service, enabled: true, started: true}
"""

RETURN = r"""
changed_paths: {description: Paths whose state changed., type: list, elements: str, returned: always}
await_login: {description: Timer that takes the change back until a new login has worked., type: str, returned: always}
actions: {description: What was done to units and by commands., type: list, elements: str, returned: always}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common.errors import HostError
from ..module_utils.common.files import usual_umask
from ..module_utils.system.change import State
from ..module_utils.system.undo import Record


def main() -> None:
    """Run the module."""
    usual_umask()
    module = AnsibleModule(
        argument_spec={
            "owner": {"type": "str", "required": True},
            "files": {"type": "list", "elements": "dict", "default": []},
            "login_port": {"type": "int"},
            "run": {"type": "dict", "default": {}},
            "contents": {"type": "dict", "default": {}, "no_log": True},
            "units": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "enabled": {"type": "bool"},
                    "started": {"type": "bool"},
                    "when": {"type": "bool", "default": True},
                },
            },
        },
        supports_check_mode=True,
    )
    for entry in module.params["files"]:
        entry["data"] = module.params["contents"].get(entry["path"])
    state = State(module, Record(module.params["run"], module.params["owner"]))
    try:
        differing = state.plan()
        if not state.check and (differing or state.unfinished):
            state.put(differing)
        state.see_to_units()
        if not state.check:
            state.pending.save({})
    except (HostError, OSError) as error:
        hint = getattr(error, "hint", "")
        module.fail_json(msg=str(error), hint=hint, await_login=state.way_back.await_login())
    if state.actions:
        state.diffs.append({"before": "", "after": "".join(f"{action}\n" for action in state.actions)})
    module.exit_json(
        changed=bool(state.changed or state.actions),
        changed_paths=state.changed,
        actions=state.actions,
        diff=state.diffs,
        await_login=state.way_back.await_login(),
    )


if __name__ == "__main__":
    main()
