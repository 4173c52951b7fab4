"""Section `kernel`: sysctls and limits in force, and what it was started with."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ...common.systemd import parse
from ..reading.machine import MissingError
from ..section import Collector
from .units import normal_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.live import Live
    from ..reading.machine import Host, Section

TOP = "/proc/sys"
#: What changes by itself, or says what another section says
VOLATILE = re.compile(
    r"kernel\.(random\.|ns_last_pid|pty\.nr|hostname|domainname|cad_pid|sched_domain|osrelease|version|ostype|"
    r"perf_event_max_sample_rate|perf_cpu_time_max_percent|tainted|bootloader_|usermodehelper|core_modes|keys\.)|"
    r"fs\.(dentry-state|inode-|file-nr|aio-nr|quota|binfmt_misc|mount-nr|dqstats)|net\.netfilter\.nf_conntrack_(count|buckets)|"
    r"net\.(ipv4|ipv6)\.neigh\.|net\.ipv[46]\.conf\.(?!all|default)|net\.ipv[46]\.route\.flush|net\.ipv4\.tcp_fastopen_key|"
    r"dev\.cdrom|vm\.(stat_refresh|compact_memory|drop_caches)|net\.ipv6\.conf\.\S+\.stable_secret|net\.core\.netdev_rss_key|debug\."
)
#: What the kernel works out from the machine's memory and processors
SIZED = re.compile(
    r"kernel\.(threads-max|msgmni|sem_next_id|pid_max|sched_|numa_|shm|ngroups)|vm\.(min_free|user_reserve|admin_reserve|lowmem|nr_hugepages_)|"
    r"user\.max_|fs\.(file-max|nr_open|epoll|inotify\.max_user_w|mqueue)|net\.ipv4\.(tcp_mem|udp_mem|tcp_max_|tcp_[rw]mem|inet_peer)|"
    r"net\.(core\.(optmem|[rw]mem|flow_limit)|netfilter\.nf_conntrack_(max|expect)|ipv6\.route\.max)|net\.nf_conntrack_max"
)
ROOM = re.compile(r"\s+")
#: systemd's names of them
LIMITS = (
    "AS", "CORE", "CPU", "DATA", "FSIZE", "LOCKS", "MEMLOCK", "MSGQUEUE", "NICE", "NOFILE", "NPROC", "RSS", "RTPRIO",
    "RTTIME", "SIGPENDING", "STACK",
)  # fmt: skip
SIZED_LIMITS = ("NPROC", "SIGPENDING", "MEMLOCK")
DEFAULTS = "DefaultLimitNOFILE,DefaultLimitNPROC,DefaultLimitCORE,DefaultLimitMEMLOCK,DefaultLimitSTACK,DefaultTasksMax"
PAGES = "/sys/kernel/mm/transparent_hugepage/enabled"


def values(top: str) -> Iterator[tuple[str, str]]:
    """Yield (name, value) of what can be read below a folder, as sysctl(8) names it."""
    for folder, folders, files in os.walk(top):
        folders.sort()
        prefix = os.path.relpath(folder, top).replace(".", "/").replace("/", ".")
        for file in sorted(files):
            name = file if folder == top else f"{prefix.strip('.')}.{file}"
            if VOLATILE.match(name):
                continue
            try:
                with open(os.path.join(folder, file), encoding="utf-8", errors="replace") as stream:
                    yield name, ROOM.sub(" ", stream.read()).strip()
            # Some can only be written, others belong to what the machine has not got.
            except OSError:
                continue


def collect(host: Host, live: Live) -> Section:
    """Return the section."""
    section: Section = {}
    for name, value in values(host.path(TOP)):
        section[f"size:{name}" if SIZED.match(name) else name] = value
    section["transparent huge pages"] = host.text(PAGES).strip()
    words = host.text("/proc/cmdline").split()
    section["command line"] = [
        word for word in words if not re.match(r"(BOOT_IMAGE|root|initrd|resume|rootflags)=|.*UUID=", word)
    ]
    section["security modules"] = host.text("/sys/kernel/security/lsm").strip()
    try:
        for line in host.run("systemctl", "show", "--property", DEFAULTS).splitlines():
            name, _, value = line.partition("=")
            sized = name in ("DefaultLimitNPROC", "DefaultTasksMax", "DefaultLimitMEMLOCK")
            section[f"size:limit:{name}" if sized else f"limit:{name}"] = value
    except MissingError as missing:
        host.miss("kernel/limit", str(missing))
    return section | limits(host, live)


def limits(host: Host, live: Live) -> Section:
    """Return the limits that the application's units have; how many processes there may be follows from the memory.

    systemd is asked, not a process: one that ends again and again is there at one moment, and at another not.
    """
    app = host.config["app"]
    section: Section = {}
    names = ",".join(f"Limit{name},Limit{name}Soft" for name in LIMITS)
    text = host.run("systemctl", "show", "--property", f"Id,{names}", "--", f"{app}-web@*", f"{app}-worker-*")
    for unit in parse(text):
        # One of the release before may still end what it has begun.
        if "@another release." in normal_name(unit["Id"], app, live.id):
            continue
        for name in LIMITS:
            if f"Limit{name}" in unit:
                key = f"{'size:' if name in SIZED_LIMITS else ''}limit:{normal_name(unit['Id'], app, live.id)}:{name}"
                section[key] = f"{unit.get(f'Limit{name}Soft', '')} {unit[f'Limit{name}']}".strip()
    return section


SECTIONS = (Collector("kernel", collect),)
