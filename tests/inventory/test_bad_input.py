"""Every kind of bad input in the inventory gets one error that names variable, value, file and fix."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import pytest

from plugins.plugin_utils import project_root

if TYPE_CHECKING:
    from tests.inventory.project_copy import Project

#: A public key, as far as anybody can tell by looking
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ5dGVzIGJ5dGVzIGJ5dGVzIGJ5dGVzIGJ5dGVz ada"
APP, MORE = "group_vars/all/app.yml", "group_vars/all/more.yml"
NOTICES = "group_vars/all/notices.yml"
DEV = "group_vars/dev/differences.yml"


class Broken(NamedTuple):
    """One thing broken: the text that replaces another in a file, and what the error must say."""

    file: str
    old: str
    new: str
    says: tuple[str, ...]


# A development inventory with exactly one mistake; `old` empty: the text is added at the end.
CASES = {
    "required variable missing": Broken(
        APP,
        "app_name: noticeboard\n",
        "",
        ("app_name (in inventories/group_vars/all/app.yml)", "required", "app_name: "),
    ),
    "required variable empty": Broken(
        DEV,
        'app_domains:\n  - "{{ app_name }}.test"',
        "app_domains: []",
        (
            "app_domains (in inventories/group_vars/dev/differences.yml:",
            "required",
            "app_domains: [www.noticeboard.net]",
        ),
    ),
    "required key missing": Broken(
        DEV,
        "provider: local_ca",
        "email: you@noticeboard.net",
        ("web_tls.provider (in inventories/group_vars/dev/differences.yml:", "required", "provider: acme"),
    ),
    "path of the source missing": Broken(
        APP, "  path: examples/noticeboard", '  path: ""', ("app_source.path", "required where type is path", "Write")
    ),
    "url of the source missing": Broken(
        APP, "  type: path", "  type: git", ("app_source.url", "required where type is git", "git@github.com")
    ),
    "source that is not there": Broken(
        APP,
        "  path: examples/noticeboard",
        "  path: examples/notice",
        ("app_source.path = examples/notice (in inventories/group_vars/all/app.yml:", "no such folder"),
    ),
    "unknown variable": Broken(
        APP, "# app_wsgi:", "app_wsg1:", ("app_wsg1", "(in inventories/group_vars/all/app.yml:", "no such", "app_wsgi")
    ),
    "unknown variable of a role": Broken(
        MORE, "", "nginx_upload_limitt: 3", ("nginx_upload_limitt = 3", "more.yml:", "Write nginx_upload_limit,")
    ),
    "misspelt prefix": Broken(MORE, "", "wev_processes: 3", ("wev_processes = 3", "no such", "Write web_processes")),
    "unknown key": Broken(
        APP,
        "  type: path\n",
        "  type: path\n  pth: x\n",
        ("app_source.pth = x", "app.yml:", "no such key", "Write path"),
    ),
    "unknown key of a worker": Broken(
        APP,
        "  queue:\n    command:",
        "  queue:\n    comand:",
        ("app_workers.queue.comand", "app_workers.queue has no such key", "Write command"),
    ),
    "name of a worker": Broken(
        APP, "  queue:\n", "  Queue One:\n", ("app_workers.Queue One", "systemd unit", "Use lowercase letters")
    ),
    "undeclared difference": Broken(
        DEV,
        "",
        "web_upload_limit: 1g",
        ("web_upload_limit = 1g", "dev/differences.yml:", "same in every", "all/app.yml", "all/differences.yml"),
    ),
    "user that is an option of ssh": Broken(
        "dev.yml",
        "    ansible_user: vagrant",
        "    ansible_user: -oProxyCommand=x",
        ("ansible_user = -oProxyCommand=x (in inventories/dev.yml:", "no login name", "Write the name of a user"),
    ),
    "address that is an option of ssh": Broken(
        "dev.yml",
        "    ansible_user: vagrant",
        "    ansible_user: vagrant\n    ansible_host: '-oProxyCommand=x'",
        ("ansible_host = -oProxyCommand=x (in inventories/dev.yml:", "no address", "Write an address"),
    ),
    "address of several lines": Broken(
        "dev.yml",
        "    ansible_user: vagrant",
        '    ansible_user: vagrant\n    ansible_host: "a\\nProxyCommand x"',
        ("ansible_host = a ProxyCommand x (in inventories/dev.yml:", "no address"),
    ),
    "host that leads elsewhere": Broken(
        "dev.yml",
        "dev1:",
        "../../dev1:",
        ("../../dev1 (in inventories/dev.yml)", "no name of a host", "such as web1"),
    ),
    "undeclared difference in an inventory": Broken(
        "dev.yml",
        "    ansible_user: vagrant",
        "    ansible_user: vagrant\n    app_server: granian",
        ("app_server = granian (in inventories/dev.yml:", "same in every environment", "all/app.yml"),
    ),
    "difference of a group in an inventory": Broken(
        "dev.yml",
        "    ansible_user: vagrant",
        "    ansible_user: vagrant\n    web_processes: 3",
        (
            "web_processes = 3 (in inventories/dev.yml:",
            "win over",
            "Move it to inventories/group_vars/dev/differences.yml",
        ),
    ),
    "undeclared difference of a host": Broken(
        "host_vars/dev1.yml", "", "app_redis: false", ("app_redis = false (in inventories/host_vars/dev1.yml:2)",)
    ),
    "undeclared difference of a function group": Broken(
        "group_vars/web.yml", "", "app_redis: false", ("app_redis = false (in inventories/group_vars/web.yml:2)",)
    ),
    "role variable in an environment": Broken(
        DEV,
        "",
        "nginx_hsts: 3",
        ("nginx_hsts = 3", "dev/differences.yml:", "same in every environment", "roles/nginx/meta/service.yml"),
    ),
    "own variable in an environment": Broken(
        DEV, "", "my_host: 3", ("my_host = 3", "same in every environment", "declare it")
    ),
    "undeclared difference in another environment": Broken(
        "group_vars/production/differences.yml",
        "",
        "release_keep: 9",
        ("release_keep = 9", "production/differences.yml:"),
    ),
    "unknown declared difference": Broken(
        "group_vars/all/differences.yml",
        "  - machine_swap_size",
        "  - machine_swap_siz",
        ("allowed_differences = machine_swap_siz", "all/differences.yml", "Write machine_swap_size"),
    ),
    "set twice": Broken(
        MORE, "", "app_health_path: /", ("app_health_path = /", "more.yml:", "app.yml:", "sets it too")
    ),
    "role variable for all environments": Broken(
        APP,
        "",
        "nginx_hsts: 3\nredis_url: x",
        ("nginx_hsts = 3", "app.yml:", "roles/nginx/meta/service.yml:", "and 1 more", "out"),
    ),
    "set twice in one file": Broken(APP, "", "app_name: x", ("app.yml:", "`app_name` a second time, after line")),
    "domain": Broken(
        DEV, '"{{ app_name }}.test"', "https://x.test/", ("app_domains[0] = https://x.test/", "is a URL", "Write")
    ),
    "domain with a port": Broken(
        DEV, '"{{ app_name }}.test"', "x.test:8443", ("app_domains[0] = x.test:8443", "a port")
    ),
    "domain made of a wrong name": Broken(
        DEV, '"{{ app_name }}.test"', '"{{ app_name }}_a.test"', ("noticeboard_a.test",)
    ),
    "one domain without a list": Broken(
        DEV, 'app_domains:\n  - "{{ app_name }}.test"', "app_domains: x.test", ("app_domains = x.test", "[x.test]")
    ),
    "size": Broken(
        APP, "# web_upload_limit: 25m", "web_upload_limit: 25 megs", ("web_upload_limit = 25 megs", "not a size", "25m")
    ),
    "duration": Broken(
        APP,
        "# web_request_timeout: 30s",
        "web_request_timeout: 1y",
        ("web_request_timeout = 1y", "not a duration", "30s"),
    ),
    "port": Broken(
        APP,
        "# database_port: 5432",
        "database_port: 543200",
        ("database_port = 543200", "not a port", "1 to 65535"),
    ),
    "port in a list": Broken(
        APP,
        "# security_open_ports: []",
        "security_open_ports:\n  - port: 0",
        ("security_open_ports[0].port = 0 (in inventories/group_vars/all/app.yml:", "not a port"),
    ),
    "calendar": Broken(
        APP, "schedule: hourly", "schedule: every hour", ("app_timers.tidy.schedule = every hour", "OnCalendar")
    ),
    "app name": Broken(
        APP, "app_name: noticeboard", "app_name: Notice_Board", ("app_name = Notice_Board", "lowercase letters")
    ),
    "long app name": Broken(APP, "app_name: noticeboard", f"app_name: {'a' * 25}", ("25 characters, 24 are possible",)),
    "app of the system's name": Broken(
        APP,
        "app_name: noticeboard",
        "app_name: www-data",
        ("app_name = www-data (in inventories/group_vars/all/app.yml:", "operating system's own", "Write"),
    ),
    "role of the server's name": Broken(
        APP,
        '# database_user: "{{ database_name }}"',
        "database_user: postgres",
        ("database_user = postgres (in inventories/group_vars/all/app.yml:", "PostgreSQL's own", "Use"),
    ),
    "person with the application's account": Broken(
        APP,
        "# security_people: {}",
        f"security_people:\n  noticeboard-build: {{keys: [{KEY}]}}",
        (
            "security_people.noticeboard-build (in inventories/group_vars/all/app.yml:",
            "application's account",
        ),
    ),
    "person without a key": Broken(
        APP,
        "# security_people: {}",
        "security_people:\n  ada: {keys: []}",
        ("security_people.ada.keys (in inventories/group_vars/all/app.yml:", "required", "ssh-ed25519 AAAA"),
    ),
    "key of a person that is none": Broken(
        APP,
        "# security_people: {}",
        "security_people:\n  ada: {keys: [ssh-ed25519 AAAA ada]}",
        ("security_people.ada.keys[0] = ssh-ed25519 AAAA ada (in inventories/", "not a whole public key", ".pub"),
    ),
    "key of a person in a file that is not there": Broken(
        APP,
        "# security_people: {}",
        "security_people:\n  ada: {keys: [keys/ada.pub]}",
        ("security_people.ada.keys[0] = keys/ada.pub (in inventories/", "names no file", "in this project"),
    ),
    "person with a name that is none": Broken(
        APP,
        "# security_people: {}",
        f"security_people:\n  Ada L: {{keys: [{KEY}]}}",
        ("security_people.Ada L = Ada L (in inventories/", "not a login name", "such as ada"),
    ),
    "people under the name of an earlier version": Broken(
        APP,
        "# security_people: {}",
        "security_admins: [{name: ada, keys: [x]}]",
        (
            "security_admins = ",
            "no such variable",
            "now: write security_people: {ada: {keys: […]}}",
        ),
    ),
    "command of two lines": Broken(
        APP,
        "command: python manage.py tidy",
        'command: "true\\nUser=root"',
        ("app_timers.tidy.command = true\\nUser=root (in inventories/group_vars/all/app.yml:", "a line break", ">-"),
    ),
    "settings module": Broken(
        APP,
        '# app_settings_module: ""',
        "app_settings_module: board/settings.py",
        ("app_settings_module = board/settings.py", "not a Python module", "without .py"),
    ),
    "environment variable": Broken(
        APP, "# app_env: {}", "app_env:\n  MAIL-HOST: x", ("app_env.MAIL-HOST", "EMAIL_HOST")
    ),
    "choice": Broken(
        DEV, "provider: local_ca", "provider: localca", ("web_tls.provider = localca", "not one of", "Write local_ca")
    ),
    "boolean as text": Broken(
        APP, "app_redis: true", 'app_redis: "yes"', ("app_redis = yes", "true or false", "without quotes")
    ),
    "number as text": Broken(
        APP, "# web_processes: 0", 'web_processes: "three"', ("web_processes = three", "whole number")
    ),
    "no value": Broken(APP, "app_redis: true", "app_redis:", ("app_redis (in", "missing")),
    "broken template": Broken(
        APP, '# app_directory: ""', 'app_directory: "{{ nowhere }}"', ("app_directory = {{ nowhere }}", "undefined")
    ),
    "secret that nobody wrote down": Broken(
        APP,
        "# app_secret_files: {}",
        'app_secret_files:\n  MAIL_KEY: "{{ vault_mail_key }}"',
        ("vault_mail_key (in .samestack/secrets/dev.yml)", "no value", "app.yml:", "Write a line"),
    ),
    "notice that leads nowhere": Broken(
        NOTICES,
        "",
        'notices_urls: ["json://chat.noticeboard.net/x", "pigeon://home/hunter2"]',
        ("notices_urls[1] = (hidden) (in inventories/group_vars/all/notices.yml:", "no URL that Apprise", "mailtos://"),
    ),
    "ping that leads nowhere": Broken(
        NOTICES,
        "",
        "watch_ping_url: hc-ping.net/hunter2",
        ("watch_ping_url = (hidden) (in inventories/group_vars/all/notices.yml:", "not a URL", "https://hc-ping.com/"),
    ),
    "notice that is no list": Broken(
        NOTICES, "", "notices_urls: json://hunter2", ("notices_urls = (hidden)", "is not a list")
    ),
}
#: As the version before delivered it
NOTICES_BEFORE = """---
notices_email_to: []
notices_email_from: ""
notices_smtp:
  host: localhost
