#!/usr/bin/python
"""Documentation of the action plugin `show_backups`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: show_backups
short_description: What hosts said of backups, for people and programs
description:
  - Shows what C(backup) with C(verb=status) found on the hosts of an environment, as a table; fails where something is
    wrong. As JSON it is one line, and fails never.
  - Works on the control node.
options:
  found: {description: "What was found, by host.", type: dict}
  made: {description: What C(backup) with C(verb=run) returned., type: list, elements: dict}
  drills: {description: "What C(backup) with C(verb=drill) returned, by host.", type: dict}
  plan: {description: Where a restore leads the database., type: dict}
  files: {description: Where it leads files and code., type: dict}
  environment: {description: Name of the environment., type: str, default: ""}
  none_because: {description: Why there are none., type: str, default: ""}
  format: {description: How it is shown., type: str, choices: [table, json], default: table}
author: Samestack
"""

EXAMPLES = r"""
- name: Show the backups
  samestack.core.show_backups:
    found: {backup1: "{{ hostvars.backup1.backups_found }}"}
    environment: production
"""

RETURN = r"""
say: {description: The table., type: list, elements: str, returned: as a table}
"""
