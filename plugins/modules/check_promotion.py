#!/usr/bin/python
"""Documentation of the action plugin `check_promotion`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_promotion
short_description: What staging serves may go to production
description:
  - Compares what C(release_state) found on both. Every gate that is not met is listed, and the run ends before
    anything is touched. In check mode the list is shown and the run goes on.
  - Works on the control node.
options:
  staging: {description: "Staging's hosts by name: what was found.", type: dict, required: true}
  production:
    description: "Production's hosts by name: what was found, and C(machine), its facts."
    type: dict
    required: true
  pending: {description: "Migrations that staging's database has not had.", type: list, elements: str, default: []}
  acceptance: {description: Whether it has to be accepted on staging., type: bool, default: true}
  tests: {description: Commands that it must have passed on staging., type: list, elements: str, default: []}
  skip_tests: {description: Why it need not have passed them; for one run., type: str, default: ""}
  room: {description: Bytes that production's hosts must have free., type: int, default: 0}
  manifests:
    description: Files on the control node, the envelopes of what both environments were found to run.
    type: list
    elements: path
    default: []
  accept: {description: "Keys of differences that are accepted, with commas between them, or as a list.", type: raw}
  reason: {description: Why they are accepted., type: str, default: ""}
  source: {description: "Where the code comes from (type, url), for the commits.", type: dict, default: {}}
author: Samestack
"""

EXAMPLES = r"""
- name: Check what stands between staging and production
  samestack.core.check_promotion:
    staging: {staging1: "{{ hostvars.staging1.__release_state.state }}"}
    production: {production1: "{{ hostvars.production1.__release_state.state }}"}
"""

RETURN = r"""
release:
  description: "The release: id, sha256, label, commits, environment, migrations."
  type: dict
  returned: success
ansible_facts:
  description: C(run) with C(notes) for the ledger.
  type: dict
  returned: where differences were accepted
say: {description: What people want to know., type: list, elements: str, returned: success}
"""
