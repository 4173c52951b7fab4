#!/usr/bin/python
"""Documentation of the action plugin `keep_manifest`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: keep_manifest
short_description: A host's manifest is kept on the control node
description:
  - Writes what the module C(manifest) has found into C(.samestack/manifests/), with what the inventory says of the
    host. Secrets are in it as keyed digests only. Of earlier ones, a bounded number is kept.
  - Works on the control node.
options:
  found: {description: What the module C(manifest) returned., type: dict, required: true}
author: Samestack
"""

EXAMPLES = r"""
- name: Save the manifest on the control node
  samestack.core.keep_manifest:
    found: "{{ recorded }}"
"""

RETURN = r"""
ansible_facts: {description: "C(manifest_file), the file.", type: dict, returned: success}
"""
