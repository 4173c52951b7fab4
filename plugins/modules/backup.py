#!/usr/bin/python
"""Backups of a host: begin with them, make one now, say how they stand."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup
short_description: What a host does about backups
description:
  - C(prepare) makes the repositories that are missing, and has a full backup begin, for which nobody waits, where there
    is none, or where what there is leads nowhere any more. With O(may_stop) it puts checksums on the database's pages
    where they have none.
  - C(run) makes a backup of O(kind) and returns when it is whole; where there is nothing to back up it does nothing.
  - C(status) changes nothing and returns how the backups stand, judged by what lies in the repositories.
  - C(arrived) waits until what another host has made is here.
  - C(mark) gives this moment a name in the database's WAL: what was before a release and its migrations.
  - C(drill) restores the newest backup beside, as an account that can do no more than that, and looks at it; on a host
    where no drill is made it does nothing.
  - C(empty) changes nothing and fails where a release serves, or the database has an application's tables.
  - C(receive), on a database host that was made anew, waits for what C(give) hands over on the host that keeps the
    backups; a host that serves a release refuses. With O(plan), what that says goes into a folder of its own.
  - C(plan) says where O(to) leads the database server; where its own repositories do not lead there, C(plan_kept) on
    the host that keeps the backups says what that has for it. C(plan_files) says where its time leads the
    application's files and its code; nothing is changed. C(restore) and C(restore_files) do it, and what was there
    stays beside it until the next good backup. C(restored) writes the ledger's line, if the release's switch has not,
    and has a backup begin.
options:
  verb:
    description: What to do.
    type: str
    choices:
      [prepare, run, status, arrived, mark, drill, empty, receive, give, plan, plan_kept, plan_files, restore,
       restore_files, restored]
    required: true
  kind: {description: Kind of the backup., type: str, choices: [full, diff, incr, uploads], default: incr}
  label: {description: The backup that shall arrive., type: str, default: ""}
  wait: {description: Seconds to wait for it., type: int, default: 3600}
  release: {description: The release that serves., type: str, default: ""}
  before: {description: The release that is about to go live., type: str, default: ""}
  migrations: {description: Those that it brings., type: list, elements: str, default: []}
  may_stop: {description: The database server may be down for a while., type: bool, default: false}
  fresh: {description: The host was made anew and has nothing., type: bool, default: false}
  to: {description: "A time, C(before:) and a release or a migration, or C(latest).", type: str, default: ""}
  plan: {description: "What C(plan), C(plan_kept) or C(plan_files) returned.", type: dict, default: {}}
  repository: {description: Which repository a drill tries; by turns where none is named., type: str, default: ""}
  read: {description: Read every byte of the repositories first., type: bool, default: false}
  run: {description: The current run; preflight's when left out., type: dict, default: {}}
author: Samestack
"""

EXAMPLES = r"""
- name: Make a backup
  samestack.core.backup:
    verb: run
    kind: full
"""

RETURN = r"""
moment: {description: What was backed up., type: dict, returned: where O(verb) is C(run) and this host has something}
status: {description: How the backups stand., type: dict, returned: where O(verb) is C(status)}
trouble: {description: Why a restore failed., type: str, returned: "where O(verb) is C(restore) or C(restore_files)"}
release: {description: The release that was live then., type: dict, returned: where O(verb) is C(restore_files)}
drill: {description: What came of a drill., type: dict, returned: where O(verb) is C(drill) and one is made here}
plan:
  description: Where a restore leads.
  type: dict
  returned: where O(verb) is C(plan), C(plan_kept) or C(plan_files)
say: {description: What happened, in words., type: list, elements: str, returned: success}
"""

import json
import os
import subprocess
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.backup import checksums, planning, restore, status, uploads
from ..module_utils.backup.settings import DRILL, FETCHING, FILE, KEPT, OPENED, SECRETS, WANTED, Settings, read
from ..module_utils.backup.source import Source
from ..module_utils.common.errors import HostError
from ..module_utils.common.files import usual_umask, write_atomic
from ..module_utils.common.folders import PRIVATE, make_folder
from ..module_utils.common.ledger import Run, read_ledger
from ..module_utils.common.postgresql import READER
from ..module_utils.release.place import Place

