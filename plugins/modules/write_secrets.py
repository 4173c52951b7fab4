#!/usr/bin/python
"""Documentation of the action plugin `write_secrets`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: write_secrets
short_description: The current environment has its secrets
description:
  - Makes C(inventories/vault/<environment>.yml) with strong random values and encrypts it with the vault password of
    the run; without one, a password is made and kept in C(.samestack/vault-password-<environment>). What is there
    already stays as it is. No value is shown.
  - For local machines the file is C(.samestack/secrets/<environment>.yml), not encrypted.
  - Names and dates are in a file beside it, C(<environment>.dates.yml), which is not encrypted. So it can be said how
    old each secret is, and what another environment lacks, without a password of that.
  - Runs on the control node and touches no host.
options:
  age: {description: "How old a secret may be, such as C(365d).", type: str, required: true}
  ages: {description: "The same for some of them, by name.", type: dict, default: {}}
author: Samestack
"""

EXAMPLES = r"""
- name: Create the environment's secrets
  samestack.core.write_secrets:
    age: 365d
    ages: {vault_mail_password: 90d}
  run_once: true
"""

RETURN = r"""
file:
  description: The file with the secrets.
  returned: success
  type: str
added:
  description: Names of the secrets that were added.
  returned: success
  type: list
  elements: str
notes:
  description: What is left for people to do.
  returned: success
  type: list
  elements: str
table:
  description: A line for each secret, with its age.
  returned: success
  type: list
  elements: str
differences:
  description: Which environment lacks which secrets.
  returned: success
  type: list
  elements: str
"""
