"""Each project on a computer has addresses of its own, and stand-ins are told theirs."""

from __future__ import annotations

from .steps import Expression

SINCE = "0.2.0"
WHAT = "local machines of several projects have addresses of their own"

BEFORE = """\
{{ ((lookup('ansible.builtin.file', inventory_dir ~ '/../.samestack/provider.json') | from_json).network
    if (inventory_dir ~ '/../.samestack/provider.json') is file else '10.0.3')
   ~ '.' ~ {'staging1': 20, 'production1': 30, 'backup1': 40}.get(inventory_hostname, 0) }}
"""
AFTER = """\
{{ ((lookup('ansible.builtin.file', inventory_dir ~ '/../.samestack/provider.json') | from_json).addresses | default({})
    if (inventory_dir ~ '/../.samestack/provider.json') is file else {}).get(inventory_hostname)
   or '10.0.3.' ~ {'staging1': 20, 'production1': 30, 'backup1': 40}.get(inventory_hostname, 0) }}
"""

STEPS = (Expression("machine_address", "inventories/group_vars/rehearsal/differences.yml", BEFORE, AFTER),)
