"""Documentation of the parameters in `plugins/module_utils/common/arguments.py`."""

from __future__ import annotations


class ModuleDocFragment:
    """What each module of the action group samestack.core.release takes, whether it needs it or not."""

    DOCUMENTATION = r"""
options:
  app: {description: Name of the application; its units are called so., type: str, required: true}
  root: {description: The application's folder., type: path, required: true}
  run: {description: The current run (id and verb among it); preflight's when left out., type: dict, default: {}}
  user: {description: User that runs the application., type: str}
  groups: {description: Further groups of that user's processes., type: list, elements: str, default: []}
  env_file: {description: Environment file of the application., type: path}
  run_directory: {description: Folder of the sockets., type: path}
  host: {description: "Host name to ask for; empty on a host without web server.", type: str}
  path: {description: Page to ask for., type: str, default: /}
  web_user: {description: The web server's user; the page is asked for as this one., type: str, default: ""}
  serves: {description: Whether this host runs the web server., type: bool, default: true}
  workers:
    description: The long-running processes by name, each with C(single) and C(stop_timeout) in seconds.
    type: dict
    default: {}
  timers: {description: Names of what runs by the clock., type: list, elements: str, default: []}
  timeout: {description: Seconds that a release has to become healthy., type: int, default: 60}
  drain: {description: Seconds that requests in flight get before the old release is stopped., type: int, default: 30}
  lock_timeout: {description: Seconds that a migration waits for a table., type: int, default: 5}
  fetch_user: {description: User that fetches packages., type: str}
  uv: {description: The program uv., type: path}
  uv_cache: {description: Folder in which uv keeps packages., type: path}
  pins: {description: Versions of what is installed beside the application's own packages., type: dict, default: {}}
  min_free: {description: Bytes that have to stay free., type: int, default: 0}
  store_limit: {description: Bytes that all archives may take on the control node., type: int, default: 2147483648}
"""
