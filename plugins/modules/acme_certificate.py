#!/usr/bin/python
"""Bring the certificate of an ACME authority to what is wanted of it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: acme_certificate
short_description: The site's certificate is from an ACME authority, and as it is wanted
description:
  - Compares the certificate that certbot has with what is wanted of it (names, authority, account, kind of key, how
    names are proven). Where something differs, certbot asks for another; where nothing does, nobody is asked.
  - What serves goes on until the new certificate is there, and where there comes none, after that.
  - Renewals are certbot's own (C(certbot.timer)), at a third of the lifetime, which each certificate says itself.
  - In check mode nothing is asked.
options:
  name: {description: certbot's name of the certificate., type: str, required: true}
  names: {description: Domain names., type: list, elements: str, required: true}
  directory: {description: URL of the authority's directory., type: str, required: true}
  email: {description: Where the authority writes to., type: str, default: ""}
  account:
    description: C(name) and C(key) of the account at the authority, as the filter C(acme_account) returns them.
    type: dict
    required: true
  key_type: {description: Kind of the certificate's key., type: str, choices: [ecdsa, rsa], default: ecdsa}
  challenge:
    description: >-
      How the names are proven: C(kind), and what that needs. C(http) needs C(webroot), a folder; C(rfc2136) needs
      C(credentials), a file of certbot's plugin, and C(wait), seconds; C(hook) needs C(auth) and C(cleanup),
      programs.
    type: dict
    required: true
author: Samestack
"""

EXAMPLES = r"""
- name: Obtain the certificate
  samestack.core.acme_certificate:
    name: noticeboard
    names: [www.noticeboard.net]
    directory: https://acme-v02.api.letsencrypt.org/directory
    account: "{{ vault_acme_account_key | samestack.core.acme_account }}"
    challenge: {kind: http, webroot: /var/lib/samestack/acme}
"""

RETURN = r"""
reasons: {description: Why the authority was asked., type: list, elements: str, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.certificates.account import Account
from ..module_utils.certificates.order import Order, settle
from ..module_utils.common.errors import HostError
from ..module_utils.common.files import usual_umask


def main() -> None:
    """Run the module."""
    usual_umask()
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "names": {"type": "list", "elements": "str", "required": True},
            "directory": {"type": "str", "required": True},
            "email": {"type": "str", "default": ""},
            "account": {"type": "dict", "required": True, "no_log": True},
            "key_type": {"type": "str", "choices": ["ecdsa", "rsa"], "default": "ecdsa"},
            "challenge": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    account = Account(given["account"]["name"], given["account"]["key"], given["directory"], given["email"])
    order = Order(given["name"], given["names"], account, given["key_type"], given["challenge"])
    try:
        found = settle(order, check=module.check_mode)
    except (HostError, OSError) as error:
        module.fail_json(msg=str(error), hint=getattr(error, "hint", ""))
    for warning in found.pop("warnings"):
        module.warn(warning)
    asked = "".join(f"asked for, because {reason}\n" for reason in found["reasons"])
    module.exit_json(**found, diff={"before": "", "after": asked})


if __name__ == "__main__":
    main()
