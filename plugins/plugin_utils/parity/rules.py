"""Which keys of a manifest may differ between environments, and why: the one table. Pure.

What differs only by a word of the inventory (a domain, an address), or has on each side the value that its inventory
intends, needs no rule here: see `parity_compare`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate
from functools import cache

#: Packages that come with certbot, in all supported releases
CERTBOT = "acme,bcrypt,certbot,certifi,cffi-backend,chardet,charset-normalizer,configargparse,configobj,cryptography"
CERTBOT += ",distro,future,icu,idna,josepy,mock,openssl,parsedatetime,requests*,rfc3339,six,tz,urllib3,zope.*"
#: Packages that a machine has because of what it runs on
HARDWARE = (
    "linux-image-*,linux-headers-*,linux-modules-*,linux-base*,grub*,initramfs-tools*,busybox*,cloud-*,firmware-*"
)
HARDWARE += ",qemu-guest-agent,virtualbox-guest-*,open-vm-tools*,lxc*,klibc-utils,libklibc,shim-*,efibootmgr,mokutil"
HARDWARE += ",dracut*,amd64-microcode,intel-microcode,zstd,netplan*,console-setup*,kbd,keyboard-configuration"
#: What role postgresql works out from the machine's memory
SIZED = "shared_buffers,effective_cache_size,maintenance_work_mem,work_mem"

# The first line that fits a key counts; {a,b} stands for either. The second column is one of
#   never             nothing explains a difference in it
#   expected          any two machines may differ in it; on one machine it stays as it is, else it is drift
#   changes           any two machines may differ in it, and it changes by itself
#   <variables>       declared, where one of these really differs between the two
# Variables are those of the inventory, or what the machines are: see `parity_values.DERIVED`.
TABLE = f"""
{{nginx,gunicorn,redis}}/not read yet    | never                          | files that the server has not read yet
environment/(not taken up yet)         | never                          | what processes do not have yet
units/not read yet:*                   | never                          | what systemd has not read yet
postgresql/file:*                      | never                          | settings in files that are not in force
release/changed                        | never                          | files are not what was built

