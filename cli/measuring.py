"""The measuring of an environment: by checkers that others keep, on its machines and from outside."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from box.resolve import Inventory
from plugins.plugin_utils.audit.figures import OBSERVATORY_SCORE, Figure, markdown, of_host
from plugins.plugin_utils.audit.waivers import waived, waivers
from plugins.plugin_utils.connection.target import Target

from .playbook import Run, environment, meaning
from .project import ENGINE, PROJECT, STATE, inventory_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from plugins.plugin_utils.audit.waivers import Waiver

FOLDER = STATE / "audit"
#: Checkers on this computer; a newer one may find more, so their versions are part of a figure
PYTHON_TOOLS = ("ssh-audit==3.9.0", "sslyze==6.3.1", "gixy-ng==0.2.59")
OBSERVATORY = "@mdn/mdn-http-observatory@1.4.8"
#: Seconds for one checker
PATIENCE = 300
#: Resolves the site's name to the machine that is audited: it need not be in the DNS yet
RESOLVER = """const dns = require("node:dns");
const [name, address] = process.env.SAMESTACK_ADDRESS.split("=");
const lookup = dns.lookup;
dns.lookup = (host, options, callback) => {
  if (typeof options === "function") [options, callback] = [{}, options];
  if (host !== name) return lookup(host, options, callback);
  const family = address.includes(":") ? 6 : 4;
  process.nextTick(() => options.all ? callback(null, [{ address, family }]) : callback(null, address, family));
};
"""


def run(command: Sequence[str], text: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    """Run a checker and return what it said; a missing one is status 127."""
    own = environment() | {"NO_COLOR": "1"} | more
    try:
        return subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env=own,
            timeout=PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def why(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last line of what a failed program said."""
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return (lines or ["it said nothing"])[-1][:200]


def is_accepted(error: Mapping[str, Any], accepted: Sequence[str]) -> bool:
    """Return whether a mismatch that ssh-audit found is but of what a waiver names."""
    return bool([item for item in error["actual"] if item not in accepted] == error["expected_required"])


class Checkers:
    """The checkers of this computer, in .samestack/audit/tools."""

    def __init__(self, folder: Path) -> None:
        """Put in place what is missing; `problems` says which could not be."""
        self.folder = folder
        self.problems: dict[str, str] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._python()
        self._node()

    def program(self, name: str) -> str:
        """Return the path of a checker that PyPI has."""
        return str(self.folder / "python" / "bin" / name)

    @property
    def observatory(self) -> Path:
        """Return where MDN's HTTP Observatory is."""
        return self.folder / "node_modules" / "@mdn" / "mdn-http-observatory"

    def _python(self) -> None:
        stamp = self.folder / "python" / "installed"
        if stamp.is_file() and stamp.read_text(encoding="utf-8").split() == list(PYTHON_TOOLS):
            return
        # Beside the environment that this runs in, where box/setup has put both
        own = Path(sys.prefix).resolve().parent / ".samestack/uv/bin/uv"
        uv = str(own) if own.is_file() else "uv"
        target = str(self.folder / "python")
        for command in (
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, target],
            [uv, "pip", "install", "--quiet", "--python", f"{target}/bin/python", *PYTHON_TOOLS],
        ):
            done = run(command)
            if done.returncode:
                self.problems["python"] = f"could not be installed: {why(done)}"
                return
        stamp.write_text("\n".join(PYTHON_TOOLS), encoding="utf-8")

    def _node(self) -> None:
        stamp = self.folder / "observatory-installed"
        if stamp.is_file() and stamp.read_text(encoding="utf-8") == OBSERVATORY:
            return
        if not shutil.which("npm"):
            self.problems["node"] = "could not be installed: there is no npm on this computer (package npm)"
            return
        # What it would fetch besides are lists of preloaded and of public domains: no score depends on them.
        done = run(
            ["npm", "install", "--prefix", str(self.folder), "--no-audit", "--no-fund", "--omit=optional",
             "--ignore-scripts", OBSERVATORY]
        )  # fmt: skip
        if done.returncode:
            self.problems["node"] = f"could not be installed: {why(done)}"
            return
        for name, empty in (("hsts-preload", "{}"), ("tld-list", "[]")):
            (self.observatory / "conf" / f"{name}.json").write_text(empty, encoding="utf-8")
        (self.folder / "resolver.cjs").write_text(RESOLVER, encoding="utf-8")
        stamp.write_text(OBSERVATORY, encoding="utf-8")