POLL_SECONDS = 1
#: Seconds for which the host that fetches has trouble until nobody waits for it any longer
STUCK_SECONDS = 60
PROGRAM, CERTIFICATE = "/usr/local/lib/samestack/backup", "/etc/samestack/backup.pem"
#: In the application's database: whether it is one in use
MIGRATED = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class WHERE relname = 'django_migrations' AND relkind = 'r')"
OFFER = "samestack-backup-offer.service"
TIMERS = tuple(f"samestack-backup-{kind}.timer" for kind in ("full", "diff", "incr"))


def systemctl(module: AnsibleModule, *words: str) -> None:
    """Have systemd do something; raises HostError where it does not."""
    status, out, err = module.run_command(["systemctl", *words])
    if status:
        raise HostError(f"`systemctl {' '.join(words)}` failed: {(err or out).strip()}")


def prepare(module: AnsibleModule, settings: Settings) -> dict[str, Any]:
    """Make what is missing, and begin with a first backup; returns the module's result. Raises HostError."""
    source, known = Source(settings), read(OPENED)
    made, anew, trouble = False, False, ""
    said = []
    try:
        made = source.prepare()
    except HostError as error:
        trouble = str(error)
    for one in settings.own_repositories:
        try:
            anew = source.begins_anew(one) or anew
            known[str(one["name"])] = one
        except HostError as error:
            if known.get(str(one["name"])) != one:
                # Whoever has declared it sees this; one that is away for a while is told by its timer.
                raise HostError(f"backup_repositories, type {one['name']}: {error}", error.hint) from None
            said.append(f"Repository {one['name']} is away: {error}")
    make_folder(KEPT, PRIVATE).close()
    write_atomic(OPENED, json.dumps(known), 0o600)
    if trouble and not said:
        raise HostError(trouble)
    if checksums.there(settings) is False:
        if module.params["may_stop"]:
            checksums.enable(settings)
            said.append("The database's pages have checksums now")
            # A backup that builds on one without goes without.
            made = anew = True
        else:
            said.append(checksums.missing(settings))
    if anew:
        systemctl(module, "start", "--no-block", "samestack-backup@full.service")
    return {"changed": made, "say": said}


def run(module: AnsibleModule, settings: Settings) -> dict[str, Any]:
    """Make a backup; returns the module's result. Raises HostError."""
    if not settings.does & {"database", "uploads"}:
        return {"changed": False}
    given = module.params
    ledger = Run(given["run"], settings.app)
    try:
        moment = Source(settings).run(given["kind"], str(given["run"].get("who", "")))
    except (HostError, OSError, subprocess.SubprocessError) as error:
        ledger.fail(str(error))
        raise error if isinstance(error, HostError) else HostError(str(error)) from error
    ledger.succeed(**{name: moment[name] for name in ("label", "release") if moment.get(name)})
    return {"changed": True, "moment": moment}


def arrived(module: AnsibleModule, settings: Settings) -> dict[str, Any]:
    """Wait for a backup; returns the module's result. Raises HostError."""
    label, deadline = module.params["label"], time.monotonic() + module.params["wait"]
    pgbackrest = Source(settings).pgbackrest
    while "keeps" in settings.does and label and label not in {one.label for one in pgbackrest.backups()}:
        state = read(FETCHING)
        stuck = state.get("trouble") and time.time() - state.get("since", 0) > STUCK_SECONDS
        if stuck or time.monotonic() > deadline:
            why = f": {state['trouble']}" if stuck else "."
            raise HostError(f"The backup {label} did not arrive here{why}", "`./samestack backups` says what is wrong.")
        time.sleep(POLL_SECONDS)
    return {"changed": False}


def show(module: AnsibleModule, settings: Settings) -> dict[str, Any]:
    """Return how the backups stand, as the module's result."""
    if module.params["read"]:
        status.verify(settings)
    return {"changed": False, "status": status.gather(settings)}


def mark(module: AnsibleModule, settings: Settings) -> dict[str, Any]:
    """Name this moment; returns the module's result. Raises HostError."""
    given = module.params
    Source(settings).mark(given["release"], given["before"], given["migrations"])
    return {"changed": False}


def plan(module: AnsibleModule, settings: Settings) -> dict[str, Any]:
    """Return where the database server would be led, as the module's result. Raises HostError."""
    given = module.params
    if given["fresh"]:
        refuse_what_serves(settings)
    return {"changed": False, "plan": restore.Restore(settings, given["to"], given["fresh"]).plan()}


