"""The audit's half on a host: what can only be measured there, by tools that leave nothing behind.

It is sent over ssh and runs as root with the host's own Python, standard library alone; `main` is called with the
request, and one line of JSON goes to standard output. Lynis, OpenSCAP and its content come from Debian's archive, by
apt with its signatures, into a folder of their own that is removed: the machine's packages stay as they are. OpenSCAP
brings its own C library along, so that it runs on releases that do not package it.
"""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

RULES = "/etc/samestack/hardening.json"
SSHD = "/etc/ssh/sshd_config.d/00-samestack.conf"
#: A setting that not every release's `sshd -T` shows, because Debian has added it
BANNER = "debianbanner"
#: Where the tools are from: OpenSCAP of a stable release, its rules and Lynis as new as there are
SCANNER, NEWEST = "trixie", "sid"
DEBIAN = "http://deb.debian.org/debian"
PROFILE = "xccdf_org.ssgproject.content_profile_cis_level1_server"
RULE = "xccdf_org.ssgproject.content_rule_"
RESULT = re.compile(r'<rule-result idref="(?P<rule>[^"]+)".*?<result>(?P<state>\w+)</result>', re.DOTALL)
SCORE = re.compile(r"<score [^>]*>(?P<score>[\d.]+)</score>")
#: Seconds for one tool
PATIENCE = 900
#: Folders in which a secret may have been left, for anybody to read
PLACES = ("/etc", "/srv", "/var", "/run", tempfile.gettempdir(), "/home", "/opt", "/usr/local")


def run(*command: str, text: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program and return what it said; a missing one is status 127."""
    try:
        return subprocess.run(
            command, input=text, capture_output=True, text=True, errors="replace", check=False, timeout=PATIENCE,
            env={**os.environ, "LC_ALL": "C.UTF-8", **environment},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def first_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return what says best why a program failed."""
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"\bE:|error|fail|cannot", line, re.IGNORECASE)]
    return (errors or lines or ["it said nothing"])[-1][:200]


# Rules of our own


def sshd_settings() -> dict[str, list[str]]:
    """Return {setting: values} that sshd has in force."""
    found: dict[str, list[str]] = {}
    for line in run("sshd", "-T").stdout.splitlines():
        name, _, value = line.partition(" ")
        found.setdefault(name, []).append(value)
    # It does read our file, whose words win.
    if found:
        with contextlib.suppress(OSError), open(SSHD, encoding="utf-8") as file:
            for name, _, value in (line.strip().partition(" ") for line in file):
                if name.lower() == BANNER:
                    found.setdefault(BANNER, [value])
    return found


def sysctl(name: str) -> str | None:
    """Return a kernel setting, None where this kernel has none of that name."""
    path = "/proc/sys/" + name.replace(".", "/")
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return None


def can_be_set(name: str) -> bool:
    """Return whether this machine may set it: a container's kernel is its host's."""
    path = "/proc/sys/" + name.replace(".", "/")
    return os.access(path, os.W_OK) and not os.statvfs(path).f_flag & os.ST_RDONLY


def sshd_differs(settings: Mapping[str, Any], found: Mapping[str, list[str]]) -> Iterator[str]:
    """Yield what sshd has in force that is not as a rule says; order counts only where one value lists it."""
    for name, value in settings.items():
        wanted = [str(item).lower() for item in (value if isinstance(value, list) else str(value).split(" "))]
        wanted = [{"prohibit-password": "without-password"}.get(item, item) for item in wanted]
        real = [item.lower() for item in found.get(name.lower(), [])]
        if wanted != real:
            yield f"sshd {name} {' '.join(real) or 'unknown'}"


def modes_differ(modes: Mapping[str, str]) -> Iterator[str]:
    """Yield the files that are there and have another owner or mode."""
    for path, words in modes.items():
        if os.path.lexists(path):
            status = os.lstat(path)
            owner, group = pwd.getpwuid(status.st_uid).pw_name, grp.getgrgid(status.st_gid).gr_name
            real = f"{owner}:{group} {stat.S_IMODE(status.st_mode):04o}"
            if real != words:
                yield f"{path} {real}"


