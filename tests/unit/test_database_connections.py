"""Processes, threads and the database's connections fit together, whoever decided what."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plugins.plugin_utils.inventory.database_connections import LEAST, RESERVE, THREADS, AppHost, plan


def web(processors: int = 2, processes: int = 0, threads: int = 0) -> AppHost:
    return AppHost(processors=processors, serves=True, processes=processes, threads=threads)


def test_the_server_is_sized_for_what_is_wanted() -> None:
    small, large = plan({"a": web(2)}, 0), plan({"a": web(32)}, 0)
    assert (small.processes, small.threads, small.limit) == ({"a": 3}, {"a": THREADS}, LEAST)
    assert large.processes == {"a": 33}
    assert large.limit >= large.needed > LEAST


def test_threads_make_room_where_the_server_is_fixed() -> None:
    found = plan({"a": web(processes=10)}, 80)
    assert found.threads == {"a": 3}
    assert found.needed <= 80


def test_processes_make_room_where_threads_are_fixed() -> None:
    found = plan({"a": web(processors=8, threads=8)}, 80)
    assert (found.processes, found.threads) == ({"a": 4}, {"a": 8})


def test_what_is_fixed_stays_and_does_not_fit() -> None:
    found = plan({"a": web(processes=30)}, 40)
    assert (found.processes, found.threads, found.needed) == ({"a": 30}, {"a": 1}, 60 + RESERVE)
    assert found.needed > found.limit


def test_workers_and_timers_count() -> None:
    worker = AppHost(4, serves=False, workers=("celery -A shop worker -c 20", "python manage.py run_worker"), timers=3)
    assert worker.background == 2 * (21 + 5) + 3


@given(
    st.lists(st.tuples(st.integers(1, 64), st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=3),
    st.integers(0, 1000),
)
def test_nothing_is_given_that_does_not_fit_unless_it_was_decided(
    hosts: list[tuple[int, int, int]], limit: int
) -> None:
    found = plan({str(number): web(*values) for number, values in enumerate(hosts)}, limit)
    decided = {str(number): values for number, values in enumerate(hosts)}
    assert all(found.processes[name] == values[1] for name, values in decided.items() if values[1])
    assert all(found.threads[name] == values[2] for name, values in decided.items() if values[2])
    least = 2 * sum((values[1] or 1) * (values[2] or 1) for values in hosts) + RESERVE
    if limit == 0 or least <= limit:
        assert found.needed <= found.limit
