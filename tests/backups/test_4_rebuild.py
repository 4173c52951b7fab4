"""The machine is gone, its disk too: one verb brings the site back from what is kept elsewhere."""

from __future__ import annotations

import re
import subprocess
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.backups.conftest import CLONE
from tests.support.machines import wait_for

if TYPE_CHECKING:
    from tests.backups.conftest import Backups, Writer

RELEASE = "trixie"


def made_anew(backups: Backups) -> None:
    """Cut the machine's power, throw its disk away, and put an empty one in its place."""
    name, root = backups.source.name, backups.team.clone.folder
    subprocess.run([CLONE / "box/host", "down", backups.box], check=True)
    up = [CLONE / "box/host", "up", backups.box, RELEASE]
    done = subprocess.run(up, check=True, stdout=subprocess.PIPE, text=True)
    before, now = str(backups.source.variable("machine_address")), done.stdout.strip()
    for file in (root / ".samestack/ssh_config", root / "inventories/rehearsal.yml"):
        file.write_text(file.read_text(encoding="utf-8").replace(before, now), encoding="utf-8")
    subprocess.run(["ssh-keygen", "-q", "-f", root / ".samestack/known_hosts", "-R", name], check=False)
    # It was asked for once.
    vars(backups.source).pop("address", None)


def test_a_machine_that_serves_is_not_rebuilt(production: Backups) -> None:
    said = production.team.refuses("rebuild", "production")
    assert "This host serves release" in said
    # Nothing was touched: a provision that rebuilds stops the clock of the backups.
    timers = " ".join(f"samestack-backup-{kind}.timer" for kind in ("full", "diff", "incr"))
    assert production.source.run(f"systemctl is-active {timers}").split() == ["active"] * 3
    assert production.answers() == 200


def test_from_nothing(production: Backups, writer: Writer) -> None:
    team, uploads = production.team, production.uploads()
    production.upload("last.txt", "last")
    team.back_to("v1")
    team.commit("v4", lambda root: (root / "CHANGES").write_text("Nothing that anybody sees\n", encoding="utf-8"))
    release = team.deploy("production", "v4")
    ledger = team.ledger("production")
    # No backup is made any more: each deployment has what serves now copied, for it may be an hour until the next.
    wait_for("a copy of the code", lambda: production.moments()[-1]["release"] == release, 60)
    wait_for("the copy's end", lambda: "seconds" in production.moments()[-1], 60)
    assert production.moments()[-1]["kind"] == "uploads"
    wait_for("rows after the copy", lambda: len(writer.acknowledged) > 100)
    time.sleep(1)
    acknowledged = writer.stop()
    began = time.monotonic()
    made_anew(production)
    said = re.search(r"The database is as it was (\S+ \S+) UTC", team.samestack("rebuild", "production"))
    assert said
    print(f"rebuilt in {time.monotonic() - began:.0f} s")
    assert team.live("production") == release
    assert production.answers() == 200
    assert production.uploads() == {**uploads, "last.txt": "last"}
    lost = writer.lost()
    newest = max(acknowledged.values())
    seconds = max((newest - acknowledged[number] for number in lost), default=0)
    print(f"of {len(acknowledged)} acknowledged rows {len(lost)} are lost, the oldest {seconds:.1f} s old")
    assert seconds <= 60
    # What it says of that is so, but for the time that WAL was on its way.
    until = datetime.strptime(said[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    assert min((acknowledged[number] for number in lost), default=newest) > until - 10
    assert [line for line in team.ledger("production") if line in ledger] == ledger
    assert team.ledger("production")[-1]["verb"] == "restore"
    wait_for("all to be well", production.well, 90)
