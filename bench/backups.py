"""What backups cost and how fast they are: of a database of 2 GB, on the machine itself, against copies of its files.

Two machines: the site's, and one that keeps its backups.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from bench import building, memory
from bench.targets import BOX_KEY, REPO, SSH_OPTIONS, BenchError, play
from tests.support.writer import ROWS, TABLE, Writer

if TYPE_CHECKING:
    from bench.figures import Report
    from bench.targets import Play, Target

PLAYBOOKS = REPO / "playbooks"
DECIDED = json.dumps({"backup_repositories": [{"type": "host"}]})
KEEPER = "backup1"
GIGABYTES = 2
#: Text of which no two lines are the same, and of which a quarter can be spared: no database has less of that
FILL = """
cd /
sudo -u postgres psql -Xq -U {owner} -d {database} -c 'CREATE TABLE filling (n bigserial PRIMARY KEY, body text)'
base64 -w 1000 /dev/urandom | head -c {bytes} |
sudo -u postgres psql -Xq -U {owner} -d {database} -c 'COPY filling (body) FROM STDIN'
sudo -u postgres psql -XqAt -c 'CHECKPOINT' -c 'SELECT pg_switch_wal()' >/dev/null
until [ -z "$(find {data}/pg_wal/archive_status -name '*.ready')" ]; do sleep 1; done
"""
REPLICATION = """
sed -i '1i local replication postgres peer' /etc/postgresql/*/main/pg_hba.conf
systemctl reload 'postgresql@*'
"""
BESIDE = "/var/lib/postgresql/bench"
AS_SERVER = "setpriv --reuid=postgres --regid=postgres --init-groups"
BASE_BACKUP = f"{AS_SERVER} pg_basebackup -D {BESIDE}/plain -X none -c fast"
COPY = f"{AS_SERVER} cp -a {BESIDE}/plain {BESIDE}/copy; sync -f {BESIDE}/copy"
ENGINE = f"{AS_SERVER} pgbackrest --config=/etc/pgbackrest/pgbackrest.conf --stanza={{app}} --log-level-console=warn"
BACK_UP = f"{ENGINE} --type=full backup"
RESTORE = f"{ENGINE} --pg1-path={BESIDE}/restored --type=none restore"
#: All of a backup, as `./samestack backup` makes it: uploads and release, rows that are counted, the way of the WAL
WHOLE = "/usr/local/lib/samestack/backup run full"
#: A drill is nicer than anybody else on the computer, who is nobody where backups are kept
NOT_NICE = """
mkdir -p /run/systemd/system/samestack-backup-drill.service.d
cd /run/systemd/system/samestack-backup-drill.service.d
printf '[Service]\\nNice=0\\nIOSchedulingClass=best-effort\\n' >bench.conf
systemctl daemon-reload
"""
AT_ONCE = """
systemctl stop {unit}
cp -a {data} {beside}/there; cp -a /srv/{app}/shared {beside}/shared
systemctl start {unit}; until {ready}; do sleep 0.1; done
"""
READY = "cd / && sudo -u postgres psql -XqAt -c 'SELECT 1' >/dev/null 2>&1"
GONE = "pkill -9 -u postgres postgres; rm -rf {data}; systemctl stop 'postgresql@*'"
#: Seconds since the newest segment came into the repository
AGE = "echo $(( $(date +%s) - $(find /var/lib/pgbackrest/archive -name '*.zst' -printf '%Ts\\n' | sort -n | tail -1) ))"
STEPS = ("Restore the database", "Restore the uploads")
UNITS = "samestack-backup-"
#: A look at the backups, each five minutes, by its processes' own seconds; and for so long is waited beside it
LOOK, LOOK_SECONDS, IDLE_SECONDS = "times; /usr/local/lib/samestack/backup check >/dev/null 2>&1; times", 300, 120
ROUNDS = 3
SHARE, EXAMPLE_RATIO, DRILL_RATIO, LOSS_SECONDS, IDLE_MIB, IDLE_PERCENT = 0.8, 3, 2, 60, 20, 1
#: Processor seconds of the processes of a unit, their ended children included
PROCESSOR = """
import glob, os, sys
spent = 0
for path in glob.glob("/proc/[0-9]*"):
    try:
        unit = open(path + "/cgroup").read()
        fields = open(path + "/stat").read().rpartition(")")[2].split()
    except OSError:
        continue
    if sys.argv[1] in unit:
        spent += sum(map(int, fields[11:15]))
print(spent / os.sysconf("SC_CLK_TCK"))
"""


@dataclass
class Course:
    """The site, the machine that keeps its backups, and what the site was given."""

    site: Target
    keeper: Target
    plan: dict[str, Any]

    @property
    def data(self) -> str:
        """The server's data directory."""
        return self.site.run("ls -d /var/lib/postgresql/*/main").strip()

    @property
    def names(self) -> dict[str, str]:
        """What scripts name."""
        data = self.data
        unit = f"postgresql@{data.split('/')[-2]}-main.service"
        return {**{name: self.plan[name] for name in ("app", "database", "owner")}, "data": data, "unit": unit}

    def play(self, playbook: str, name: str, **extra: Any) -> Play:
        """Run a playbook with the decision that there are backups."""
        return play(self.site, PLAYBOOKS / playbook, name, "-e", DECIDED, "-e", json.dumps(extra))

    def build(self) -> None:
        """Give the site's inventory the other machine, and build that; deploy the example."""
        join(self.site, self.keeper)
        self.play("site.yml", "backups-site")
        self.play("deploy.yml", "backups-deploy")
        self.wait(WHOLE)
        self.site.run(f"install -d -o postgres -g postgres {BESIDE}")

    def wait(self, script: str) -> float:
        """Return the seconds of a script on the site's machine."""
        clock = f"began=$(date +%s.%N); {{\n{script.strip()}\n}} >&2; echo $began $(date +%s.%N)"
        began, ended = self.site.run(clock).split()
        return float(ended) - float(began)

    def shortest(self, script: str, before: str = "true") -> float:
        """Return the seconds of the shortest of some turns: what else the computer does can only make one longer."""
        return min(self.timed_after(before, script) for _ in range(ROUNDS))

    def timed_after(self, before: str, script: str) -> float:
        """Return the seconds of a script, with something done before it."""
        self.site.run(before)
        return self.wait(script)

    def restored(self, name: str) -> float:
        """Go back to the latest moment; returns the seconds of the steps of database and uploads."""
        done = self.play("restore.yml", name, restore_to="latest", restore_confirm=True)
        return float(sum(step["seconds"] for step in building.steps_of(done.steps) if step["name"].endswith(STEPS)))

    def loss(self) -> float:
        """Lose the database at the worst moment, a client writing; returns how old the oldest row is that is gone."""
        command = [*self.site.ssh(), f"sudo -u postgres psql -XqAt -U {self.plan['owner']} -d {self.plan['database']}"]
        asked = f"cd / && sudo -u postgres psql -XqAt -U {self.plan['owner']} -d {self.plan['database']} -c '{{}}'"
        self.site.run(asked.format(TABLE))
        writer = Writer(command)
        writer.start()
        began = time.monotonic()
        # As long as it takes for the next segment to be due: whatever was written since the last one is lost.
        while time.monotonic() - began < LOSS_SECONDS or int(self.site.run(AGE)) < LOSS_SECONDS - 12:
            if time.monotonic() - began > LOSS_SECONDS * 4:
                raise BenchError("no segment of WAL ever is as old as one may get")
            time.sleep(0.2)
        self.site.run(GONE.format(data=self.data))
        written = writer.stop()
        self.restored("backups-lost")
        there = set(map(int, self.site.run(asked.format(ROWS)).split()))
        newest = max(written.values())
        return max((newest - at for number, at in written.items() if number not in there), default=0)