def refuse_what_serves(settings: Settings) -> None:
    """Raise HostError where a release serves: only a host that was made anew is rebuilt."""
    if settings.root and (live := Place(settings.root, "").current):
        raise HostError(
            f"This host serves release {live}: it is not rebuilt.",
            "`./samestack restore` brings a moment back where something serves.",
        )


def plan_files(module: AnsibleModule, settings: Settings) -> dict[str, Any]:
    """Return which copy of the files is for that, and which code, as the module's result. Raises HostError."""
    given, files = module.params["plan"], uploads.Uploads(settings)
    release = str(given["release"])
    if module.params["fresh"] and not module.check_mode:
        release = files.remember()
    # Where nothing is there, the newest copy is the best, also where the database comes from a moment before it.
    moment = time.time() if module.params["fresh"] else float(given["time"])
    return {"changed": False, "plan": files.plan(moment, release)}


def restore_database(module: AnsibleModule, settings: Settings) -> dict[str, Any]:
    """Lead the database server there; returns the module's result. Raises HostError."""
    given, ledger = module.params["plan"], Run(module.params["run"], settings.app)
    ledger.require_lock()
    try:
        done = restore.Restore(settings, module.params["to"], module.params["fresh"]).run(given)
    except HostError as error:
        # Whoever closed the site opens it first, and then says why.
        ledger.fail(str(error), to_moment=given["words"])
        return {"changed": True, "trouble": f"The database is as it was before. {error} {error.hint}".strip()}
    ledger.note(**restored_words(given))
    said = f"The database is as it was {given['words']} ({done['seconds']} s)"
    if not module.params["fresh"]:
        said += f"; what was there is in {done['replaced']}"
    return {"changed": True, "say": [said]}


def drill(module: AnsibleModule, settings: Settings) -> dict[str, Any]:
    """Make a drill; returns the module's result. Raises HostError with what is wrong."""
    if not settings.drill:
        return {"changed": False}
    began, name = time.time(), str(module.params["repository"])
    there = [str(one["name"]) for one in settings.own_repositories if one.get("tries", True)]
    if name and name not in there:
        return {"changed": False}
    if name:
        make_folder(KEPT, PRIVATE).close()
        write_atomic(WANTED, json.dumps({"repository": name}), 0o600)
    module.run_command(["systemctl", "start", "samestack-backup-drill.service"])
    told = read(DRILL)
    if told.get("time", 0) < began:
        raise HostError("The drill did not come to an end.", "`journalctl -u samestack-backup-drill` says why.")
    if not told.get("ok"):
        raise HostError(
            f"The drill failed. {told.get('reason') or 'It said nothing.'}", "docs/drill.md says what fails one."
        )
    return {"changed": True, "drill": told}


def plan_kept(module: AnsibleModule, settings: Settings) -> dict[str, Any]:
    """Return what the host that keeps the backups has for a plan, as the module's result. Raises HostError."""
    return {"changed": False, "plan": planning.kept(settings, module.params["plan"])}


def in_unit(module: AnsibleModule, settings: Settings, verb: str) -> int:
    """Run a verb of the program as the repository's account; returns the number that it printed. Raises HostError."""
    account = settings.account
    loads = [f"secrets:{SECRETS}", *([f"certificate:{CERTIFICATE}"] if verb == "receive" else [])]
    command = ["systemd-run", "--wait", "--pipe", "--quiet", "--collect", f"--uid={account}", f"--gid={account}"]
    command += [f"--property=LoadCredential={one}" for one in loads]
    share = module.params["plan"].get("share")
    words = ["--share", json.dumps(share)] if share else []
    status, out, err = module.run_command([*command, "--", PROGRAM, verb, *words])
    if status:
        raise HostError((err or out).strip() or f"`{PROGRAM} {verb}` failed.")
    return int(out)


def receive(module: AnsibleModule, settings: Settings) -> dict[str, Any]:
    """Take what the host that keeps the backups gives; returns the module's result. Raises HostError."""
    if module.params["plan"]:
        Run(module.params["run"], settings.app).require_lock()
    else:
        refuse_what_is_used(settings)
    systemctl(module, "stop", OFFER)
    try:
        count = in_unit(module, settings, "receive")
    finally:
        systemctl(module, "start", OFFER)
    return {"changed": True, "say": [f"{count} files of the repository came"]}