class Outside:
    """What can be measured of a machine from outside."""

    def __init__(self, checkers: Checkers, host: str, values: Mapping[str, Any], accepted: list[Waiver]) -> None:
        self._checkers = checkers
        self._host = host
        self._accepted = accepted
        target = Target.of(values, host)
        shown = run(["ssh", "-G", *target.arguments, target.address]).stdout
        settings = dict(line.split(" ", 1) for line in shown.splitlines() if " " in line)
        self._address = settings.get("hostname", target.address)
        self._port = settings.get("port", "22")
        self._domain = str(next(iter(values.get("app_domains") or []), ""))
        local = (values.get("web_tls") or {}).get("provider") == "local_ca"
        self._authority = STATE / "ca.crt" if local else None

    def figures(self, answer: Mapping[str, Any]) -> Iterator[Figure]:
        """Yield the figures, given what the host itself answered."""
        yield self.ssh(str(answer["ssh_release"]))
        if answer["nginx"]:
            yield self.gixy(str(answer["nginx"]))
            yield self.tls()
            yield self.headers()

    def _failed(self, name: str, target: str, reason: str) -> Figure:
        return Figure(self._host, name, "-", target, None, reason)

    def ssh(self, release: str) -> Figure:
        """Return what ssh-audit makes of sshd: the policy for the release."""
        name, target = "ssh-audit", "pass"
        if problem := self._checkers.problems.get("python"):
            return self._failed(name, target, problem)
        program = self._checkers.program("ssh-audit")
        system, _, number = release.partition(" ")
        words = f"Debian {number}" if system == "debian" else f"Ubuntu Server {number}"
        known = re.findall(r'"(Hardened [^"]+)"', run([program, "-L"]).stdout)
        policy = next((name for name in known if name.startswith(f"Hardened {words}")), "")
        if not policy:
            return self._failed(name, target, f"it has no policy for {release}")
        done = run([program, "-n", "-j", "-p", self._port, "-P", policy, self._address])
        try:
            errors = json.loads(done.stdout)["errors"]
        except (ValueError, KeyError):
            return self._failed(name, target, why(done))
        accepted = waived(self._accepted, "ssh-audit")
        wrong = [one["mismatched_field"] for one in errors if not is_accepted(one, accepted)]
        value = "fail" if wrong else f"pass ({len(errors)} waived)" if errors else "pass"
        return Figure(self._host, f"{name}, {policy}", value, target, not wrong, "; ".join(wrong))

    def gixy(self, configuration: str) -> Figure:
        """Return gixy's findings in the configuration that Nginx has in force."""
        name, target = "gixy-ng", "0 high, each medium met or waived"
        if problem := self._checkers.problems.get("python"):
            return self._failed(name, target, problem)
        file = self._checkers.folder / f"{self._host}.nginx"
        file.write_text(configuration, encoding="utf-8")
        done = run([self._checkers.program("gixy"), "-f", "json", str(file)])
        try:
            found = json.loads(done.stdout)
        except ValueError:
            return self._failed(name, target, why(done))
        accepted = waived(self._accepted, "gixy")
        high = [item["plugin"] for item in found if item["severity"].lower() == "high"]
        medium = [item["plugin"] for item in found if item["severity"].lower() == "medium"]
        left = [plugin for plugin in medium if plugin not in accepted]
        value = f"{len(high)} high, {len(medium)} medium" + (f" ({len(medium) - len(left)} waived)" if medium else "")
        return Figure(self._host, name, value, target, not high and not left, ", ".join(sorted({*high, *left})))

    def tls(self) -> Figure:
        """Return whether TLS is as Mozilla's intermediate configuration wants it."""
        name, target = "sslyze, Mozilla intermediate", "pass"
        if problem := self._checkers.problems.get("python"):
            return self._failed(name, target, problem)
        where = f"{self._domain}:443{{{self._address}}}"
        trusted = [f"--certinfo_ca_file={self._authority}"] if self._authority else []
        done = run([self._checkers.program("sslyze"), "--mozilla_config=intermediate", *trusted, where])
        text = re.split("compliance against", done.stdout, flags=re.IGNORECASE)[-1]
        if "ompliant." not in text:
            return self._failed(name, target, why(done))
        passed = "OK - Compliant" in text
        wrong = re.findall(r"^\s*\* (.+)$", text.partition("FAILED")[2], re.MULTILINE)
        return Figure(self._host, name, "pass" if passed else "fail", target, passed, "; ".join(wrong)[:400])

    def headers(self) -> Figure:
        """Return the score of MDN's HTTP Observatory for the site's first page."""
        name, target = "HTTP Observatory", f"≥ {OBSERVATORY_SCORE}"
        if problem := self._checkers.problems.get("node"):
            return self._failed(name, target, problem)
        more = {"NODE_EXTRA_CA_CERTS": str(self._authority)} if self._authority else {}
        resolver = self._checkers.folder / "resolver.cjs"
        more |= {"SAMESTACK_ADDRESS": f"{self._domain}={self._address}", "NODE_OPTIONS": f"--require {resolver}"}
        done = run(["node", str(self._checkers.observatory / "src" / "scan.js"), self._domain], **more)
        try:
            found = json.loads(done.stdout[done.stdout.index("{") :])
            scan = found["scan"]
        except (ValueError, KeyError):
            return self._failed(name, target, why(done))
        if scan.get("error") or scan.get("score") is None:
            return self._failed(name, target, str(scan.get("error") or "no score"))
        wrong = [test for test, about in found["tests"].items() if about["pass"] is False]
        good = scan["score"] >= OBSERVATORY_SCORE
        return Figure(self._host, name, f"{scan['grade']} {scan['score']}", target, good, ", ".join(wrong))


