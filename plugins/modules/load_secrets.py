#!/usr/bin/python
"""Documentation of the action plugin `load_secrets`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: load_secrets
short_description: The secrets of a host's environment are variables of the host
description:
  - Reads C(inventories/vault/<environment>.yml), or for local machines C(.samestack/secrets/<environment>.yml), and
    makes the values variables of the host for the rest of the run. They are taken literally, never as templates.
  - Use it with C(no_log). It runs on the control node and touches no host.
author: Samestack
"""

EXAMPLES = r"""
- name: Load the environment's secrets
  samestack.core.load_secrets:
  no_log: true
  changed_when: false
"""

RETURN = r"""
add_host:
  description: The variables, in the form in which Ansible takes them over.
  returned: success
  type: dict
"""
