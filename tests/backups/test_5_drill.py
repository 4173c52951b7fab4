"""The newest backup is tried, and what is wrong with it is seen there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.backups.conftest import Backups

DRILL = "/var/lib/samestack/backup/drill.json"
UNIT = "samestack-backup-drill.service"


def test_a_drill(backups: Backups) -> None:
    """Restored to the last second, its rows counted, its indexes checked, its release asked."""
    backups.make()
    backups.sql("CREATE TABLE IF NOT EXISTS after_the_backup (n int); INSERT INTO after_the_backup VALUES (1)")
    said = backups.team.samestack("drill", backups.kind)
    told = json.loads(backups.keeper.run(f"cat {DRILL}"))
    assert told["ok"], told
    assert told["tables"] > 5
    assert told["label"] == backups.moments()[-1]["label"]
    assert f"release {backups.team.live(backups.kind)} answers 200" in said
    assert "Last drill" in backups.team.samestack("backups", backups.kind)
    lines = [json.loads(line) for line in backups.keeper.run("cat /var/lib/samestack/ledger.jsonl").splitlines()]
    (line,) = [line for line in lines if line["verb"] == "drill"][-1:]
    assert (line["result"], line["label"]) == ("ok", told["label"])
    # Nothing is left of it.
    for path in ("code", "work/data"):
        assert not backups.keeper.host.file(f"/var/lib/samestack-drill/{path}").exists


def test_a_drill_touches_nothing(backups: Backups) -> None:
    """What is tried has no network, and no way to write to the repository."""
    keeper = backups.keeper
    shown = keeper.run(f"systemctl show -p User -p PrivateNetwork -p ReadOnlyPaths -p ProtectSystem {UNIT}")
    assert "User=samestack-drill" in shown
    assert "PrivateNetwork=yes" in shown
    assert "ReadOnlyPaths=/var/lib/pgbackrest" in shown
    assert "ProtectSystem=strict" in shown
    denied = keeper.host.run("runuser -u samestack-drill -- touch /var/lib/pgbackrest/x")
    assert denied.rc != 0
    # What is set-user-ID in a release of another machine's is out of everybody's reach.
    assert keeper.host.run("runuser -u nobody -- ls /var/lib/samestack-drill").rc != 0


def test_rows_that_are_missing_fail_it(staging: Backups) -> None:
    """What was counted with the backup is compared: here the count says more than there was."""
    moments = "/var/lib/samestack/backup/moments.jsonl"
    staging.source.run(f"cp -a {moments} /root/moments")
    lines = [json.loads(line) for line in staging.source.run(f"cat {moments}").splitlines()]
    lines[-1]["rows"]["public.board_notice"] = [9999, 9999]
    staging.source.give(moments, "".join(json.dumps(line) + "\n" for line in lines))
    try:
        said = staging.team.refuses("drill", "staging")
        assert "Table public.board_notice has" in said
        assert staging.cycle() == "failed"
        assert "The last drill (of local) failed" in staging.problems()
    finally:
        staging.source.run(f"cat /root/moments > {moments}; systemctl start {UNIT}")
    assert staging.cycle() == "inactive"
