"""Section `nginx` in comparisons: the web server's configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cases import Case

ORDER, SHORT = 140, "ngx"
RULES = """
nginx/not read yet                     | never                           | files that the server has not read yet
nginx/*{add_header,proxy_hide_header}* | web_hsts app_live_path          | how long browsers insist on HTTPS
nginx/*server*mail.*                   | app_live_path                   | caught mail is read by who develops
nginx/*ssl_certificate*                | web_tls                         | where the certificate comes from
nginx/*server*9180]*                   | watch_exporters                 | who tells how many visitors there are
nginx/*server*80]*                     | web_tls                         | who answers an ACME authority
nginx/*server*/location*               | app_live_path app_static_domain | who serves static files
nginx/http/map*_policy*/*404*          | app_debug                       | Django's error pages for developers
"""
#: The decisions behind its files
FILES = {
    "/etc/nginx/conf.d/*": "app_domains app_static_domain web_tls web_hsts app_live_path app_debug watch_exporters",
    "/etc/nginx/samestack/*": "web_hsts app_static_domain",
    "/etc/nginx/tls/*": "app_domains app_static_domain web_tls",
    "/etc/samestack/acme/*": "web_tls",
    "/etc/systemd/system/samestack-certificates.service": "app_domains app_static_domain web_tls",
}


def remedy(case: Case) -> str:
    """What files of ours say comes back; nobody takes away a file of somebody else's."""
    if case.key == "not read yet":
        return case.by_hand("sudo systemctl reload nginx.service")
    if case.is_extra:
        return case.by_hand(
            "remove the file that brings it (sudo nginx -T shows which); sudo systemctl reload nginx.service"
        )
    return case.provision
