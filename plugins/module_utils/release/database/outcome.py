"""How the modules about a release's database end."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...common.errors import HostError
from ...common.files import read_json
from ...common.ledger import Run
from ..files import live_code

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible.module_utils.basic import AnsibleModule

    from ..place import Place


def about(place: Place) -> dict[str, Any]:
    """Return what a ledger line says of a release that is to serve."""
    built = read_json(place.path("build.json")) or {}
    told: dict[str, Any] = {name: built[name] for name in ("label", "commits", "sha256") if name in built}
    return {"release": place.id, "to": place.id, "from": place.current, **told}


@contextmanager
def ending(module: AnsibleModule, place: Place, **values: Any) -> Iterator[Run]:
    """Hold the deploy lock through the block and time it; a HostError ends the module and is kept in the ledger.

    `values` go into that ledger line.
    """
    params: Mapping[str, Any] = module.params
    run = Run(params["run"], params["app"])
    try:
        if not module.check_mode:
            run.require_lock()
        yield run
    except HostError as error:
        if not module.check_mode:
            run.fail(str(error), **{**about(place), **values})
            live_code.put_back(place)
        module.fail_json(msg=str(error), hint=error.hint)
