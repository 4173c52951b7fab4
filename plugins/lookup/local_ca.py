"""Certificates of this computer's own authority."""

from __future__ import annotations

DOCUMENTATION = r"""
name: local_ca
short_description: A certificate of this computer's own authority
description:
  - Returns a certificate and its key for the given names.
  - Without C(authority), it is that of the control node, made on first use and kept in
    C(~/.local/share/samestack) for all projects there; certificates are kept in the project's C(.samestack/). Keys are
    readable by their owner only. A certificate is made anew when its names change or less than 120 days of it are left.
  - With C(authority), nothing is kept; the pair is a new one each time, for machines that have none yet.
options:
  authority:
    description: C(certificate) and C(key) of another authority, PEM.
    type: dict
  client:
    description: The certificate shows servers who asks, and is no server's. Only with C(authority).
    type: bool
    default: false
  _terms:
    description: Domain names or IP addresses; the first names the certificate.
    required: true
"""

EXAMPLES = r"""
- name: A pair for a site
  ansible.builtin.set_fact:
    pair: "{{ lookup('local_ca', 'example.test') }}"
"""

RETURN = r"""
_raw:
  description: >-
    C(certificate) with its chain and C(key), each PEM. With C(authority) also C(identity), the same for the same names
    and authority, by which a machine tells whether the pair that it has is still the right one.
  type: dict
"""

import functools
import hashlib
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ..plugin_utils.computer import computer_folder
from ..plugin_utils.project_root import project_root
from ..plugin_utils.secrets.authority import AUTHORITY_LIFE, issue, kept_pair, parse_authority

STATE = project_root() / ".samestack"
COMPUTER = computer_folder()


@functools.cache
def issue_once(names: tuple[str, ...], certificate: str, key: str, client: bool) -> dict[str, str]:
    """Return one and the same pair however often a task asks: Ansible resolves a variable anew at each mention."""
    told_apart = [*names, *(["client"] if client else []), certificate]
    identity = hashlib.sha256("\n".join(told_apart).encode()).hexdigest()[:8]
    pair = issue(list(names), parse_authority(certificate, key), AUTHORITY_LIFE, client=client)
    return pair | {"identity": identity}


class LookupModule(LookupBase):
    """`lookup('local_ca', name, …)`."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[dict[str, str]]:
        """Return one pair for all the names; raises AnsibleError without a name or with a broken authority."""
        if not terms:
            raise AnsibleError("local_ca: at least one name is needed")
        self.set_options(var_options=variables, direct=kwargs)
        names = [str(term) for term in terms]
        given = self.get_option("authority")
        try:
            if given:
                return [issue_once(tuple(names), given["certificate"], given["key"], self.get_option("client"))]
            return [kept_pair(names, STATE, COMPUTER)]
        except (OSError, ValueError) as error:
            raise AnsibleError(f"local_ca: {error}") from error
