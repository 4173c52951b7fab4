"""The machine is gone, its disk too: one verb brings the site back from a bucket, or from an sftp server, alone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.repositories.conftest import well
from tests.support.machines import wait_for

if TYPE_CHECKING:
    from tests.backups.conftest import Writer
    from tests.repositories.conftest import Kept


def test_a_machine_that_serves_is_not_rebuilt(production: Kept) -> None:
    said = production.team.refuses("rebuild", "production")
    assert "This host serves release" in said
    assert production.answers() == 200


@pytest.mark.parametrize("name", ["s3", "sftp"])
def test_from_one_alone(production: Kept, writer: Writer, name: str) -> None:
    """The other place is gone as well, and out of the decision."""
    team, storage = production.team, production.storage
    release, uploads = team.live("production"), production.uploads()
    ledger = team.ledger("production")
    production.upload("last.txt", name)
    production.make()
    wait_for("rows after the backup", lambda: len(writer.acknowledged) > 100)
    time.sleep(1)
    acknowledged = writer.stop()
    began = time.monotonic()
    production.made_anew()
    production.decide(storage.s3() if name == "s3" else storage.sftp())
    team.samestack("rebuild", "production")
    print(f"rebuilt from {name} in {time.monotonic() - began:.0f} s")
    assert team.live("production") == release
    assert production.answers() == 200
    assert production.uploads() == {**uploads, "last.txt": name}
    lost = writer.lost()
    newest = max(acknowledged.values())
    seconds = max((newest - acknowledged[number] for number in lost), default=0)
    print(f"of {len(acknowledged)} acknowledged rows {len(lost)} are lost, the oldest {seconds:.1f} s old")
    assert seconds <= 60
    assert [line for line in team.ledger("production") if line in ledger] == ledger
    assert team.ledger("production")[-1]["verb"] == "restore"
    well(production)
    # The other place comes back, too, and both go on.
    production.decide(storage.s3(), storage.sftp())
    team.samestack("provision", "production")
    production.make()
    well(production)
