#!/usr/bin/python
"""Documentation of the action plugin `settle_variables`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: settle_variables
short_description: Templates that much else refers to are worked out once
description:
  - Ansible works a template out anew at each mention, in each task. Variables of the inventory that hundreds of others
    refer to become plain values of the host for the rest of the run.
  - Only for what is the same in every play, which says nothing about C(ansible_play_hosts) or facts.
  - It runs on the control node and touches no host.
options:
  names: {description: Names of the variables., type: list, elements: str, required: true}
author: Samestack
"""

EXAMPLES = r"""
- name: Resolve the topology variables once
  samestack.core.settle_variables:
    names: [environment_name, environment_hosts]
  changed_when: false
"""

RETURN = r"""
add_host:
  description: The variables, in the form in which Ansible takes them over.
  returned: success
  type: dict
"""