system/host name                       | expected                       | each machine has its own
system/machine id                      | expected                       | each machine has its own
system/virtualization                  | expected                       | what a machine runs on is its own
system/{{memory MiB,processors}}       | expected                       | machines have their own sizes
system/{{kernel,reboot required}}      | changes                        | a new kernel starts at its own time
system/architecture                    | architecture                   | a laptop may have another processor
system/swap                            | machine_swap_below machine_swap_size memory | where memory is small
kernel/size:*                          | changes                        | worked out from memory and processors
kernel/limit:*-{{web@,worker-}}*         | deployed topology              | there is a release to run
kernel/*                               | kernel virtualization          | another kernel has other defaults
accounts/{{user,group,sudo,key}}:*     | security_admins login          | who may log in, and as whom Ansible works
accounts/password:*                    | expected                       | a password's hash is salted

packages/python3-{{{CERTBOT}}}         | web_tls                        | certificates come from ACME
packages/*certbot*                     | web_tls                        | certificates come from ACME
packages/{{{HARDWARE}}}                | virtualization kernel          | a container has its host's kernel
packages/*                             | architecture                   | another processor has builds of its own
venv/*                                 | release app_live_path architecture | it belongs to the release
python/*                               | architecture                   | another processor has builds of its own

certificates/*:{{fingerprint,ends}}    | expected                       | each certificate has its own
certificates/*/internal-ca.crt:*       | expected                       | each environment has its own authority
certificates/trusted otherwise         | topology                       | the database server's packages bring one
certificates/trusted*                  | machine_trusted_ca_files       | authorities that are trusted
certificates/*                         | web_tls topology               | where the certificate comes from
files//etc/redis/redis.conf*           | topology machine_address       | other machines use Redis
files/*/{{server-….pem,internal-ca.crt}} | topology machine_address       | traffic between the environment's machines
files/*/ca-certificates*               | machine_trusted_ca_files       | authorities that are trusted

release/*                              | release app_live_path          | environments may serve different releases
migrations/*                           | release app_live_path          | they belong to the release
schema/*                               | release app_live_path          | it follows from the release's migrations
settings/EMAIL*                        | release app_live_path app_debug app_catch_mail | whether mail leaves it
settings/{{DATABASES,CACHES,*REDIS,*BROKER}}* | release app_live_path topology | where services are
settings/*                             | release app_live_path app_debug | they belong to the release
gunicorn/workers                       | web_processes processors       | one more than processors
gunicorn/*                             | app_live_path app_debug release | live code is read again

postgresql/setting:{{{SIZED}}}         | database_settings memory topology | sized from the machine
postgresql/setting:{{listen_addresses,ssl*}} | topology machine_address       | other machines use the database
postgresql/setting:*                   | database_settings              | settings of the environment's own
postgresql/{{rules,role:*}}            | topology machine_address       | other machines use the database
redis/{{bind,port,tls-*,users,requirepass}} | topology machine_address       | other machines use Redis
sockets/tcp *:{{5432,6379}}            | topology machine_address       | other machines use it
firewall/*                             | app_catch_mail topology machine_address | who comes in, what leaves

nginx/*{{add_header,proxy_hide_header}}* | web_hsts app_live_path         | how long browsers insist on HTTPS
nginx/*ssl_certificate*                | web_tls                        | where the certificate comes from
nginx/*server*80]*                      | web_tls                        | who answers an ACME authority
nginx/*server*/location*               | app_live_path app_static_domain | who serves static files
units/*-{{web@,worker-,timer-}}*         | deployed topology app_live_path | there is a release to run
timers/*-timer-*                       | deployed topology              | the same
sockets/unix /run/*/live.sock          | deployed topology              | the same
{{timers,units,files}}/*certbot*       | web_tls                        | renews what comes from ACME
files/*letsencrypt*                    | web_tls                        | where certificates come from
"""


@dataclass(frozen=True)
class Rule:
    """One line of the table."""

    keys: str
    why: str
    #: Variables of which one must differ; () where any two machines may differ in it, or where it is never explained
    variables: tuple[str, ...] = ()
    #: Whether it stays as it is on one machine: a change outside of our runs is drift
    stays: bool = True
    #: Nothing explains a difference in it
    never: bool = False

    @property
    def is_expected(self) -> bool:
        """Whether any two machines may differ in it."""
        return not self.variables and not self.never


def expanded(pattern: str) -> list[str]:
    """Return the patterns that one with {a,b} in it stands for."""
    before, brace, rest = pattern.partition("{")
    if not brace:
        return [pattern]
    inner, _, after = rest.partition("}")
    return [found for one in inner.split(",") for found in expanded(before + one + after)]


def parsed(table: str) -> list[Rule]:
    """Return the rules of a table."""
    rules = []
    for line in filter(str.strip, table.splitlines()):
        keys, kind, why = (cell.strip() for cell in line.split("|"))
        words = () if kind in ("never", "expected", "changes") else tuple(kind.split())
        rules += [Rule(one, why, words, kind != "changes", kind == "never") for one in expanded(keys)]
    return rules


RULES = tuple(parsed(TABLE))


@cache
def rules_of(section: str) -> tuple[tuple[re.Pattern[str], Rule], ...]:
    """Return the rules that can fit a section's keys, compiled."""
    fitting = [rule for rule in RULES if re.match(translate(rule.keys.split("/", 1)[0]), section)]
    return tuple((re.compile(translate(rule.keys)), rule) for rule in fitting)


@cache
def rule_for(section: str, key: str) -> Rule | None:
    """Return the first rule that fits a key, or None."""
    name = f"{section}/{key}"
    return next((rule for pattern, rule in rules_of(section) if pattern.match(name)), None)