def join(site: Target, keeper: Target) -> None:
    """Let the inventory of the site's machine have the other one, which keeps its backups."""
    groups = yaml.safe_load(site.inventory.read_text())
    addresses = {"staging1": site.address, KEEPER: keeper.address}
    for group, hosts in groups.items():
        there = [name for name in hosts["hosts"] if name in addresses]
        hosts["hosts"] = dict.fromkeys([*addresses] if group == "staging" else [] if group == "production" else there)
    groups["rehearsal"]["hosts"] = {name: {"machine_address": address} for name, address in addresses.items()}
    site.inventory.write_text(yaml.safe_dump(groups, sort_keys=False))
    options = SSH_OPTIONS.format(address=keeper.address, key=BOX_KEY).replace("Host staging1", f"Host {KEEPER}")
    with site.ssh_config.open("a") as file:
        file.write(options)


def processor_seconds(target: Target) -> float:
    """Return what the processes of backups' units, and those that they started, have taken of the processors."""
    return float(target.run(f"exec python3 - {UNITS}", stdin=PROCESSOR.encode()))


def idle(target: Target, app: str) -> tuple[float, float]:
    """Return what the units of backups take of a machine on which nothing happens: MiB, and percent of a processor."""
    used = memory.memory_of(target, app).units
    before = processor_seconds(target)
    time.sleep(IDLE_SECONDS)
    spent = processor_seconds(target) - before
    minutes = re.findall(r"(\d+)m([\d.]+)s", target.run(f"bash -c '{LOOK}'"))
    seconds = [int(minute) * 60 + float(second) for minute, second in minutes]
    # Each `times` is two lines of user and system: the shell's own, and its children's.
    look = sum(seconds[6:8]) - sum(seconds[2:4])
    percent = 100 * (spent / IDLE_SECONDS + look / LOOK_SECONDS)
    return sum(mib for unit, mib in used.items() if unit.startswith(UNITS)), percent