notices_webhook_url: ""
notices_webhook_body:
  text: "{text}"
"""


@pytest.mark.parametrize("name", CASES)
def test_one_mistake_is_one_clear_error(project: Project, name: str) -> None:
    broken = CASES[name]
    if broken.old:
        project.replace(broken.file, broken.old, broken.new)
    else:
        project.add(broken.file, broken.new)
    problems = project.check("dev")
    assert len(problems) == 1, "\n".join(problems)
    for words in broken.says:
        assert words in problems[0]
    assert problems[0].endswith(".")


def test_decisions_of_an_earlier_version_that_told_nobody(project: Project) -> None:
    project.file(NOTICES).write_text(NOTICES_BEFORE + "notices_urls: []\n", encoding="utf-8")
    project.replace("group_vars/all/differences.yml", "  - notices_urls", "  - notices_urls\n  - notices_email_to")
    assert project.check("dev") == []


@pytest.mark.parametrize(
    ("smtp", "url"),
    [
        ("", "mailto://localhost/?from=a@noticeboard.net&to=a@noticeboard.net,b@noticeboard.net"),
        (
            "notices_smtp: {host: mail.net, user: d@mail.net, password: '{{ vault_mail }}', tls: starttls}",
            "mailtos://d%40mail.net:{{ vault_mail | urlencode | replace('/', '%2F') }}@mail.net/"
            "?from=a@noticeboard.net&to=a@noticeboard.net,b@noticeboard.net",
        ),
        (
            "notices_smtp: {host: mail.net, port: 2465, user: d, password: hunter2, tls: tls}",
            "mailtos://d:PASSWORD@mail.net:2465/"
            "?mode=ssl&from=a@noticeboard.net&to=a@noticeboard.net,b@noticeboard.net",
        ),
    ],
)
def test_e_mail_of_an_earlier_version(project: Project, smtp: str, url: str) -> None:
    project.add(DEV, f"notices_email_to: [a@noticeboard.net, b@noticeboard.net]\n{smtp}")
    # The secret itself may be missing, too.
    (problem,) = (one for one in project.check("dev") if one.startswith("notices_"))
    assert problem.startswith("notices_email_to = (hidden) (in inventories/group_vars/dev/differences.yml:")
    assert f'Write notices_urls: ["{url}"] instead' in problem
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("'{{ vault_chat }}'", "{{ vault_chat }}"),
        ("https://chat.noticeboard.net/hunter2", "jsons://HOST/PATH?:message=text"),
    ],
)
def test_a_chat_of_an_earlier_version(project: Project, address: str, url: str) -> None:
    project.add(NOTICES, f"notices_webhook_url: {address}\nnotices_webhook_body: {{text: '{{text}}'}}")
    # The secret itself may be missing, too.
    (problem,) = (one for one in project.check("dev") if one.startswith("notices_"))
    assert f'Write notices_urls: ["{url}"] instead' in problem
    assert "hunter2" not in problem


def test_all_mistakes_are_reported_at_once(project: Project) -> None:
    project.replace(APP, "app_redis: true", "app_redis: maybe")
    project.replace(APP, "# web_processes: 0", "web_processes: 1.5")
    project.add(DEV, "release_keep: 1")
    assert len(project.check("dev")) == 3


def test_no_secret_is_shown(project: Project) -> None:
    project.replace(
        APP,
        "# release_package_indexes: {}",
        "release_package_indexes:\n  company: {url: 'https://x.net', password: [hunter2]}",
    )
    (problem,) = project.check("dev")
    assert "release_package_indexes.company.password = (hidden)" in problem
    assert "hunter2" not in problem


def test_the_debugger_is_for_live_code(project: Project) -> None:
    project.replace(DEV, "app_debug: true", "app_debug: true\napp_debugger: true")
    assert project.check("dev") == []
    project.replace(DEV, "app_live_path: /srv/live", 'app_live_path: ""')
    (problem,) = project.check("dev")
    assert problem.startswith("app_debugger = true (in inventories/group_vars/dev/differences.yml:")
    assert "live code (app_live_path)" in problem


def test_a_project_inside_of_live_code_has_a_name_that_units_can_say(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project_root, "project_root", lambda: project.root / "examples/noticeboard/our:site")
    project.replace(APP, "  path: examples/noticeboard", f"  path: {project.root}/examples/noticeboard")
    (problem,) = project.check("dev")
    assert problem.startswith(f"app_source.path = {project.root}"[:60])
    assert "our:site/.samestack" in problem


def test_an_unknown_name_on_the_command_line(project: Project) -> None:
    (problem,) = project.check("dev", extra={"app_debugg": True})
    assert problem.startswith("app_debugg = true (in the command line, -e")
    assert "Write app_debug," in problem


def test_a_value_on_the_command_line_is_checked(project: Project) -> None:
    (problem,) = project.check("dev", extra={"web_processes": "many"})
    assert problem.startswith("web_processes = many (in the command line, -e)")


def test_no_decision_about_real_servers_on_a_command_line(project: Project) -> None:
    project.make_real()
    problems = project.check("staging", extra={"web_upload_limit": "1g"})
    assert "web_upload_limit = 1g (in the command line, -e): a decision about real servers" in problems[0]
    assert "Set it in inventories/group_vars/all/app.yml" in problems[0]
    assert project.check("rehearsal", limit="staging", extra={"web_upload_limit": "1g"}) == []


def test_two_environments_at_once(project: Project) -> None:
    (problem,) = project.check("rehearsal")
    assert "production and staging at once" in problem
    assert "--limit staging" in problem
    assert project.check("rehearsal", several=True) == []


def test_an_inventory_without_hosts(project: Project) -> None:
    project.file("staging.yml").write_text("staging: {hosts: {}}\n", encoding="utf-8")
    problems = project.check("staging")
    assert problems == [
        "hosts (in staging.yml): the inventory has no hosts. Write your servers under `hosts:` there, or name the right"
        " inventory: -i inventories/dev.yml."
    ]


def test_a_host_of_no_environment(project: Project) -> None:
    project.file("dev.yml").write_text("web: {hosts: {lost1: }}\n", encoding="utf-8")
    (problem,) = project.check("dev")
    assert problem.startswith("lost1 (in dev.yml): the host is in no environment. Put it into exactly one")


def test_a_host_of_two_environments(project: Project) -> None:
    project.replace("dev.yml", "web:\n", "staging: {hosts: {dev1: }}\nweb:\n")
    assert "dev1 (in dev.yml): the host is in dev and staging" in project.check("dev")[0]


def test_rehearsal_beside_real_servers(project: Project) -> None:
    project.make_real()
    problems = project.check("rehearsal", "production", limit="production")
    assert any("rehearsal and real servers are in one run" in problem for problem in problems)
    assert any(problem.startswith("ansible_host = www.noticeboard.net (in inventories/prod") for problem in problems)


@pytest.mark.parametrize(
    ("new", "says"),
    [
        (
            "ansible_user: vagrant\n    ansible_host: 203.0.113.7",
            "ansible_host = 203.0.113.7 (in inventories/rehearsal.yml:",
        ),
        (
            "ansible_user: vagrant\n    ansible_connection: local",
            "ansible_connection = local (in inventories/rehearsal",
        ),
    ],
)
def test_a_rehearsal_goes_to_local_machines_only(project: Project, new: str, says: str) -> None:
    project.replace("rehearsal.yml", "ansible_user: vagrant", new)
    (problem,) = project.check("rehearsal", limit="staging")
    assert problem.startswith(says)


def test_a_local_machine_is_looked_for_where_it_is(project: Project) -> None:
    record = project.root / ".samestack" / "provider.json"
    record.parent.mkdir()
    addresses = {"staging1": "10.0.3.22", "production1": "10.0.3.32", "backup1": "10.0.3.42"}
    record.write_text(json.dumps({"network": "10.0.3", "addresses": addresses}))
    assert project.check("rehearsal", limit="staging") == []
    # As inventories of an earlier version have it
    file = project.file("group_vars/rehearsal/differences.yml")
    file.write_text(file.read_text().split("machine_address")[0] + "machine_address: 10.0.3.20\n")
    (problem,) = project.check("rehearsal", limit="staging")
    assert "machine_address = 10.0.3.20 (in inventories/group_vars/rehearsal/differences.yml:" in problem
    assert "staging1 has the address 10.0.3.22" in problem
    # … and a record of one
    record.write_text(json.dumps({"network": "10.0.3"}))
    assert project.check("rehearsal", limit="staging") == []


@pytest.mark.parametrize("arguments", ["-F /etc/ssh/ssh_config", "-o User=x", '""'])
def test_a_rehearsal_uses_vagrants_connections(project: Project, arguments: str) -> None:
    project.replace("rehearsal.yml", "-F '{{ inventory_dir }}/../.samestack/ssh_config'", arguments)
    (problem,) = project.check("rehearsal", limit="staging")
    assert problem.startswith("ansible_ssh_common_args = ")
    assert "which leads to local machines only" in problem


def test_a_file_that_is_no_yaml_is_named(project: Project) -> None:
    project.add("group_vars/production/more.yml", "app_domains: [a\nb: c")
    problems = project.check("dev")
    assert problems[0].startswith("file (in inventories/group_vars/production/more.yml:2): it is no YAML")


def test_no_variables_beside_the_playbooks(project: Project) -> None:
    (project.root / "playbooks" / "group_vars").mkdir(parents=True)
    (problem,) = project.check("dev")
    assert problem.startswith("folder (in playbooks/group_vars): variables beside the playbooks")
    assert problem.endswith("Move them to inventories/group_vars/.")


def test_an_inventory_elsewhere(project: Project) -> None:
    project.file("group_vars/all/differences.yml").unlink()
    assert "there are no decisions beside it" in project.check("dev")[0]


def test_machines_that_talk_to_each_other_have_numbers(project: Project) -> None:
    project.replace("dev.yml", "db:\n  hosts:\n    dev1:\n", "db:\n  hosts:\n    dev2:\n")
    project.replace("dev.yml", "dev:\n  hosts:\n    dev1:\n", "dev:\n  hosts:\n    dev1:\n    dev2:\n")
    problems = project.check("dev")
    assert [problem.split(" (")[0] for problem in problems] == ["machine_address = dev1", "machine_address = dev2"]
    assert "machine_address: 10.0.0.5" in problems[0]


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("https://hc.noticeboard.net/hunter2", True),
        ("https://hc.noticeboard.net/{{ inventory_hostname }}", False),
        ("https://hc.noticeboard.net/{{ app_name }}/{{ inventory_hostname }}?create=1", False),
    ],
)
def test_each_machine_has_its_own_ping(project: Project, url: str, wrong: bool) -> None:
    project.replace("dev.yml", "dev:\n  hosts:\n    dev1:\n", "dev:\n  hosts:\n    dev1:\n    dev2:\n")
    project.add(NOTICES, f'watch_ping_url: "{url}"')
    alone = "production:\n  hosts:\n    production1:\n      ansible_host: www.example.com\n"
    project.file("production.yml").write_text(f"---\n{alone}")
    project.file("staging.yml").unlink()
    problems = [text for text in project.check("dev") if text.startswith("watch_ping_url")]
    assert len(problems) == wrong
    assert all("dev1 and dev2 would ping it" in text for text in problems)
    assert "hunter2" not in "".join(problems)
    assert all("{{ inventory_hostname }}" in text for text in problems)


@pytest.mark.parametrize(
    ("file", "url", "wrong"),
    [
        # Whichever environment is in hand
        (NOTICES, "https://hc.noticeboard.net/hunter2", "production1 and staging1 would ping it"),
        ("host_vars/production1.yml", "https://hc.noticeboard.net/hunter2", ""),
        ("group_vars/production/differences.yml", "https://hc.noticeboard.net/hunter2", ""),
        ("group_vars/web/all.yml", "https://hc.noticeboard.net/hunter2", "production1 and staging1 would ping it"),
        # Each environment has a vault of its own.
        (NOTICES, "https://hc.noticeboard.net/{{ vault_ping_key }}", ""),
    ],
)
def test_environments_have_their_own_pings(project: Project, file: str, url: str, wrong: str) -> None:
    backup = "    # A machine that keeps production's backups"
    text = project.file("production.yml").read_text()
    project.file("production.yml").write_text(text[: text.index(backup)] + text[text.index("  vars:") :])
    project.replace("production.yml", "backup:\n  hosts:\n    backup1:\n", "")
    project.add(file, f'watch_ping_url: "{url}"')
    problems = [text for text in project.check("staging") if text.startswith("watch_ping_url") and "would ping" in text]
    assert [wrong in text for text in problems] == [True] * bool(wrong)
    assert "hunter2" not in "".join(problems)


@pytest.mark.parametrize("function", ["web", "db", "cache"])
def test_a_function_that_no_machine_has_is_named(project: Project, function: str) -> None:
    project.replace("dev.yml", f"{function}:\n  hosts:\n    dev1:\n", "")
    (problem,) = project.check("dev")
    assert problem.startswith(f"group {function} = empty (in inventories/dev.yml): no machine of dev ")


def test_one_machine_has_the_database(project: Project) -> None:
    project.replace("dev.yml", "db:\n  hosts:\n    dev1:\n", "db:\n  hosts:\n    dev1:\n    dev2:\n")
    project.replace("dev.yml", "dev:\n  hosts:\n    dev1:\n", "dev:\n  hosts:\n    dev1:\n    dev2:\n")
    assert any(problem.startswith("group db = dev1, dev2 (") for problem in project.check("dev"))