def version() -> str:
    """Return which commit of this project was measured."""
    done = run(["git", "-C", str(ENGINE), "describe", "--always", "--dirty", "--tags"])
    return done.stdout.strip() or "unknown"


class AuditError(Exception):
    """Nothing could be measured; the text is the whole message, `status` the exit code."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


def measure(name: str, *, rehearsal: bool, tell: Callable[[str], None]) -> tuple[dict[str, Any], list[Figure], Path]:
    """Measure an environment.

    Args:
        name: the environment.
        rehearsal: its local stand-in.
        tell: is told what takes time.

    Returns:
        What is kept, the figures, and the page with them. Raises `AuditError`.
    """
    os.chdir(PROJECT)
    tell("Putting the checkers in place …")
    checkers = Checkers(FOLDER / "tools")
    answers = FOLDER / name
    shutil.rmtree(answers, ignore_errors=True)
    tell(f"Asking {name}: a few minutes …")
    done = subprocess.run(
        Run(name, rehearsal).arguments("audit"), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        errors="replace", check=False, env=environment(),
    )  # fmt: skip
    if done.returncode:
        raise AuditError(done.stdout + done.stderr, meaning(done.returncode))
    accepted = waivers(ENGINE / "docs" / "security.md")
    inventory = Inventory(inventory_of(name, rehearsal=rehearsal))
    figures: list[Figure] = []
    upgrade = f"./samestack upgrade {name}{' --rehearsal' if rehearsal else ''}"
    for file in sorted(answers.glob("*.json")):
        answer = json.loads(file.read_text(encoding="utf-8"))
        values = inventory.variables(file.stem, "app_name", "app_domains", "web_tls")
        figures += of_host(file.stem, str(values["app_name"]), answer, accepted, upgrade)
        figures += Outside(checkers, file.stem, values, accepted).figures(answer)
    kept = {
        "environment": name, "rehearsal": rehearsal, "version": version(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "figures": [{**asdict(one), "verdict": one.verdict} for one in figures],
    }  # fmt: skip
    record = FOLDER / f"{name}-{kept['version']}"
    page = record.with_name(f"{record.name}.md")
    record.with_name(f"{record.name}.json").write_text(json.dumps(kept, ensure_ascii=False, indent=1), encoding="utf-8")
    page.write_text(markdown(figures), encoding="utf-8")
    return kept, figures, page
