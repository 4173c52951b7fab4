"""Backups are made, shown, and where they shall be; who keeps them cannot be reached by who makes them."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from tests.backups.conftest import PROGRAM
from tests.support.machines import wait_for

if TYPE_CHECKING:
    from tests.backups.conftest import Backups

FILES = "cd /var/lib/pgbackrest && find archive backup -type f ! -name '*.info*' | sort"
BURGLED = """
cp -a /var/lib/pgbackrest /root/saved; cd /var/lib/pgbackrest
rm -rf archive/noticeboard/* backup/noticeboard/*; mkdir archive/noticeboard/99-9
echo x > archive/noticeboard/archive.info; echo x > backup/noticeboard/backup.info; chown -R postgres: .
"""
ASK = """
import sys
# The packages lie beside the program that is asked about, as they do for that itself.
sys.path.insert(0, "/usr/local/lib/samestack/backups")
from plugins.module_utils.backup import wire
stream = wire.connect(sys.argv[1], 8432, "/etc/samestack/backup-ca.crt").makefile("rwb")
wire.send(stream, {"key": "guessed"}); print(wire.receive(stream))
"""
#: Asks the server for files as restic does, with what root finds on the database host
REST = """
import base64, json, ssl, sys, urllib.error, urllib.request
known = json.load(open("/etc/samestack/backup.secrets"))
word = base64.b64encode(f"{known['rest_user']}:{known['rest_password']}".encode()).decode()
context = ssl.create_default_context(cafile="/etc/samestack/backup-ca.crt")
def ask(method, path, data=None):
    head = {"Authorization": f"Basic {word}", "Accept": "application/vnd.x.restic.rest.v2"}
    request = urllib.request.Request(f"https://{sys.argv[1]}:8433/{path}", data, head, method=method)
    try:
        with urllib.request.urlopen(request, context=context) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, b""
status, text = ask("GET", "snapshots/")
first = "snapshots/" + json.loads(text)[0]["name"]
print(json.dumps({
    "listed": status, "DELETE snapshot": ask("DELETE", first)[0], "DELETE config": ask("DELETE", "config")[0],
    "POST snapshot": ask("POST", first, b"x")[0],
}))
"""
LAST = "/var/lib/samestack/backup/last.json"


def test_the_first_backup_comes_by_itself(backups: Backups) -> None:
    wait_for("the first backup", lambda: backups.source.host.file(LAST).exists, 60)
    assert json.loads(backups.source.run(f"cat {LAST}"))["last"]["ok"]


def test_a_second_run_changes_nothing(backups: Backups) -> None:
    backups.team.samestack("provision", backups.kind)
    assert "Nothing changed on" in backups.team.clone.output


def test_a_backup_now(backups: Backups) -> None:
    backups.upload("first.txt", "first")
    moment = backups.make()
    said = backups.team.clone.output
    assert f"incr backup {moment['label']}: " in said
    assert f"release {backups.team.live(backups.kind)}" in said
    assert moment["release"] == backups.team.live(backups.kind)
    assert moment["uploads"]["files"] > 1
    assert moment["rows"]["public.board_notice"][0] == int(backups.sql("SELECT count(*) FROM board_notice"))
    # The verb ends when it is where it shall be.
    found = backups.keeper.run("find /var/lib/pgbackrest/backup -maxdepth 2 -name '*F_*I' -printf '%f\\n'").split()
    assert moment["label"] in found
    (line,) = [line for line in backups.team.ledger(backups.kind) if line.get("label") == moment["label"]]
    assert (line["verb"], line["result"]) == ("backup", "ok")


def test_what_can_be_restored(backups: Backups) -> None:
    found = backups.status()
    assert found["problems"] == []
    assert found["age"] < 120
    out = backups.team.samestack("backups", backups.kind)
    assert f"{backups.kind} is restorable until" in out
    assert ("same disk: no backup" in out) == (backups.kind == "staging")
    # The watch repeats what the backups' own look of some minutes ago found.
    assert backups.cycle(backups.source) == backups.cycle() == "inactive"
    shown = backups.source.run("/usr/local/lib/samestack/watch show")
    assert ("same disk: no backup" in shown) == (backups.kind == "staging")


def test_wal_goes_there_within_a_minute(production: Backups) -> None:
    production.sql("CREATE TABLE IF NOT EXISTS seen (n int); INSERT INTO seen VALUES (1)")
    before = production.status()["restorable_until"]
    wait_for("a newer moment", lambda: production.status()["restorable_until"] > before + 1, 65)


def test_pages_have_checksums(backups: Backups) -> None:
    hosts = backups.status()["hosts"]
    assert {name: hosts[name]["checksums"] for name in hosts if "database" in hosts[name]["does"]} == {
        backups.source.name: True
    }


def test_everything_is_encrypted(backups: Backups) -> None:
    """Neither what is in the database, nor how its files are called, nor what people uploaded can be read."""
    backups.sql("CREATE TABLE canary (t text); INSERT INTO canary VALUES ('canary-of-the-backups')")
    backups.upload("canary.txt", "canary-of-the-uploads")
    backups.make()
    places = "/var/lib/pgbackrest /var/lib/samestack-uploads /var/lib/samestack/backup-uploads"
    for machine in {backups.source.name: backups.source, backups.keeper.name: backups.keeper}.values():
        assert machine.host.run(f"grep -rl canary-of-the {places} 2>/dev/null").stdout == ""


def test_the_key_is_in_no_argument_and_no_log(backups: Backups) -> None:
    for machine in (backups.source, backups.keeper):
        key = machine.run("sed -n 's/^repo1-cipher-pass=//p' /etc/pgbackrest/pgbackrest.conf").strip()
        assert len(key) > 40
        assert key not in machine.run("journalctl --no-pager -o cat -b | cat")
        assert key not in machine.run("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '")


def test_production_has_no_way_to_what_is_kept(production: Backups) -> None:
    """Root on the database host: nothing listens there for it but what takes files and gives none away.

    And what says when the machine has looked at itself, and no more.
    """
    keeper = production.keeper.variable("machine_address")
    script = shlex.join(["python3", "-c", REST, str(keeper)])
    answers = json.loads(production.source.run(script))
    assert answers.pop("listed") == 200
    # Nothing is removed, and nothing takes the place of what is there.
    assert answers.keys() == {"DELETE snapshot", "DELETE config", "POST snapshot"}
    assert set(answers.values()) <= {403, 405}
    knock = f'timeout 2 bash -c "</dev/tcp/{keeper}/$port" 2>/dev/null && echo $port'
    assert production.source.run(f"for port in 22 5432 8432 8433 8434; do {knock}; done; true").split() == [
        "22", "8433", "8434",
    ]  # fmt: skip


def test_what_a_burglar_takes_away_stays_where_it_is_kept(production: Backups) -> None:
    """Everything of pgBackRest's goes on the database host, and a false list takes its place."""
    keeper = production.keeper
    kept = keeper.run(FILES).split()
    production.source.run(BURGLED)
    try:
        wait_for(
            "it is seen", lambda: "cannot be opened" in str(keeper.run("cat /run/samestack-backup/fetch.json")), 40
        )
        assert set(kept) <= set(keeper.run(FILES).split())
        assert keeper.run(f"{PROGRAM} verify").strip().endswith("as it was written.")
        assert "failed" in production.cycle()
    finally:
        production.source.run("cd /var/lib/pgbackrest && rm -rf * && cp -a /root/saved/. . && rm -rf /root/saved")
    wait_for("all to be well", production.well, 60)


def test_what_has_expired_goes_and_copies_go_on(production: Backups) -> None:
    """By the keeper's clock; what it writes anew meanwhile, whoever adds copies can read."""
    keeper = production.keeper
    production.make()
    keeper.run("find /var/lib/samestack-uploads/snapshots -type f -exec touch -d '40 days ago' {} +")
    production.make()
    assert "Expired:" in keeper.run(f"{PROGRAM} keep")
    assert keeper.run("find /var/lib/samestack-uploads ! -user samestack-backup").strip() == ""
    production.upload("after.txt", "after")
    assert production.make()["uploads"]["files"] > 1
    assert production.status()["problems"] == []


def test_who_has_no_key_gets_nothing(production: Backups) -> None:
    address = production.source.variable("machine_address")
    wrong = production.keeper.host.run("python3 -c %s %s", ASK, address)
    assert wrong.rc != 0
    assert "the connection was closed" in wrong.stderr
