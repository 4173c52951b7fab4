#!/usr/bin/python
"""Documentation of the action plugin `machine_facts`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_facts
short_description: What this machine is, and which versions it has
description:
  - Returns C(ansible_facts.machine). Much faster than a full C(setup), and it knows the installed versions that
    templates branch on (capability, never a distribution's name).
  - Fails where the application's account would be one that somebody else has already, and where the machine belongs to
    another environment or project.
  - One plain command with the host's own Python, without the weight of a module; every verb begins with it.
options:
  candidates:
    description: Packages whose version matters before they are installed; asked of apt only while they are missing.
    type: list
    elements: str
    default: [nginx, postgresql]
  stack:
    description: Tell what the stack lock has to know, too (every package's full version).
    type: bool
    default: false
  owner:
    description: >-
      Whose the machine is to be: C(app), C(environment) and C(keys), which follow from the environment's secrets. It
      fails where the machine belongs to another environment or project; without it nothing is compared.
    type: dict
    default: {}
  verb:
    description: What the run does, where it changes something.
    type: str
    default: ""
  take_over:
    description: A provision may make another one's machine this one's.
    type: bool
    default: false
author: Samestack
"""

EXAMPLES = r"""
- name: Gather the machine's facts
  samestack.core.machine_facts:
"""

RETURN = r"""
ansible_facts:
  description: One fact, C(machine).
  returned: always
  type: dict
  sample:
    machine: {os: debian, release: "13", codename: trixie, python: "3.13.5", architecture: x86_64, memory_mb: 2000,
      processors: 2, systemd: 257, container: true, swap_mb: 0, ipv6: true, dpkg_interrupted: false,
      sudo_rs: false, ssh_socket: false, closed: false, owed: [], owner: {}, former: [], people: [],
      homes: {root: /root}, login: {user: deploy, groups: [deploy], port: 22},
      ssh_kex: [curve25519-sha256], uv: "0.13.9", packages: {nginx: "1.26.3"}, candidates: {},
      stack: {versions: {nginx: 1.26.3-3+deb13u10}, architecture: amd64, updated: 20261125T151252Z}}
"""
