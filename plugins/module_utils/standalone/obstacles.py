"""What others have on a machine that a provision would break, or be broken by: looked at before anything is changed.

A program that is sent over ssh and runs as root with the host's own Python, standard library alone. Its argument is a
request in JSON: `ports` ({port: names of the units that may listen there}), `users` (who has to be let in by ssh),
`postgresql` (the version whose cluster becomes the application's, "" where there is to be none), `port` (of that
cluster) and `names` (of the site, where Nginx is to serve it). One line of JSON goes to standard output: a list of
{what, fix}, one sentence each.
"""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import hashlib
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Found = dict[str, str]

LISTENS = "0A"
#: systemd's own unit, which holds the sockets of socket units; and what tells which these are
MANAGER, LIST_SOCKETS = "init.scope", ("systemctl", "list-sockets", "--full", "--plain", "--no-legend", "--no-pager")
#: Files that a provision and the first releases make, by far
FEWEST_INODES = 10_000
#: OIDs of what people made in PostgreSQL begin here (FirstNormalObjectId, access/transam.h).
FIRST_OID = 16384
OURS = "Made by Samestack"
#: Tables that belong here, or go with the service that is stopped
KNOWN_TABLES = ("samestack", "f2b-table", "firewalld")
STOPPED_ANYWAY = ("ufw.service", "firewalld.service")


def run(*command: str) -> str:
    """Return what a command prints; "" where there is no such program."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def read(path: str) -> str:
    """Return a file's text; "" where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def some(words: Iterable[str], most: int = 3) -> str:
    """Return some of several words, with commas between them."""
    listed = list(words)
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")


# Who listens


def listeners(root: str = "/proc") -> dict[int, list[str]]:
    """Return the sockets' inodes by the TCP port on which they listen."""
    found: dict[int, list[str]] = {}
    for name in ("tcp", "tcp6"):
        for line in read(f"{root}/net/{name}").splitlines()[1:]:
            # Number, own address, other address, state, …, user, timeout, inode
            fields = [*line.split(), *[""] * 10]
            if fields[3] == LISTENS:
                found.setdefault(int(fields[1].rsplit(":", 1)[1], 16), []).append(fields[9])
    return found


def process_of(inodes: Iterable[str], root: str = "/proc") -> tuple[str, str]:
    """Return (program, unit) of a process that has one of these sockets; empty where it cannot be told."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for descriptor in glob.glob(f"{root}/[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(descriptor) in wanted:
                process = descriptor.split("/fd/")[0]
                path = read(f"{process}/cgroup").strip().rsplit(":", 1)[-1]
                units = [part for part in path.split("/") if part.endswith((".service", ".scope", ".socket"))]
                return read(f"{process}/comm").strip(), units[-1] if units else ""
    return "", ""


def stem(unit: str) -> str:
    """Return a unit's name without instance and kind."""
    return unit.split("@", 1)[0].rsplit(".", 1)[0] if "@" not in unit else unit.split("@", 1)[0]


def socket_unit(port: str, listed: str) -> str:
    """Return the socket unit for which systemd itself listens on a port, as `systemctl list-sockets` has it, or ""."""
    for line in listed.splitlines():
        address, *units = line.split()
        if units and address.rsplit(":", 1)[-1] == port:
            return units[0]
    return ""


def taken_ports(ports: Mapping[str, list[str]], root: str = "/proc", listed: str | None = None) -> Iterator[Found]:
    """Yield the ports on which somebody else listens; `listed`: systemd's sockets, asked for where it is None."""
    found = listeners(root)
    for port, units in ports.items():
        inodes = found.get(int(port))
        program, unit = process_of(inodes, root) if inodes else ("", "")
        if unit == MANAGER:
            unit = socket_unit(port, run(*LIST_SOCKETS) if listed is None else listed) or unit
        if not program or stem(unit) in {stem(name) for name in units}:
            continue
        owner = f"{program} ({unit})" if unit else program
        stop = (
            f"Stop it there: `sudo systemctl disable --now {unit}`"
            if unit.endswith((".service", ".socket"))
            else "Stop it there"
        )
        what = f"port {port}, which {stem(units[0])} needs, is taken by {owner}"
        yield {"what": what, "fix": f"{stop}, or give Samestack another machine"}


