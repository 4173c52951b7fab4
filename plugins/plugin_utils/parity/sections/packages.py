"""Section `packages` in comparisons: the distribution's packages."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cases import Case

VERSION = re.compile(r"^(?P<version>\S+)")
#: Packages that come with certbot, in all supported releases
CERTBOT = "acme,bcrypt,certbot,configargparse,configobj,distro,dnspython,future,icu,josepy,mock,openssl,parsedatetime"
CERTBOT += ",pytz,requests-toolbelt,rfc3339,tz,zope.*"
#: Packages that come with apprise, which sends notices where there are any to send; some of them with certbot, too
APPRISE = "blinker,certifi,cffi-backend,chardet,charset-normalizer,click,colorama,cryptography,idna,jwt,markdown"
APPRISE += ",*-metadata,more-itertools,oauthlib,pkg-resources,requests,requests-oauthlib,six"
APPRISE += ",typing-extensions,urllib3,yaml,zipp"
#: Packages that a machine has because of what it runs on
HARDWARE = (
    "linux-image-*,linux-headers-*,linux-modules-*,linux-base*,grub*,initramfs-tools*,busybox*,cloud-*,firmware-*"
)
HARDWARE += ",qemu-guest-agent,virtualbox-guest-*,open-vm-tools*,lxc*,klibc-utils,libklibc,shim-*,efibootmgr,mokutil"
HARDWARE += ",dracut*,amd64-microcode,intel-microcode,zstd,netplan*,console-setup*,kbd,keyboard-configuration"
ORDER, SHORT = 20, "pkg"
RULES = f"""
packages/python3-{{{CERTBOT}}} | web_tls               | certificates come from ACME
packages/*certbot*             | web_tls               | certificates come from ACME
packages/apprise               | expected              | notices_urls, which no page shows
packages/python3-{{{APPRISE}}} | expected              | comes with what sends notices, or asks for certificates
packages/{{{HARDWARE}}}        | virtualization kernel | a container has its host's kernel
packages/*                     | architecture          | another processor has builds of its own
"""


def remedy(case: Case) -> str:
    """A package is installed, removed, or brought to the others' version."""
    name = shlex.quote(case.key)
    if case.is_extra:
        return case.by_hand(f"sudo apt-get remove {name}")
    version = VERSION.match(case.wanted_text)
    back = "" if case.is_lacking else "--allow-downgrades "
    return case.by_hand(f"sudo apt-get install {back}{name}={version['version'] if version else ''}")
