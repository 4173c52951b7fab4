"""Section `postgresql`: asked as the role that only reads, in one call."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ...common.errors import HostError
from ...common.postgresql import ACCOUNT, READER, psql, settings
from ..check import RED, YELLOW, Check, Facts, Finding, Look
from ..metrics import Metric
from ..spans import HOUR, size, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Nobody waits for a server that is busy with something else.
GUARD = "SET statement_timeout = '5s'; SET lock_timeout = '1s'; SET default_transaction_read_only = on;\n"
#: Copies and backups are long on purpose; they have an end of their own.
OURS = "(samestack|pg_dump|pgBackRest|pg_restore)%"
ASKED = """
SELECT jsonb_build_object(
  'version', current_setting('server_version'),
  'most', current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
  'used', (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()),
  'oldest', (SELECT jsonb_build_object('pid', pid, 'user', usename, 'state', state,
      'seconds', extract(epoch FROM clock_timestamp() - xact_start))
    FROM pg_stat_activity WHERE xact_start IS NOT NULL AND backend_type = 'client backend' AND pid <> pg_backend_pid()
      AND application_name NOT SIMILAR TO 'OURS' ORDER BY xact_start LIMIT 1),
  'waits', (SELECT jsonb_build_object('pid', pid, 'by', (pg_blocking_pids(pid))[1],
      'seconds', extract(epoch FROM clock_timestamp() - waitstart))
    FROM pg_locks WHERE NOT granted AND waitstart IS NOT NULL ORDER BY waitstart LIMIT 1),
  'hit', (SELECT jsonb_build_array(blks_hit, blks_read) FROM pg_stat_database WHERE datname = current_database()),
  'dead', (SELECT coalesce(jsonb_agg(t), '[]') FROM (
    SELECT relname AS name, n_dead_tup AS dead, n_live_tup AS live FROM pg_stat_user_tables
    WHERE n_dead_tup > 10000 AND n_dead_tup > n_live_tup / 2 ORDER BY n_dead_tup DESC LIMIT 3) t),
  'age', (SELECT max(age(datfrozenxid)) FROM pg_database),
  'slots', (SELECT coalesce(jsonb_agg(s), '[]') FROM (
    SELECT slot_name AS name, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) AS kept
    FROM pg_replication_slots WHERE NOT active) s),
  'standbys', (SELECT coalesce(jsonb_agg(r), '[]') FROM (
    SELECT application_name AS name, state, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) AS behind
    FROM pg_stat_replication) r));
SELECT current_setting('server_version_num')::int >= 150000 AS has_versions \\gset
\\if :has_versions
SELECT jsonb_build_object('collations', (SELECT coalesce(jsonb_agg(d), '[]') FROM (
  SELECT datname AS name, datcollversion AS version, pg_database_collation_actual_version(oid) AS actual
  FROM pg_database WHERE datcollversion IS NOT NULL AND
    datcollversion <> pg_database_collation_actual_version(oid)) d));