# sshd


def sshd_settings(text: str) -> dict[str, list[str]]:
    """Return {setting: its values} of what `sshd -T` prints."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        found.setdefault(name.lower(), []).extend(value.split())
    return found


def matches(user: str, patterns: Iterable[str]) -> bool:
    """Return whether a user is meant by one of sshd's patterns (`user`, `us*`, `user@host`)."""
    return any(fnmatch.fnmatchcase(user, pattern.split("@", 1)[0]) for pattern in patterns)


def line_of(setting: str, files: Iterable[str] = ()) -> str:
    """Return `file:line` where sshd's settings name something; the main file where none does."""
    paths = list(files) or ["/etc/ssh/sshd_config", *sorted(glob.glob("/etc/ssh/sshd_config.d/*.conf"))]
    for path in paths:
        for number, line in enumerate(read(path).splitlines(), 1):
            if line.split()[:1] and line.split()[0].lower() == setting.lower():
                return f"{path}:{number}"
    return paths[0]


def shut_out(users: Iterable[str], text: str, files: Iterable[str] = ()) -> Iterator[Found]:
    """Yield who would not be let in by what somebody wrote for sshd."""
    settings = sshd_settings(text)
    users = list(dict.fromkeys(users))
    for name, shown in (("allowusers", "AllowUsers"), ("denyusers", "DenyUsers")):
        listed = settings.get(name, [])
        wanted = name == "allowusers"
        out = [user for user in users if listed and matches(user, listed) != wanted]
        if out:
            what = f"sshd there does not let {some(out)} in ({shown} {' '.join(listed)}, in {line_of(shown, files)})"
            yield {"what": what, "fix": "Take that line out: the inventory says who may log in, by name and by key"}


# PostgreSQL


class Cluster(NamedTuple):
    """A cluster of PostgreSQL."""

    version: str
    name: str
    port: int
    online: bool
    #: Somebody has made a database in it.
    used: bool


def clusters(text: str) -> list[Cluster]:
    """Return the clusters that `pg_lsclusters -h` lists."""
    found = []
    for line in text.splitlines():
        try:
            version, name, port, status, _owner, folder, *_log = line.split()
            found.append(Cluster(version, name, int(port), status.startswith("online"), has_databases(folder)))
        except ValueError:
            continue
    return found


def has_databases(folder: str) -> bool:
    """Return whether a cluster has more databases than those that it is born with."""
    try:
        return any(name.isdigit() and int(name) >= FIRST_OID for name in os.listdir(os.path.join(folder, "base")))
    except OSError:
        return False


def strange_clusters(found: list[Cluster], version: str, port: int) -> Iterator[Found]:
    """Yield the clusters that stand in the way of the one that becomes the application's."""
    own = next((one for one in found if (one.version, one.name) == (version, "main")), None)
    for one in found:
        name = f"{one.version}/{one.name}"
        if one is own:
            continue
        if one.version != version and one.used and not (own and own.used):
            what = (
                f"PostgreSQL {name} has the databases, and {version}/main, which this system's version brings and the "
                f"application would get, {'is empty' if own else 'is not there'}"
            )
            drop = f"sudo pg_dropcluster --stop {version} main && " if own else ""
            move = f"sudo pg_upgradecluster {one.version} {one.name}"
            yield {"what": what, "fix": f"Move them: `{drop}{move}`; when all is well, remove the old one"}
        elif one.online and one.port == port:
            what = f"PostgreSQL {name} has port {port}, which {version}/main is to have"
            fix = f"sudo pg_dropcluster --stop {one.version} {one.name}" if not one.used else "database_port: 5433"
            yield {"what": what, "fix": f"{'Set' if one.used else 'It is empty, remove it:'} `{fix}`"}


# Nginx


