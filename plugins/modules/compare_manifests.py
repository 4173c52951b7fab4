#!/usr/bin/python
"""Documentation of the action plugin `compare_manifests`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compare_manifests
short_description: Environments match
description:
  - Compares the last manifests of the environments whose files are given, writes C(.samestack/parity.html), and fails
    where nothing explains a difference. With one environment there is nothing to compare.
  - Works on the control node.
options:
  files: {description: "What C(keep_manifest) has kept.", type: list, elements: path, required: true}
author: Samestack
"""

EXAMPLES = r"""
- name: Compare the environments
  samestack.core.compare_manifests:
    files: "{{ ansible_play_hosts | map('extract', hostvars, ['ansible_facts', 'manifest_file']) | list }}"
  run_once: true
"""

RETURN = r"""
say: {description: The report., type: list, elements: str, returned: success}
"""
