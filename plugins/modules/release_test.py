#!/usr/bin/python
"""Run an application's tests against a sealed release, on the host that built it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_test
short_description: A release has passed its application's tests
description:
  - Runs the application's own commands against the very bytes of a release, each in a unit of its own, by an account
    that only these tests have, without a network and without any environment's secrets. Servers that the application
    needs (a database) are started for each command, as that account, and end with it.
  - What came out is kept beside the release, for these bytes and these commands; where they have passed before, nothing
    is done. Tests that fail end the run.
  - The action plugin of the same name works out the environment.
extends_documentation_fragment: [samestack.core.release]
options:
  fetch_user: {description: User that fetches packages., type: str, required: true}
  uv: {description: The program uv., type: path, required: true}
  uv_cache: {description: Folder in which uv keeps packages., type: path, required: true}
  release: {description: What C(release_source) returned., type: dict, required: true}
  commands:
    description: The commands, for a shell in the folder of manage.py.
    type: list
    elements: str
    required: true
  skip: {description: Why the tests are skipped in this run; empty runs them., type: str, default: ""}
  environment:
    description: Variables of the tests by name; null is a secret, for which something harmless stands in.
    type: dict
    default: {}
  servers:
    description: "Servers of the tests: C(name), C(at) (their folder), and shell text, C(start) and C(stop)."
    type: list
    elements: dict
    default: []
  overlay: {description: Whether the machine's settings are laid over the application's., type: bool, default: true}
  overlay_path: {description: Folder of the overlay's modules., type: path, required: true}
  build_env: {description: Environment of the build., type: dict, default: {}}
  stand_ins: {description: What stands in for services by the ends of variables' names., type: dict, default: {}}
  indexes: {description: "Private package indexes: name to url and user.", type: dict, default: {}}
  index_passwords: {description: Passwords of the indexes by name., type: dict, default: {}}
author: Samestack
"""

EXAMPLES = r"""
- name: Test the release
  samestack.core.release_test:
    release: "{{ __release.release }}"
    commands: [pytest -q]
    root: /srv/noticeboard
    fetch_user: noticeboard-fetch
    uv: /opt/samestack/uv/bin/uv
    uv_cache: /var/cache/samestack/noticeboard/uv
    overlay_path: /usr/local/lib/samestack/python
"""

RETURN = r"""
tests: {description: "What is recorded beside the release, {} without commands.", type: dict, returned: success}
steps: {description: Seconds of each step., type: list, elements: dict, returned: success}
say: {description: What people want to know., type: list, elements: str, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common.arguments import release_argument_spec
from ..module_utils.common.errors import HostError, check_space
from ..module_utils.common.files import usual_umask
from ..module_utils.common.host_lock import one_at_a_time
from ..module_utils.common.ledger import Run
from ..module_utils.common.secrets import guard
from ..module_utils.release import testing
from ..module_utils.release.database.outcome import about
from ..module_utils.release.trial import Trial

WAY_ON = (
    "Mend that, commit, and deploy again; what serves was not touched. To deploy it all the same, say why: "
    '`--skip-tests "…"`.'
)


def main() -> None:
    """Run the module."""
    usual_umask()
    module = AnsibleModule(
        argument_spec=release_argument_spec(
            "fetch_user",
            "uv",
            "uv_cache",
            release={"type": "dict", "required": True},
            commands={"type": "list", "elements": "str", "required": True},
            skip={"type": "str", "default": ""},
            environment={"type": "dict", "default": {}},
            servers={"type": "list", "elements": "dict", "default": []},
            overlay={"type": "bool", "default": True},
            overlay_path={"type": "path", "required": True},
            build_env={"type": "dict", "default": {}},
            stand_ins={"type": "dict", "default": {}},
            indexes={"type": "dict", "default": {}},
            index_passwords={"type": "dict", "default": {}, "no_log": True},
        ),
        supports_check_mode=True,
    )
    guard(module)
    trial = Trial(module.params)
    commands, skip = module.params["commands"], module.params["skip"]
    place, run = trial.place, Run(module.params["run"], module.params["app"])
    known = testing.recorded(place)
    due = bool(testing.why_not(known, commands, testing.digest(place)))
    number = f"{len(commands)} command{'' if len(commands) == 1 else 's'} of app_test_commands"
    if not due:
        module.exit_json(changed=False, tests=known, steps=[], say=[])
    if module.check_mode:
        would = f"would be skipped: {skip}" if skip else "would run"
        module.exit_json(changed=not skip, tests={}, steps=[], say=[f"Tests: {number} {would}"])
    serves = place.current == place.id
    try:
        run.require_lock()
        if skip:
            tests = trial.skipped(skip)
        else:
            check_space(module.params["root"], module.params["min_free"])
            with one_at_a_time(module.params["app"]):
                tests = trial.test()
    except HostError as error:
        # What serves has not failed.
        run.fail(str(error), **({} if serves else about(place)))
        module.fail_json(msg=str(error), hint=error.hint, steps=trial.steps.done)
    news = testing.keep(place, tests)
    if serves and news:
        testing.tell(module.params["run"], module.params["app"], place, tests)
    if tests["result"] == testing.FAILED:
        wrong = f"The tests of release {place.id} fail: {tests['reason']}"
        if not serves:
            run.fail(wrong, **{**about(place), **testing.told(tests)})
        module.fail_json(msg=wrong, hint=WAY_ON, steps=trial.steps.done)
    if not serves:
        # Those of the environment that they run in have the names of the build's.
        run.note(steps={"tests": tests.get("seconds", 0)})
    said = f"Tests skipped: {skip}" if skip else f"Tests passed: {number}, {tests['seconds']} s"
    module.exit_json(changed=not skip, tests=tests, steps=trial.steps.done, say=[said, *trial.said])


if __name__ == "__main__":
    main()