def nginx_sites(names: Iterable[str], root: str = "/") -> Iterator[Found]:
    """Yield the files of Nginx's whose sites and ours exclude each other."""
    files = sorted({*glob.glob(f"{root}etc/nginx/conf.d/*.conf"), *glob.glob(f"{root}etc/nginx/sites-enabled/*")})
    names = [name.lower() for name in names]
    for file in files:
        text = re.sub(r"(?m)#.*$", "", content) if OURS not in (content := read(file)) else ""
        if not text or as_its_package_brought_it(file, root):
            continue
        path = "/" + os.path.relpath(file, root)
        listed = [word.lower() for found in re.findall(r"\bserver_name\s+([^;]+);", text) for word in found.split()]
        ours = [name for name in names if name in listed]
        what = ""
        if ours:
            what = f"{path} serves {some(ours)} already"
        elif re.search(r"\blisten\s[^;]*\bdefault(_server)?\b", text):
            what = f"{path} answers for every name that Nginx does not know (default_server), as Samestack's site does"
        if what:
            sites = f", which serves {some(listed)}," if listed and not ours else ""
            yield {
                "what": what,
                "fix": f"Move that site{sites} to another machine, or take it away: `sudo rm {path}`",
            }
    main = f"{root}etc/nginx/nginx.conf"
    text = read(main)
    if text and OURS not in text and re.search(r"(?m)^\s*server\s*\{", text):
        what = "/etc/nginx/nginx.conf has sites of somebody else's in it, and would be replaced"
        yield {"what": what, "fix": "Put each into a file of its own in /etc/nginx/conf.d/, or give another machine"}


def as_its_package_brought_it(file: str, root: str) -> bool:
    """Return whether a site is the one that Debian's package comes with: it is taken away anyway."""
    if os.path.basename(file) != "default":
        return False
    lines = run("dpkg-query", f"--root={root}", "-W", "-f", "${Conffiles}\\n", "nginx-common").splitlines()
    known = dict(line.split()[:2] for line in lines if len(line.split()) > 1)
    try:
        with open(file, "rb") as stream:
            return (
                known.get("/etc/nginx/sites-available/default")
                == hashlib.md5(stream.read(), usedforsecurity=False).hexdigest()
            )
    except OSError:
        return True


# Firewalls


def closed_by(ruleset: str, ports: Iterable[int]) -> Iterator[Found]:
    """Yield the tables of nftables that let nobody come to ports; what cannot be judged is left alone."""
    try:
        rules: list[dict[str, Any]] = json.loads(ruleset)["nftables"]
    except (ValueError, KeyError, TypeError):
        return
    ports = list(ports)
    chains = [rule["chain"] for rule in rules if "chain" in rule]
    for chain in chains:
        table = f"{chain['family']} {chain['table']}"
        if chain.get("hook") != "input" or chain.get("type") != "filter" or chain["table"] in KNOWN_TABLES:
            continue
        mine = [rule["rule"]["expr"] for rule in rules if "rule" in rule and same_table(rule["rule"], chain)]
        own = [
            rule["rule"]["expr"]
            for rule in rules
            if "rule" in rule and same_table(rule["rule"], chain) and rule["rule"]["chain"] == chain["name"]
        ]
        ends = chain.get("policy") == "drop" or any(is_end(expr) for expr in own)
        shut = [port for port in ports if not any(may_open(expr, port) for expr in mine)]
        if ends and shut:
            yield closed(f"nftables' table {table}, chain {chain['name']}", shut, f"sudo nft delete table {table}")


def closed(where: str, ports: Iterable[int], remove: str) -> Found:
    """Return the sentence on a firewall that lets nobody come to ports."""
    keeper = "netfilter-persistent.service"
    if run("systemctl", "is-enabled", keeper).strip() == "enabled":
        remove += f" && sudo systemctl disable {keeper}"
    what = f"a firewall of somebody else's ({where}) lets nobody come to port {' and '.join(map(str, ports))}"
    return {"what": what, "fix": f"Samestack has its own (security_open_ports); remove that one: `{remove}`"}


def same_table(rule: Mapping[str, Any], chain: Mapping[str, Any]) -> bool:
    """Return whether a rule is in the table of a chain."""
    return bool(rule["family"] == chain["family"] and rule["table"] == chain["table"])


def is_end(expr: list[Any]) -> bool:
    """Return whether a rule drops or rejects all that comes to it."""
    words = [name for part in expr if isinstance(part, dict) for name in part]
    return bool(words) and words[-1] in ("drop", "reject") and not {"match", "xt"} & set(words)


