"""Code that runs as the application: what is around it is out of its reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.machines import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.attacks.conftest import Actor, Process
    from tests.support.machines import Environment, Machine

#: What `systemd-analyze security` may say at most (0 is closed, 10 open)
MOST = {
    "{app}-web@x.service": 1.2, "{app}-worker-queue@x.service": 1.2, "{app}-timer-tidy.service": 1.2,
    "nginx.service": 2.5, "redis-server.service": 1.2, "postgresql@{postgresql}-main.service": 1.6,
    "{app}.service": 3.0, "samestack-manifest@x.service": 4.7,
}  # fmt: skip
CONNECT = """
import json, socket
def attempt(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    found = []
    with socket.socket(family, socket.SOCK_STREAM) as stream:
        stream.settimeout(2)
        try:
            stream.connect((address, port))
            found.append("connected")
        except OSError as error:
            found.append(type(error).__name__)
    with socket.socket(family, socket.SOCK_DGRAM) as datagram:
        datagram.settimeout(0.2)
        try:
            datagram.connect((address, port))
            datagram.send(b"x")
            # A refusal comes back as an error of the next call.
            datagram.send(b"x")
            found.append("sent")
        except OSError as error:
            found.append(type(error).__name__)
    return found
print(json.dumps({{f"{{address}} {{port}}": attempt(address, port) for address, port in {places!r}}}))
"""
#: Attempts by name; each raises OSError where it is refused. `syscall` raises, too.
ATTEMPTS = r"""
import ctypes, json, mmap, os, pathlib, signal, socket, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def syscall(number, *arguments):
    words = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    if libc.syscall(ctypes.c_long(number), *words) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
def write(path):
    with open(path, "a"):
        pass
def read(path):
    with open(path, "rb") as file:
        return file.read(1)
def shut(*command):
    if subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL).returncode:
        raise OSError("refused")
def others():
    mine = os.getuid()
    found = [one for one in os.listdir("/proc") if one.isdigit() and os.stat(f"/proc/{one}").st_uid != mine]
    if not found:
        raise OSError("nobody else is there")
    raise SystemError(found)
def suid():
    path = "/srv/APP/shared/media/suid"
    write(path)
    try:
        os.chmod(path, 0o4755)
    finally:
        os.unlink(path)
def writable_code():
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
attempts = {
    "who else runs": others,
    "environment of init": lambda: read("/proc/1/environ"),
    "memory of another": lambda: write("/proc/1/mem"),
    "ptrace init": lambda: syscall(101, 16, 1, 0, 0),
    "memory of a process": lambda: syscall(310, 1, None, 0, None, 0, 0),
    "kill init": lambda: os.kill(1, signal.SIGHUP),
    "kernel settings": lambda: write("/proc/sys/kernel/core_pattern"),
    "kernel settings, read": lambda: read("/proc/sys/kernel/core_pattern"),
    "kallsyms": lambda: read("/proc/kallsyms"),
    "sysrq": lambda: write("/proc/sysrq-trigger"),
    "cgroups": lambda: os.mkdir("/sys/fs/cgroup/mine"),
    "sysfs": lambda: write("/sys/kernel/uevent_helper"),
    "kernel log": lambda: read("/dev/kmsg"),
    "memory": lambda: read("/dev/mem"),
    "disk": lambda: read("/dev/sda"),
    "load a module": lambda: syscall(175, None, 0, b""),
    "load a module from a file": lambda: syscall(313, 0, b"", 0),
    "mount": lambda: syscall(165, b"none", b"/mnt", b"tmpfs", 0, None),
    "unmount": lambda: syscall(166, b"/proc", 2),
    "a user namespace": lambda: syscall(272, 0x10000000),
    "a mount namespace": lambda: syscall(272, 0x20000),
    "a network namespace": lambda: syscall(272, 0x40000000),
    "another's namespace": lambda: syscall(308, os.open("/proc/self/ns/net", os.O_RDONLY), 0),
    "chroot": lambda: os.chroot("/tmp"),
    "become root": lambda: os.setuid(0),
    "the group of root": lambda: os.setgid(0),
    "bpf": lambda: syscall(321, 0, None, 0),
    "perf": lambda: syscall(298, None, 0, -1, -1, 0),
    "userfaultfd": lambda: syscall(323, 0),
    "kexec": lambda: syscall(246, 0, 0, None, 0),
    "reboot": lambda: syscall(169, 0xFEE1DEAD, 672274793, 0, None),
    "host name": lambda: socket.sethostname("mine"),
    "clock": lambda: syscall(227, 0, None),
    "swap": lambda: syscall(167, b"/tmp/x", 0),
    "real time": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "open by handle": lambda: syscall(304, -1, None, 0),
    "key ring": lambda: syscall(248, b"user", b"mine", b"x", 1, -3),
    "another personality": lambda: syscall(135, 0x0040000),
    "writable code": writable_code,
    "set-user-id": suid,
    "raw packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "raw internet": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0),
    "vsock": lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM),
    "another root's shell": lambda: shut("sudo", "-n", "true"),
    "become another": lambda: shut("su", "-c", "true", "nobody"),
    "start a unit": lambda: shut("systemctl", "--no-ask-password", "start", "ssh.service"),
    "run a unit": lambda: shut("systemd-run", "--no-ask-password", "--wait", "true"),
    "a unit's file": lambda: write("/run/systemd/system/mine.service"),
    "its own unit": lambda: write("/etc/systemd/system/APP-web@.service"),
    "its own code": lambda: write("/srv/APP/current/app/mine.py"),
    "its own packages": lambda: write("/srv/APP/current/venv/mine"),
    "its own environment": lambda: read("/etc/APP/env"),
    "shadow": lambda: read("/etc/shadow"),
    "nginx's key": lambda: os.listdir("/etc/nginx/tls"),
    "root's home": lambda: os.listdir("/root"),
    "homes": lambda: os.stat(next(pathlib.Path("/home").iterdir(), "/home/none")),
    "programs": lambda: write("/usr/local/bin/mine"),
    "state": lambda: write("/var/lib/samestack/mine"),
    "cron": lambda: write("/etc/cron.d/mine"),
    "logs": lambda: read("/var/log/nginx/access.log"),
    "journal": lambda: shut("sh", "-c", "journalctl -q -n1 -u ssh | grep ."),
}
# As they are numbered on x86_64; elsewhere only what needs no number.
if os.uname().machine != "x86_64":
    attempts = {name: one for name, one in attempts.items() if "syscall" not in one.__code__.co_names}
