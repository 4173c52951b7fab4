#!/usr/bin/python
"""Documentation of the action plugin `deploy_lock`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: deploy_lock
short_description: No other run changes the environment
description:
  - Takes the environment's lock on one of its hosts and holds it over an ssh connection of its own, by a process that
    lives as long as this C(ansible-playbook) and no longer, however that ends.
  - Fails with who holds the lock, since when and doing what, when the environment is frozen, and when a later
    version of Samestack was the last to change it.
  - Runs on the control node. The host keeps nothing of it after the run.
options:
  verb:
    description: What this run does.
    type: str
    required: true
  environment:
    description: The environment that is locked.
    type: str
    required: true
  host:
    description: The host (its name in the inventory) that keeps the environment's lock.
    type: str
    required: true
  wait:
    description: How long to wait for a run that holds it, such as C(60), C(10m).
    type: str
    default: "0"
  allow_older_engine:
    description: A later version of Samestack may have changed the environment.
    type: bool
    default: false
author: Samestack
"""

EXAMPLES = r"""
- name: Take the deploy lock
  samestack.core.deploy_lock:
    verb: deploy
    environment: staging
    host: staging1
  run_once: true
"""

RETURN = r"""
ansible_facts:
  description: C(run), with its id, verb, who, environment, engine, and the host's clock when it C(began).
  returned: success
  type: dict
"""