def may_open(expr: list[Any], port: int) -> bool:
    """Return whether a rule lets some come to a port, or may do so in a way that is not looked into."""
    names = {name for part in expr if isinstance(part, dict) for name in part}
    if names & {"vmap", "xt"} or '"@' in json.dumps(expr):
        return bool("accept" in names or names & {"vmap", "xt"})
    if "accept" not in names:
        return False
    for part in expr:
        match = part.get("match") if isinstance(part, dict) else None
        field = (match or {}).get("left", {})
        payload = field.get("payload", {}) if isinstance(field, dict) else {}
        if isinstance(payload, dict) and payload.get("field") == "dport":
            return covers((match or {}).get("right"), port)
    # Accepted by something else than a port: established connections and the loopback are for no visitor.
    words = json.dumps(expr)
    return not re.search(r'"ct"|"iif(name)?"|icmp|"saddr"|"udp"|"pkttype"|"mark"', words)


def covers(value: Any, port: int) -> bool:
    """Return whether a number, a range or a set of nftables has a port."""
    if isinstance(value, int):
        return value == port
    if isinstance(value, dict):
        if "range" in value:
            low, high = value["range"]
            return bool(low <= port <= high)
        return any(covers(item, port) for item in value.get("set", []))
    return isinstance(value, list) and any(covers(item, port) for item in value)


def closed_by_old_rules(text: str, ports: Iterable[int]) -> Iterator[Found]:
    """Yield what the older kind of iptables, which nftables does not show, lets nobody come to."""
    lines = text.splitlines()
    ends = any(re.fullmatch(r":INPUT (DROP|REJECT) .*|-P INPUT (DROP|REJECT)", line) for line in lines) or any(
        re.fullmatch(r"-A INPUT -j (DROP|REJECT)( .*)?", line) for line in lines
    )
    shut = [port for port in ports if not re.search(rf"--dports?\s(\S*,)?{port}\b.*-j ACCEPT", text)]
    if ends and shut and not re.search(r"(?m)^-A INPUT -j (?!DROP|REJECT|ACCEPT|LOG)\S+", text):
        remove = "sudo iptables-legacy -P INPUT ACCEPT && sudo iptables-legacy -F INPUT"
        yield closed("iptables-legacy", shut, remove)


def firewalls(ports: Iterable[int]) -> Iterator[Found]:
    """Yield the firewalls of others that stay, and close what the site needs."""
    ports = list(ports)
    if not ports:
        return
    # Front ends that role host turns off, with their rules
    active = run("systemctl", "is-active", *STOPPED_ANYWAY).split()
    if "active" not in active:
        yield from closed_by(run("nft", "--json", "list", "ruleset"), ports)
        if "filter" in read("/proc/net/ip_tables_names").split():
            yield from closed_by_old_rules(run("iptables-legacy-save", "-t", "filter"), ports)


# Room


def few_inodes(folders: Iterable[str] = ("/", "/var", "/srv")) -> Iterator[Found]:
    """Yield the file systems that have hardly room for another file, whatever space they have."""
    seen = set()
    for folder in folders:
        with contextlib.suppress(OSError):
            status, device = os.statvfs(folder), os.stat(folder).st_dev
            if device not in seen and status.f_files and status.f_favail < FEWEST_INODES:
                what = f"the file system of {folder} has room for {status.f_favail} more files (inodes), and no more"
                find = f"sudo du --inodes -x --max-depth=3 {folder} | sort -n | tail"
                yield {"what": what, "fix": f"Find where the many small files are: `{find}`"}
            seen.add(device)


def obstacles(request: Mapping[str, Any]) -> list[Found]:
    """Return everything that stands in the way."""
    found = [*few_inodes(), *taken_ports(request["ports"]), *shut_out(request["users"], run("sshd", "-T"))]
    if request["postgresql"]:
        listed = clusters(run("pg_lsclusters", "--no-header"))
        found += strange_clusters(listed, request["postgresql"], request["port"])
    if request["names"]:
        found += nginx_sites(request["names"])
    found += firewalls(int(port) for port, units in request["ports"].items() if "nginx.service" in units)
    return found


if __name__ == "__main__":
    print(json.dumps(obstacles(json.loads(sys.argv[1]))))
