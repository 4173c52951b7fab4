"""What `status` prints to be typed is taken by a machine that serves, and leaves it serving and well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from plugins.module_utils.watch.remedies import mended

if TYPE_CHECKING:
    from tests.watch.conftest import Watch

TYPED = (
    "provision", "deploy", "logs", "backups", "upgrade", "drift", "unfreeze", "open", "rollback",
)  # fmt: skip
#: What there has to be for it to mend
BEFORE = {"unfreeze": ("freeze", "-m", "The fair is on"), "open": ("maintenance", "--on", "-m", "Back at noon")}


@pytest.mark.parametrize("name", TYPED)
def test_each_verb_can_be_typed(watch: Watch, name: str) -> None:
    machine = watch.machine
    if name in BEFORE:
        verb, *rest = BEFORE[name]
        watch.clone.samestack(verb, machine.kind, "--rehearsal", *rest)
    command = mended(name, f"{machine.kind} --rehearsal", machine.name, {})
    if name == "logs":
        # It follows until somebody ends it, as timeout does.
        code = watch.clone.run("timeout", "--signal=INT", "15", *command.split())
        assert code in (0, 124, 130) and machine.name in watch.clone.output, watch.clone.output
    else:
        watch.clone.well(*command.split())
    assert machine.browser().get("/").status == 200
    watch.look()
    assert watch.wrong() == []
