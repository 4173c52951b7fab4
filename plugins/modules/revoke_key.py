#!/usr/bin/python
"""Take a key out of every account that it may log in to."""

from __future__ import annotations

DOCUMENTATION = r"""
module: revoke_key
short_description: A key may log in to a host no more
description:
  - Takes a public key out of the C(authorized_keys) of every account. Before, the control node logs in anew; where that
    works by no other key than this one, nothing is changed, so that nobody is locked out.
options:
  fingerprint: {description: "The key's, as C(ssh-keygen -l) prints it (C(SHA256:…)).", type: str, required: true}
  only_look: {description: Only log in and look., type: bool, default: false}
author: Samestack
"""

EXAMPLES = r"""
- name: Take the key out
  samestack.core.revoke_key:
    fingerprint: SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU
"""

RETURN = r"""
accounts: {description: The accounts that had it., type: list, elements: str, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common.errors import HostError
from ..module_utils.common.files import usual_umask
from ..module_utils.system.login_keys import revoke


def main() -> None:
    """Run the module."""
    usual_umask()
    module = AnsibleModule(
        argument_spec={
            "fingerprint": {"type": "str", "required": True, "no_log": False},
            "only_look": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    only_look = module.params["only_look"] or module.check_mode
    try:
        accounts = revoke(module.params["fingerprint"], only_look=only_look)
    except (HostError, OSError) as error:
        module.fail_json(msg=str(error), hint=getattr(error, "hint", ""))
    module.exit_json(changed=bool(accounts) and not module.params["only_look"], accounts=accounts)


if __name__ == "__main__":
    main()
