"""The tests, from the quick ones to the long ones.

    tests/run check    linters, unit tests, templates, inventory laws: no machine is needed
    tests/run test     all of that, runs of Ansible on this computer, then real machines
    tests/run soak     the long repetitions

Prints what each part took, the output of what failed, and at the end one line: N passed, N failed.
"""

from __future__ import annotations

import signal
import sys

from tests.runner import checks, machines
from tests.runner.parts import Report

VERBS = {"check": checks.run, "test": machines.run, "soak": machines.soak}


def main(arguments: list[str]) -> int:
    """Run what the argument names; returns the exit status."""
    if len(arguments) != 1 or arguments[0] not in VERBS:
        print((__doc__ or "").strip(), file=sys.stderr)
        return 2
    report = Report()
    # Both, and even where a shell in the background had told us to ignore the first: parts inherit that.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        VERBS[arguments[0]](report)
    except KeyboardInterrupt:
        report.interrupted()
    return report.finish()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