got_through = []
for name, attempt in attempts.items():
    try:
        attempt()
        got_through.append(name)
    except OSError:
        pass
    except Exception as error:
        got_through.append(f"{name}: {error!r}")
print(json.dumps([len(attempts), got_through]))
"""


@pytest.fixture
def listener(victim: Machine) -> Iterator[int]:
    """A service of somebody else, on all addresses of the machine."""
    script = "import socket as s; a = s.create_server(('::', 8099), family=s.AF_INET6, dualstack_ipv6=True)"
    victim.run(f'systemd-run -q --collect --unit attempt-listener python3 -c "{script}\nwhile True: a.accept()"')
    wait_for("the listener", lambda: "8099" in victim.run("ss -Hltn sport = :8099"))
    yield 8099
    victim.run("systemctl stop attempt-listener")


def test_it_breaks_out_of_nothing(process: Process) -> None:
    number, got_through = process.python(ATTEMPTS.replace("APP", process.machine.app))
    assert got_through == []
    assert number > 40 or process.machine.facts["architecture"] != "x86_64"


def test_it_reaches_what_it_may_and_nothing_else(
    process: Process, victim: Machine, environment: Environment, listener: int
) -> None:
    gateway = victim.run("ip -4 route show default").split()[2]
    neighbour = next(one.address for one in environment.machines() if one.name != victim.name)
    shut = [
        ("127.0.0.1", listener), ("127.9.9.9", listener), ("::1", listener), (victim.address, listener),
        (victim.address, 22), ("::ffff:127.0.0.1", listener), ("169.254.169.254", 80),
        ("fd00:ec2::254", 80), ("100.100.100.200", 80), ("168.63.129.16", 80), ("192.0.0.192", 80), (gateway, 22),
        (neighbour, 443), (neighbour, 22), ("10.255.255.254", 80), ("172.16.0.1", 80), ("192.168.0.1", 80),
        ("224.0.0.251", 5353), ("fe80::1", 80),
    ]  # fmt: skip
    found = process.python(CONNECT.format(places=shut))
    assert {place: answers for place, answers in found.items() if "connected" in answers or "sent" in answers} == {}
    # TEST-NET-1 stands for the internet: nobody is there, but this machine sends it on. The site is for everybody.
    open_ = process.python(CONNECT.format(places=[("192.0.2.1", 443), (victim.address, 443)]))
    assert open_["192.0.2.1 443"][1] != "PermissionError"
    assert open_[f"{victim.address} 443"][0] == "connected"


def test_the_wall_stands_around_the_account_and_not_only_the_unit(app: Actor, listener: int) -> None:
    """Whatever the application left behind outside of its units is behind the same wall."""
    status, _output = app.tries(f"timeout 3 bash -c '</dev/tcp/127.0.0.1/{listener}'")
    assert status != 0
    assert app.machine.host.run(f"timeout 3 bash -c '</dev/tcp/127.0.0.1/{listener}'").rc == 0


def test_units_are_as_closed_as_they_can_be(victim: Machine) -> None:
    major = victim.facts["packages"]["postgresql"].split(".")[0]
    units = {name.format(app=victim.app, postgresql=major): most for name, most in MOST.items()}
    found = {}
    for name in units:
        line = victim.run(f"systemd-analyze security --no-pager {name}").splitlines()[-1]
        found[name] = float(line.split(":")[1].split()[0])
    print(found)
    assert {name: score for name, score in found.items() if score > units[name]} == {}


def test_commands_are_confined_as_the_web_server_is(victim: Machine, process: Process) -> None:
    """`manage` and migrations are systemd-run's: the same lines stand in their properties as in the unit."""
    unit = victim.run(f"cat /etc/systemd/system/{victim.app}-web@.service").splitlines()
    lines = victim.run(f"grep '^[A-Z]' /usr/local/lib/samestack/{victim.app}-sandbox").splitlines()
    assert lines
    assert [line for line in lines if line not in unit] == []
    status = process.python("import json, pathlib; print(json.dumps(pathlib.Path('/proc/self/status').read_text()))")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert (fields["CapEff"], fields["CapBnd"], fields["NoNewPrivs"], fields["Seccomp"]) == (
        "0" * 16,
        "0" * 16,
        "1",
        "2",
    )