def refuse_what_is_used(settings: Settings) -> None:
    """Raise HostError where a release serves, or the database has an application's tables: they would be gone."""
    refuse_what_serves(settings)
    if "database" not in settings.does:
        return
    # A rebuild that was cut off has left its own state, and goes on.
    name = str(settings.database["name"])
    if not read(restore.STATE) and Source(settings).server.sql(MIGRATED, name, READER) == "t":
        raise HostError(
            f"The database {name} here has an application's tables: this host is not rebuilt, they would be gone.",
            "Where another machine is lost, `./samestack provision` and `./samestack deploy` bring that one back.",
        )


def empty(_: AnsibleModule, settings: Settings) -> dict[str, Any]:
    """Refuse a host that is in use; returns the module's result. Raises HostError."""
    refuse_what_is_used(settings)
    return {"changed": False}


def give(module: AnsibleModule, settings: Settings) -> dict[str, Any]:
    """Hand the repository over; returns the module's result. Raises HostError."""
    return {"changed": False, "say": [f"{in_unit(module, settings, 'give')} files of the repository were handed over"]}


def restore_files(module: AnsibleModule, settings: Settings) -> dict[str, Any]:
    """Lead the application's files there; returns the module's result. Raises HostError."""
    ledger, given = Run(module.params["run"], settings.app), module.params["plan"]
    ledger.require_lock()
    files = uploads.Uploads(settings)
    try:
        said = files.run(given)
    except HostError as error:
        ledger.fail(str(error))
        hint = "Run the same again: the database has gone back already."
        return {"changed": True, "trouble": f"The uploads did not go back: {error} {error.hint} {hint}"}
    return {"changed": True, "say": said, "release": files.release(str(given["release"]))}


def restored(module: AnsibleModule, settings: Settings) -> dict[str, Any]:
    """Write the ledger's line, and begin with a backup of what is there now; returns the module's result."""
    ledger = Run(module.params["run"], settings.app)
    if not any(line.get("run") == ledger.id for line in read_ledger()):
        ledger.succeed(**restored_words(module.params["plan"]), release=Source(settings).release)
    # Of a host that was made anew, nothing was backed up before it had got back what it has.
    systemctl(module, "enable", "--now", *TIMERS)
    systemctl(module, "start", "--no-block", "samestack-backup@incr.service")
    return {"changed": False}


def restored_words(given: dict[str, Any]) -> dict[str, Any]:
    """Return what the ledger says of a restore."""
    return {"to_moment": given["words"], "backup": given["backup"], "lost_seconds": round(float(given["lost"]))}


VERBS = {
    "prepare": prepare, "run": run, "arrived": arrived, "status": show, "mark": mark, "plan": plan,
    "plan_kept": plan_kept, "drill": drill, "empty": empty, "receive": receive, "give": give, "plan_files": plan_files,
    "restore": restore_database, "restore_files": restore_files, "restored": restored,
}  # fmt: skip
#: Verbs that change nothing, so that check mode can have them
LOOKING = ("status", "arrived", "empty", "plan", "plan_kept", "plan_files")


def main() -> None:
    """Run the module."""
    usual_umask()
    module = AnsibleModule(
        argument_spec={
            "verb": {"type": "str", "choices": [*VERBS], "required": True},
            "kind": {"type": "str", "choices": ["full", "diff", "incr", "uploads"], "default": "incr"},
            "label": {"type": "str", "default": ""},
            "wait": {"type": "int", "default": 3600},
            "release": {"type": "str", "default": ""},
            "before": {"type": "str", "default": ""},
            "migrations": {"type": "list", "elements": "str", "default": []},
            "may_stop": {"type": "bool", "default": False},
            "fresh": {"type": "bool", "default": False},
            "to": {"type": "str", "default": ""},
            "plan": {"type": "dict", "default": {}},
            "repository": {"type": "str", "default": ""},
            "read": {"type": "bool", "default": False},
            "run": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    verb = module.params["verb"]
    if module.check_mode and verb == "mark":
        module.exit_json(changed=False)
    if module.check_mode and verb not in LOOKING:
        module.exit_json(changed=True, say=[f"Check mode: {verb} is not done"])
    if verb == "empty" and not os.path.exists(FILE):
        # A machine that was made anew
        module.exit_json(changed=False)
    try:
        result = VERBS[verb](module, Settings.read())
    except HostError as error:
        module.fail_json(msg=str(error), hint=error.hint)
    module.exit_json(**{"say": [], **result})


if __name__ == "__main__":
    main()