\\endif
""".replace("OURS", OURS)
#: Bytes of WAL that a standby may be behind, or that nobody fetches; transactions of two thousand million
BEHIND, KEPT, AGE = 256 << 20, 1 << 30, 1_000_000_000
#: Percent below the limit from which on it is yellow; share of the limit for lengths of time
BEFORE, SHARE = 15, 3
#: Below this share of reads from memory a database is larger than its memory; of so many reads in an hour it counts.
HIT, READS = 0.9, 100_000


def gather(look: Look) -> Facts | None:
    """Return the facts; None where the server is elsewhere."""
    database = look.settings.database
    if not database:
        return None
    command = psql(port=int(database["port"]), database=database["name"], role=READER)
    try:
        out = look.run(*command, user=ACCOUNT, text=GUARD + ASKED, environment=settings(READER, "watch"))
        found: Facts = {name: value for line in out.splitlines() if line for name, value in json.loads(line).items()}
    except (HostError, ValueError) as error:
        return {"error": str(error), "unit": database["unit"]}
    hits, reads = found.pop("hit") or [0, 0]
    grown = [
        look.memory.growth(f"blocks {name}", look.now, value, HOUR, 60)
        for name, value in (("hit", hits), ("read", reads))
    ]
    return {
        "error": "", "collations": [], **found, "unit": database["unit"], "reads": sum(grown),
        "hit": grown[0] / sum(grown) if sum(grown) else 1,
        "port": str(database["port"]), "database": database["name"], "owner": database["owner"],
    }  # fmt: skip


def judge(facts: Facts, limits: Mapping[str, float]) -> Iterator[Finding]:
    """Yield what is wrong with it."""
    if facts["error"]:
        unit = facts["unit"]
        yield Finding("answer", RED, f"PostgreSQL does not answer: {facts['error']}", "restart", {"unit": unit}, unit)
        return
    where = {"port": facts["port"]}
    used = facts["used"] * 100 / facts["most"]
    if used >= limits["connections"] - BEFORE:
        level = RED if used >= limits["connections"] else YELLOW
        yield Finding(
            "connections", level, f"{facts['used']} of {facts['most']} connections are in use", "sessions", where
        )
    yield from of_sessions(facts, limits)
    inside = {**where, "database": facts["database"], "owner": facts["owner"]}
    for table in facts["dead"]:
        text = f"table {table['name']} has {table['dead']} dead rows beside {table['live']} live ones"
        yield Finding(f"dead {table['name']}", YELLOW, text, "vacuum", inside)
    if facts["age"] > AGE:
        text = f"transactions of {facts['age'] // 1_000_000} million are not frozen; at 2100 nothing can be written"
        yield Finding("age", YELLOW, text, "vacuum", inside)
    for one in facts["collations"]:
        text = f"the system sorts otherwise than when {one['name']} was made ({one['version']}, now {one['actual']})"
        yield Finding(f"collation {one['name']}", YELLOW, text, "refresh", {**inside, "database": one["name"]})
    for slot in facts["slots"]:
        if (slot["kept"] or 0) > KEPT:
            text = f"replication slot {slot['name']} keeps {size(slot['kept'])} of WAL that nobody fetches"
            yield Finding(f"slot {slot['name']}", RED, text, "slots", where)
    for one in facts["standbys"]:
        if one["state"] != "streaming" or (one["behind"] or 0) > BEHIND:
            text = f"standby {one['name']} is {size(one['behind'] or 0)} behind ({one['state']})"
            yield Finding(f"standby {one['name']}", YELLOW, text, "slots", where)
    if facts["reads"] > READS and facts["hit"] < HIT:
        text = f"only {facts['hit'] * 100:.0f} % of what was read in the last hour was in its memory"
        yield Finding("hit", YELLOW, text, "sessions", where)


def of_sessions(facts: Facts, limits: Mapping[str, float]) -> Iterator[Finding]:
    """Yield who is in the way of others."""
    oldest, waits = facts["oldest"] or {}, facts["waits"] or {}
    seconds = oldest.get("seconds", 0)
    if seconds > limits["transaction"] / SHARE:
        level = RED if seconds > limits["transaction"] else YELLOW
        text = f"a transaction of {oldest['user']} has been open for {span(seconds)} ({oldest['state']})"
        yield Finding("transaction", level, text, "terminate", {"port": facts["port"], "pid": str(oldest["pid"])})
    seconds = waits.get("seconds") or 0
    if seconds > limits["lock"] / SHARE:
        level = RED if seconds > limits["lock"] else YELLOW
        text = f"somebody has waited for a lock for {span(seconds)}; process {waits['by']} holds it"
        yield Finding("lock", level, text, "terminate", {"port": facts["port"], "pid": str(waits["by"])})


def words(facts: Facts) -> str:
    """Return how much is in use, and how long the oldest transaction is."""
    if facts["error"]:
        return "no answer"
    oldest = (facts["oldest"] or {}).get("seconds", 0)
    kept = f", {facts['hit'] * 100:.1f} % from memory" if facts["reads"] else ""
    standbys = f", {len(facts['standbys'])} standbys" if facts["standbys"] else ""
    return (
        f"{facts['version'].split()[0]}, {facts['used']} of {facts['most']} connections, oldest transaction "
        f"{span(oldest)}{kept}{standbys}"
    )


def metrics(facts: Facts) -> Iterator[Metric]:
    """Yield whether it answers, how much is in use, and how far the standbys are."""
    yield Metric("samestack_postgresql_up", not facts["error"])
    if facts["error"]:
        return
    yield Metric("samestack_postgresql_connections", facts["used"])
    yield Metric("samestack_postgresql_connections_most", facts["most"])
    yield Metric("samestack_replication_standbys", len(facts["standbys"]))
    # Several may have one name, and a number is there once.
    behind: dict[str, tuple[float, bool]] = {}
    for one in facts["standbys"]:
        most, streams = behind.get(one["name"], (0, True))
        behind[one["name"]] = (max(most, one["behind"] or 0), streams and one["state"] == "streaming")
    for name, (most, streams) in behind.items():
        yield Metric("samestack_replication_behind_bytes", most, {"standby": name})
        yield Metric("samestack_replication_streaming", streams, {"standby": name})
    for slot in facts["slots"]:
        yield Metric("samestack_replication_kept_bytes", slot["kept"] or 0, {"slot": slot["name"]})


CHECK = Check("postgresql", 50, gather, judge, words, metrics, worked_on=True)