def measure(site: Target, keeper: Target, plan: dict[str, Any], report: Report) -> None:
    """Add the figures of backups to the report. Raises `BenchError`."""
    course = Course(site, keeper, plan)
    course.build()
    for where, target in (("the database's machine", site), ("the machine that keeps them", keeper)):
        mib, percent = idle(target, plan["app"])
        report.add(f"backups at rest, {where}", mib, "MiB", IDLE_MIB)
        report.add("  of a processor", percent, "%", IDLE_PERCENT)
    # From here on none comes by the clock.
    site.run(f"systemctl stop '{UNITS}*.timer'")
    example = course.restored("backups-example")
    plain = course.wait(AT_ONCE.format(beside=BESIDE, ready=READY, **course.names))
    report.add("a restore of the example: database and uploads", example, "s")
    report.add("  the same files copied, and a start", plain, "s")
    report.add("  restore / copy and start", example / plain, "x", EXAMPLE_RATIO)
    site.run(FILL.format(bytes=GIGABYTES * 10**9, **course.names))
    site.run(REPLICATION)
    size = int(site.run(f"du -sb --exclude=pg_wal {course.data} | cut -f1")) / 1e6
    # In turns, so that whatever else the computer does falls on both.
    base, made = [], []
    for _ in range(ROUNDS):
        base.append(course.timed_after(f"rm -rf {BESIDE}/plain", BASE_BACKUP))
        made.append(course.wait(BACK_UP.format(**course.names)))
    copied = course.shortest(COPY, f"rm -rf {BESIDE}/copy")
    restore = RESTORE.format(**course.names)
    empty = f"rm -rf {BESIDE}/restored; {AS_SERVER} mkdir -m 0700 {BESIDE}/restored"
    restored = course.shortest(restore, empty)
    report.add(f"a backup of {GIGABYTES} GB", size / min(made), "MB/s")
    report.add("  pg_basebackup", size / min(base), "MB/s")
    report.add("  backup / pg_basebackup", min(base) / min(made), "x", SHARE, at_least=True)
    report.add("  all of it: uploads, rows that are counted", course.wait(WHOLE), "s")
    report.add(f"{GIGABYTES} GB restored", size / restored, "MB/s")
    report.add("  copied", size / copied, "MB/s")
    report.add("  restored / copied", copied / restored, "x", SHARE, at_least=True)
    site.run(f"rm -rf {BESIDE}/*")
    whole = course.restored("backups-whole")
    course.play("backup.yml", "backups-arrived")
    keeper.run(f"{NOT_NICE}systemctl start samestack-backup-drill.service || true")
    drill = json.loads(keeper.run("cat /var/lib/samestack/backup/drill.json"))
    if not drill["ok"]:
        raise BenchError(f"the drill failed: {drill['reason']}")
    report.add(f"a restore of {GIGABYTES} GB: database and uploads", whole, "s")
    report.add("  a drill of the same", drill["seconds"], "s")
    report.add("  drill / restore", drill["seconds"] / whole, "x", DRILL_RATIO)
    report.add(
        "rows that are lost with the database, at the worst moment: the oldest", course.loss(), "s", LOSS_SECONDS
    )
    report.details["backups"] = {
        "seconds of backups": made, "of pg_basebackup": base, "restored": restored, "copied": copied, "drill": drill,
    }  # fmt: skip
