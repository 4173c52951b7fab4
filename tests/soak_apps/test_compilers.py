"""Each package that is known by its name is built from its source with what a message names, and is not without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from plugins.module_utils.release import causes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.apps import App

#: Prints what a build from source says, without the packages that it depends on, and at last whether it went well
BUILD = """
version=
# GDAL's Python is of the version of its library.
[ {name} = gdal ] && version="==$(apt-cache show libgdal-dev | sed -n 's/^Version: \\([0-9.]*\\).*/\\1/p' | head -n 1)"
export UV_CACHE_DIR=/var/tmp/built/cache UV_PYTHON_DOWNLOADS=never UV_NATIVE_TLS=1 UV_NO_PROGRESS=1
rm -rf /var/tmp/built/target
if {uv} --no-config pip install --python /usr/bin/python3 --target /var/tmp/built/target --no-deps --no-binary {name} \
    "{name}$version" 2>&1
then echo built; else echo not built; fi
"""
APT = "DEBIAN_FRONTEND=noninteractive apt-get -qy --no-install-recommends"


@pytest.fixture(scope="module")
def build(app: App) -> Callable[[str], str]:
    """Return a build on the machine, by the name of a package; it returns what was printed."""
    app.start()
    app.machine.run("apt-get -q update >/dev/null")
    uv = app.machine.variable("release_uv", "/opt/samestack/uv/bin/uv")
    return lambda name: app.machine.run(BUILD.format(name=name, uv=uv))


@pytest.fixture(scope="module")
def bare(build: Callable[[str], str]) -> dict[str, str]:
    """Return what the builds say before anything is there to build with."""
    return {name: build(name) for name in causes.TO_BUILD}


@pytest.fixture(scope="module")
def compiler(app: App, bare: dict[str, str]) -> None:
    """Have what every build needs: after all were tried without."""
    assert bare
    app.machine.run(f"{APT} install {' '.join(causes.COMPILER)} >/dev/null")


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("name", sorted(causes.TO_BUILD))
def test_it_is_built_with_what_is_named(app: App, build: Callable[[str], str], bare: dict[str, str], name: str) -> None:
    said = bare[name]
    assert said.endswith("not built\n"), f"{name} needs nothing"
    assert causes.NO_COMPILER.search(said), said
    more = " ".join(one for one in causes.to_build([name], said) if one not in causes.COMPILER)
    if more:
        app.machine.run(f"{APT} install {more} >/dev/null")
    try:
        said = build(name)
        assert not said.endswith("not built\n"), said[-3000:]
    finally:
        if more:
            app.machine.run(f"{APT} purge --autoremove {more} >/dev/null")