def differences(rule: Mapping[str, Any], sshd: Mapping[str, list[str]]) -> Iterator[tuple[str, bool]]:
    """Yield (what is not as the rule says, whether this machine could be changed) of a rule's settings."""
    for name, value in rule.get("sysctl", {}).items():
        real = sysctl(name)
        if real is not None and real != str(value):
            yield f"{name} = {real}", can_be_set(name)
    for name in rule.get("modules", []):
        if os.path.isdir(f"/sys/module/{name.replace('-', '_')}"):
            yield f"module {name} is loaded", not os.path.exists("/run/systemd/container")
    for what in (*sshd_differs(rule.get("sshd", {}), sshd), *modes_differ(rule.get("modes", {}))):
        yield what, True
    for package in rule.get("packages", []):
        if run("dpkg-query", "-W", "-f", "${db:Status-Status}", package).stdout != "installed":
            yield f"package {package} is missing", True
    files = [*rule.get("files", []), *(["/etc/sudoers.d/samestack"] if rule.get("sudo") else [])]
    yield from ((f"{path} is missing", True) for path in files if not os.path.lexists(path))


def own_rules() -> dict[str, Any]:
    """Return the state of the rules that a provision has put in force here."""
    try:
        with open(RULES, encoding="utf-8") as file:
            declared = json.load(file)
    except OSError:
        return {"error": "no provision has written down its rules here yet"}
    sshd = sshd_settings()
    broken, not_here = {}, {}
    for name, rule in declared["rules"].items():
        if name in declared["waived"]:
            continue
        found = list(differences(rule, sshd))
        if wrong := [what for what, possible in found if possible]:
            broken[name] = wrong
        elif found:
            not_here[name] = [what for what, _ in found]
    met = len(declared["rules"]) - len(declared["waived"]) - len(broken) - len(not_here)
    return {"met": met, "broken": broken, "not_here": not_here, "waived": declared["waived"]}


# Tools from Debian's archive


class Archive:
    """A folder of apt's own, which knows nothing of this machine's packages."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.tools = os.path.join(folder, "tools")
        for name in ("state/lists/partial", "cache/archives/partial", "parts", "debs", "tools"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)
        with open(os.path.join(folder, "sources"), "w", encoding="utf-8") as file:
            file.writelines(f"deb {self.mirror()} {suite} main\n" for suite in (SCANNER, NEWEST))
        with open(os.path.join(folder, "status"), "w", encoding="utf-8"):
            pass
        values = {
            "Dir::State": f"{folder}/state", "Dir::State::status": f"{folder}/status", "Dir::Cache": f"{folder}/cache",
            "Dir::Etc::sourcelist": f"{folder}/sources", "Dir::Etc::sourceparts": f"{folder}/parts",
            "Dir::Etc::preferencesparts": f"{folder}/parts", "Dir::Etc::preferences": "/dev/null",
            "APT::Default-Release": SCANNER, "APT::Install-Recommends": "false", "Acquire::Languages": "none",
            "APT::Sandbox::User": "root", "DPkg::Pre-Install-Pkgs": "/bin/true",
            # A mirror that has stood still for weeks is good enough for checkers; its signature still counts.
            "Acquire::Check-Valid-Until": "false",
        }  # fmt: skip
        self.options = [word for name, value in values.items() for word in ("-o", f"{name}={value}")]

    def mirror(self) -> str:
        """Return where this machine gets Debian's packages from."""
        for line in run("apt-get", "indextargets", "--format", "$(SITE) $(LABEL)").stdout.splitlines():
            site, _, label = line.partition(" ")
            if label == "Debian":
                return site
        return DEBIAN

    def fetch(self, content: str) -> str:
        """Unpack the tools; returns why that failed, "" where it did not."""
        for arguments, where in (
            (["-q", "update"], self.folder),
            (["-qy", "--download-only", "install", "openscap-scanner"], self.folder),
            (["-q", "download", f"lynis/{NEWEST}", f"{content}/{NEWEST}"], os.path.join(self.folder, "debs")),
        ):
            done = run("sh", "-c", 'cd "$0" && exec apt-get "$@"', where, *self.options, *arguments)
            if done.returncode:
                return first_line(done)
        for folder in ("cache/archives", "debs"):
            for name in sorted(os.listdir(os.path.join(self.folder, folder))):
                if name.endswith(".deb"):
                    run("dpkg-deb", "-x", os.path.join(self.folder, folder, name), self.tools)
        return ""


