"""The real programs accept what the roles write."""

from __future__ import annotations

from typing import Any

import pytest

PROGRAMS = ("nginx", "sshd", "nft", "visudo", "systemd-analyze", "sh", "apt-config", "postgres", "namespace")


@pytest.mark.parametrize("program", PROGRAMS)
def test_program_accepts_the_files(program: str, verdicts: list[dict[str, Any]]) -> None:
    own = [verdict for verdict in verdicts if verdict["check"].split()[0] == program]
    failed = [
        f"{verdict['tree']}: {verdict['check']}\n{verdict['detail']}" for verdict in own if verdict["state"] == "failed"
    ]
    assert not failed, "\n\n".join(failed)
    reasons = {verdict["detail"] for verdict in own if verdict["state"] == "absent"}
    if program == "namespace" and not own:
        return
    assert own, "no rendered file is for this program"
    if len([verdict for verdict in own if verdict["state"] == "absent"]) == len(own):
        pytest.skip("; ".join(sorted(reasons)))
