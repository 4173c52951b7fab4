"""Parameters that the modules of the action group `samestack.core.release` have in common.

The doc fragment `samestack.core.release` describes them. Each module of the group takes all of them, because
`module_defaults` hand all of them to each.
"""

from __future__ import annotations

from typing import Any

SHARED: dict[str, dict[str, Any]] = {
    "app": {"type": "str", "required": True},
    "root": {"type": "path", "required": True},
    "run": {"type": "dict", "default": {}},
    "user": {"type": "str"},
    "groups": {"type": "list", "elements": "str", "default": []},
    "env_file": {"type": "path"},
    "run_directory": {"type": "path"},
    "host": {"type": "str"},
    "path": {"type": "str", "default": "/"},
    "web_user": {"type": "str", "default": ""},
    "serves": {"type": "bool", "default": True},
    "workers": {"type": "dict", "default": {}},
    "timers": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "int", "default": 60},
    "drain": {"type": "int", "default": 30},
    "lock_timeout": {"type": "int", "default": 5},
    "fetch_user": {"type": "str"},
    "uv": {"type": "path"},
    "uv_cache": {"type": "path"},
    "pins": {"type": "dict", "default": {}},
    "min_free": {"type": "int", "default": 0},
    "store_limit": {"type": "int", "default": 2 << 30},
}


def release_argument_spec(*required: str, **own: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the argument spec of a module: the shared parameters, those in `required` made so, and its own.

    Raises KeyError for a name that is no shared parameter.
    """
    needed = {name: SHARED[name] | {"required": True} for name in required}
    return {**SHARED, **needed, **own}