def lynis(tools: str) -> dict[str, Any]:
    """Return Lynis' hardening index and warnings."""
    program = os.path.join(tools, "usr/share/lynis")
    shutil.copy(os.path.join(tools, "usr/sbin/lynis"), program)
    shutil.copy(os.path.join(tools, "etc/lynis/default.prf"), program)
    os.makedirs(os.path.join(program, "plugins"), exist_ok=True)
    report = os.path.join(tools, "lynis.dat")
    files = ["--report-file", report, "--log-file", os.path.join(tools, "lynis.log")]
    options = ["audit", "system", "--quick", "--no-colors", "-Q", *files]
    done = run("sh", "-c", 'cd "$0" && exec ./lynis "$@"', program, *options)
    try:
        with open(report, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return {"error": first_line(done)}
    index = re.search(r"^hardening_index=(\d+)$", text, re.MULTILINE)
    version = re.search(r"^lynis_version=(\S+)$", text, re.MULTILINE)
    if not index:
        return {"error": first_line(done)}
    return {
        "index": int(index[1]),
        "version": version[1] if version else "",
        "warnings": re.findall(r"^warning\[\]=(\S+?\|[^|]*)", text, re.MULTILINE),
        "suggestions": sorted(set(re.findall(r"^suggestion\[\]=([A-Z]+-\d+)", text, re.MULTILINE))),
    }


def tailoring(waived: Sequence[str]) -> str:
    """Return a profile that is CIS level 1 for servers without the waived rules."""
    selects = "".join(f'<xccdf:select idref="{RULE}{name}" selected="false"/>' for name in waived)
    return (
        '<?xml version="1.0"?><xccdf:Tailoring xmlns:xccdf="http://checklists.nist.gov/xccdf/1.2" '
        'id="xccdf_samestack_tailoring_audit"><xccdf:version time="2026-01-01T00:00:00">1</xccdf:version>'
        f'<xccdf:Profile id="xccdf_samestack_profile_cis" extends="{PROFILE}">'
        f"<xccdf:title>CIS</xccdf:title>{selects}</xccdf:Profile></xccdf:Tailoring>"
    )


def cis(tools: str, system: str, waived: Sequence[str]) -> dict[str, Any]:
    """Return the score of CIS level 1 for servers, whole and without the waived rules, and which rules fail."""
    content = os.path.join(tools, f"usr/share/xml/scap/ssg/content/ssg-{system}-ds.xml")
    if not os.path.exists(content):
        return {"error": f"there is no content for {system}"}
    library = next((path for path in libraries(tools) if os.path.isdir(path)), "")
    loader = next(loaders(tools), "")
    share = os.path.join(tools, "usr/share/openscap")
    folders = {"SCHEMA": "schemas", "XSLT": "xsl", "CPE": "cpe"}
    paths = {f"OSCAP_{name}_PATH": f"{share}/{folder}" for name, folder in folders.items()}
    oscap = [loader, "--library-path", library, os.path.join(tools, "usr/bin/oscap"), "xccdf", "eval"]
    found: dict[str, Any] = {}
    with open(os.path.join(tools, "tailoring.xml"), "w", encoding="utf-8") as file:
        file.write(tailoring(waived))
    for name, options in (
        ("score", ["--profile", PROFILE]),
        ("waived_score", ["--profile", "xccdf_samestack_profile_cis", "--tailoring-file", f"{tools}/tailoring.xml"]),
    ):
        results = os.path.join(tools, f"{name}.xml")
        done = run(*oscap, *options, "--results", results, content, **paths)
        if not os.path.exists(results):
            return {"error": first_line(done)}
        with open(results, encoding="utf-8") as file:
            text = file.read().rpartition("<TestResult ")[2]
        score = SCORE.search(text)
        if not score:
            return {"error": first_line(done)}
        found[name] = round(float(score["score"]), 1)
        if name == "score":
            states = {rule["rule"].removeprefix(RULE): rule["state"] for rule in RESULT.finditer(text)}
            found["failed"] = sorted(rule for rule, state in states.items() if state == "fail")
            found["passed"] = sum(state == "pass" for state in states.values())
    return found


def libraries(tools: str) -> Iterator[str]:
    """Yield where the tools' libraries are."""
    parent = os.path.join(tools, "usr/lib")
    yield from (os.path.join(parent, name) for name in sorted(os.listdir(parent)) if name.endswith("-linux-gnu"))


def loaders(tools: str) -> Iterator[str]:
    """Yield the tools' dynamic loaders."""
    for folder in ("usr/lib64", "usr/lib"):
        path = os.path.join(tools, folder)
        for name in sorted(os.listdir(path)) if os.path.isdir(path) else ():
            if name.startswith("ld-linux"):
                yield os.path.join(path, name)


# The services, the application, secrets


def exposure(app: str) -> dict[str, float]:
    """Return {unit: exposure} of systemd-analyze security: of what is loaded, and of what only runs at times."""
    found = {}
    for line in run("systemd-analyze", "security", "--no-pager").stdout.splitlines():
        if match := re.match(r"(\S+\.service)\s+(\d+\.\d)\s", line):
            found[match[1]] = float(match[2])
    listed = run("systemctl", "list-unit-files", "--plain", "--no-legend", f"{app}*.service", "samestack-*.service")
    for line in listed.stdout.splitlines():
        # Of a template, any instance says it.
        unit = line.split()[0].replace("@.service", "@x.service")
        if unit not in found:
            said = run("systemd-analyze", "security", "--no-pager", unit).stdout
            if match := re.search(r"Overall exposure level for \S+: (\d+\.\d)", said):
                found[unit] = float(match[1])
    return found


def django_check(app: str) -> dict[str, Any]:
    """Return how many warnings `check --deploy` has."""
    done = run(f"/usr/local/bin/{app}-manage", "check", "--deploy", "--fail-level", "WARNING")
    text = done.stdout + done.stderr
    names = re.findall(r"\(([a-z_]+\.[WEC]\d+)\)", text)
    if done.returncode and not names:
        return {"error": first_line(done)}
    return {"warnings": names}


def markers(secrets: Sequence[str]) -> dict[str, Any]:
    """Return where a secret can be read by somebody who should not: files, command lines, the journal. Never which."""
    places: list[str] = []
    if not secrets:
        # An empty pattern is found everywhere.
        return {"places": places}
    patterns = "\n".join(secrets) + "\n"
    listed = run("find", *PLACES, "-xdev", "-type", "f", "-perm", "-o=r", "-size", "-64M", "-print0")
    files = [name for name in listed.stdout.split("\0") if name and is_reachable(name)]
    for begin in range(0, len(files), 2000):
        done = run("grep", "-lF", "-f", "/dev/stdin", "--", *files[begin : begin + 2000], text=patterns)
        places += done.stdout.splitlines()
    logs = ("grep", "-rlF", "--exclude-dir=journal", "-f", "/dev/stdin", "/var/log")
    places += run(*logs, text=patterns).stdout.splitlines()
    said = run("journalctl", "--no-pager", "-o", "cat").stdout
    places += ["the journal"] if any(secret in said for secret in secrets) else []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/cmdline", encoding="utf-8", errors="replace") as file:
                    words = file.read()
            except OSError:
                continue
            places += [f"the command line of {words.split(chr(0))[0]}"] if any(s in words for s in secrets) else []
    return {"places": sorted(set(places))}


def is_reachable(path: str) -> bool:
    """Return whether everybody may go into each folder above a file."""
    folder = os.path.dirname(path)
    while folder != "/":
        try:
            if not os.lstat(folder).st_mode & stat.S_IXOTH:
                return False
        except OSError:
            return False
        folder = os.path.dirname(folder)
    return True


def main(request: Mapping[str, Any]) -> None:
    """Measure, and print one line of JSON."""
    release = {}
    with open("/etc/os-release", encoding="utf-8") as file:
        for line in file:
            name, _, value = line.strip().partition("=")
            release[name] = value.strip('"')
    number = release.get("VERSION_ID", "").replace(".", "")
    found: dict[str, Any] = {
        "system": release.get("PRETTY_NAME", ""),
        "ssh_release": f"{release.get('ID', '')} {release.get('VERSION_ID', '')}",
        "rules": own_rules(),
        "exposure": exposure(request["app"]),
        "check": django_check(request["app"]) if os.path.exists(f"/usr/local/bin/{request['app']}-manage") else None,
        "markers": markers(request["secrets"]),
        "nginx": run("nginx", "-T").stdout if shutil.which("nginx") else "",
    }
    with tempfile.TemporaryDirectory(prefix="samestack-audit-", dir="/var/tmp") as folder:
        archive = Archive(folder)
        ubuntu = release.get("ID") == "ubuntu"
        if problem := archive.fetch("ssg-debderived" if ubuntu else "ssg-debian"):
            found["lynis"] = found["cis"] = {"error": problem}
        else:
            found["lynis"] = lynis(archive.tools)
            found["cis"] = cis(archive.tools, f"{release.get('ID', '')}{number}", request["waived"])
    print(json.dumps(found))
