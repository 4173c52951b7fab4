"""How releases answer, by Nginx's log: what is read of it, what is counted, and what is worse."""

from __future__ import annotations

import json
import re
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.common.folders import PathError
from plugins.module_utils.watch import access_log, traffic
from plugins.module_utils.watch.access_log import Request, read_on, requests
from plugins.plugin_utils.project_root import ENGINE
from plugins.plugin_utils.release.answers import LEDGER_LINE, has_shape

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_795_000_000.0


def line(status: int = 200, ended: float = NOW, took: str = "0.120", answered: str = "0.100", **more: str) -> bytes:
    """A line as roles/nginx has Nginx write it."""
    request = more.get("request", "GET / HTTP/2.0")
    return (
        f'192.0.2.7 - - [30/Nov/2026:01:54:00 +0000] "{request}" {status} 512 "https://shop.test/" '
        f'"{more.get("agent", "Mozilla/5.0")}" {ended:.3f} {took} {answered}'
    ).encode()


def some(count: int, failed: int = 0, seconds: float = 0.1, begin: float = NOW, spread: float = 0) -> list[Request]:
    """Some requests, of which the first fail."""
    times = [begin + spread * number / count for number in range(count)]
    return [Request(at, at + seconds, seconds, number < failed) for number, at in enumerate(times)]


class TestLines:
    def test_nginx_writes_what_is_read(self) -> None:
        """The format in the template has the fields in the order in which they are read."""
        text = (ENGINE / "roles/nginx/templates/nginx.conf.j2").read_text(encoding="utf-8")
        parts = re.findall(r"'([^']*)'", text[text.index("log_format samestack") : text.index("access_log")])
        values = {
            "remote_addr": "192.0.2.7", "remote_user": "-", "time_local": "30/Nov/2026:01:54:00 +0000",
            "request": "GET / HTTP/2.0", "status": "200", "body_bytes_sent": "512",
            "http_referer": "https://shop.test/", "http_user_agent": "Mozilla/5.0", "msec": f"{NOW:.3f}",
            "request_time": "0.120", "upstream_header_time": "0.100",
        }  # fmt: skip
        written = re.sub(r"\$(\w+)", lambda found: values[found[1]], "".join(parts)).encode()
        assert written == line()

    @pytest.mark.parametrize(
        ("raw", "expected"),
        [
            (line(), (0.1, False)),
            (line(500), (0.1, True)),
            (line(404), (0.1, False)),
            # Nginx itself: the application did not answer, or was not asked.
            (line(502, answered="-", took="0.001"), (0.001, True)),
            (line(504, answered="-", took="30.001"), (30.001, True)),
            (line(503, answered="-"), None),
            (line(503), (0.1, True)),
            (line(200, answered="-"), None),
            (line(499, answered="-"), None),
            # Two were asked, or Nginx was sent on.
            (line(answered="0.004, 0.200"), (0.2, False)),
            (line(answered="0.004 : 0.300"), (0.3, False)),
            (line(answered="-, -", status=502), (0.12, True)),
            # A socket that is open for an hour
            (line(101), None),
            (line(agent="samestack-watch"), None),
            # What a visitor sends cannot look like the end of a line.
            (line(agent='x\\x22 500 1 \\x22 \\x22 1.0 1.0 1.0'), (0.1, False)),
            (line(request="\\x16\\x03\\x01", status=400, answered="-"), None),
            (b"", None),
            (b"\x00" * 1000, None),
            (b'" 200 1 "" "" 1.0 1.0 ' + b"9" * 100_000 + b".x", None),
            (b'192.0.2.7 - - [30/Nov/2026:01:54:00 +0000] "GET / HTTP/2.0" 200 512 "-" "before there was more"', None),
        ],
    )  # fmt: skip
    def test_what_counts(self, raw: bytes, expected: tuple[float, bool] | None) -> None:
        found = [(one.seconds, one.failed) for one in requests([raw])]
        assert found == ([expected] if expected else [])

    def test_a_look_is_cheap_in_a_flood(self) -> None:
        lines = [line(ended=NOW + number) for number in range(access_log.MOST // len(line()))]
        began = time.process_time()
        traffic.take([], "a" * 12, NOW, requests(lines))
        assert time.process_time() - began < 1


class TestReading:
    def test_only_what_is_new(self, tmp_path: Path) -> None:
        log = tmp_path / "access.log"
        log.write_bytes(b"before anybody looked\n")
        lines, at, left_out = read_on([], str(log))
        assert (lines, left_out) == ([], 0)
        with log.open("ab") as file:
            file.write(b"one\ntwo\nhal")
        lines, at, _ = read_on(at, str(log))
        assert lines == [b"", b"one", b"two", b""]
        with log.open("ab") as file:
            file.write(b"f\n")
        lines, at, _ = read_on(at, str(log))
        assert b"half" in lines
        assert read_on(at, str(log))[0] == [b"", b""]

    def test_another_file_takes_its_place(self, tmp_path: Path) -> None:
        log = tmp_path / "access.log"
        log.write_bytes(b"old\n")
        _, at, _ = read_on([], str(log))
        with log.open("ab") as file:
            file.write(b"late\n")
        log.rename(tmp_path / "access.log.1")
        log.write_bytes(b"new\n")
        lines, at, _ = read_on(at, str(log))
        assert [one for one in lines if one] == [b"late", b"new"]
        # Emptied, with the same inode
        log.write_bytes(b"x\n")
        assert b"x" in read_on(at, str(log))[0]

    def test_a_flood_is_cut_and_said_to_be(self, tmp_path: Path) -> None:
        log = tmp_path / "access.log"
        log.write_bytes(b"")
        _, at, _ = read_on([], str(log))
        log.write_bytes(b"".join(b"%06d\n" % number for number in range(10_000)))
        lines, at, left_out = read_on(at, str(log), 700)
        assert left_out == 70_000 - 700
        assert lines[-2] == b"009999"
        assert len(lines) <= 101
        # One line that has no end
        log.write_bytes(log.read_bytes() + b"A" * 5000)
        _, at, _ = read_on(at, str(log), 700)
        assert at[1] == 75_000

    def test_a_link_is_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("x")
        (tmp_path / "folder").mkdir()
        (tmp_path / "fifo").symlink_to(tmp_path / "secret")
        subprocess.run(["chown", "-h", "nobody", str(tmp_path / "fifo")], check=True)
        with pytest.raises(PathError, match="is a link"):
            read_on([1, 0], str(tmp_path / "fifo"))
        with pytest.raises(FileNotFoundError):
            read_on([1, 0], str(tmp_path / "none"))


OLD, NEW = "a" * 12, "b" * 12


def periods(before: list[Request], after: list[Request], since: float = NOW) -> list[traffic.Period]:
    known = traffic.take([], OLD, NOW - 86400, before)
    return traffic.take(known, NEW, since, after)


class TestPeriods:
    def test_a_request_is_the_release_s_that_it_came_to(self) -> None:
        found = periods(some(10, begin=NOW - 100), [*some(3, begin=NOW - 1, seconds=5), *some(4, begin=NOW + 1)])
        assert traffic.usual(found[0])["requests"] == 13
        assert traffic.usual(found[1])["requests"] == 4

    def test_the_percentile(self) -> None:
        figures = traffic.nothing()
        for one in [*some(90, seconds=0.05), *some(10, seconds=1.5)]:
            traffic.count(figures, one)
        told = traffic.summary(figures)["p95"]
        assert 1.5 <= told < 1.5 * 1.1
        assert traffic.percentile({}) is None
        for seconds in (0, 0.0004, 86400):
            traffic.count(figures, Request(0, 0, seconds, False))

    @pytest.mark.parametrize(
        ("before", "after", "expected"),
        [
            (some(300, 0), some(300, 0), []),
            (some(300, 0), some(300, 4), []),
            (some(300, 0), some(300, 5), ["errors"]),
            (some(300, 3), some(300, 5), []),
            (some(300, 30), some(300, 80), []),
            (some(300, 30), some(300, 95), ["errors"]),
            (some(10_000, 0), some(10_000, 20), []),
            # Too few to know
            (some(19, 0), some(300, 30), []),
            (some(300), some(99, seconds=3), []),
            (some(300), some(100, seconds=3, begin=NOW + 40), ["p95"]),
            (some(300, seconds=0.01), some(300, seconds=0.1, begin=NOW + 40), []),
            (some(300, seconds=1), some(300, seconds=1.7, begin=NOW + 40), []),
            # New processes are slow at first.
            (some(300), some(300, seconds=3, begin=NOW, spread=29), []),
            (some(300), some(300, 300, seconds=3, begin=NOW + 40), ["errors", "p95"]),
        ],
    )  # fmt: skip
    def test_what_is_worse(self, before: list[Request], after: list[Request], expected: list[str]) -> None:
        shifted = [Request(one.began - 7200, one.ended - 7200, one.seconds, one.failed) for one in before]
        assert traffic.compared(periods(shifted, after), 1)["worse"] == expected

    def test_the_first_hour_counts_and_the_last_one_before(self) -> None:
        long_ago = some(5000, 5000, begin=NOW - 80_000)
        minutes = [one for number in range(60) for one in some(10, begin=NOW - 3600 + 60 * number)]
        found = periods([*long_ago, *minutes], [*some(200, begin=NOW + 60), *some(500, 500, begin=NOW + 3700)])
        compared = traffic.compared(found, 1)
        assert compared["before"] == {"requests": 600, "errors": 0, "p95": compared["before"]["p95"]}
        assert compared["after"]["requests"] == 200
        assert compared["worse"] == []

    def test_it_stays_small(self) -> None:
        found: list[traffic.Period] = []
        for number in range(120):
            since = NOW + 7200 * number
            found = traffic.take(found, f"{number:012x}", since, some(400, 3, begin=since, spread=7000))
        assert len(found) == traffic.KEPT
        assert len(json.dumps(found)) < 60_000
        assert traffic.compared(found, 10)["before"]["requests"] > 0

    def test_what_happens_now(self) -> None:
        found = periods(some(30, 7, begin=NOW - 100), some(30, 5, begin=NOW + 20))
        assert traffic.lately(found, NOW + 60)["errors"] == 12
        assert traffic.lately(found, NOW + 900) == traffic.nothing()
        # A clock that was ahead
        assert traffic.lately(found, NOW - 900) == traffic.nothing()


class TestLedger:
    LINES: tuple[dict[str, Any], ...] = (
        {"time": "2026-11-18T11:06:41Z", "verb": "deploy", "release": OLD, "result": "ok"},
        {"time": "2026-11-18T11:07:41Z", "verb": "accept", "release": NEW, "result": "ok"},
        {"time": "2026-11-18T11:08:41Z", "verb": "deploy", "release": NEW, "result": "failed"},
        {"time": "2026-11-18T11:09:41Z", "verb": "deploy", "release": NEW, "from": OLD, "result": "ok"},
        {"time": "2026-11-18T11:10:41Z", "verb": "deploy", "release": NEW, "result": "ok"},
    )

    def test_a_line_is_told_how_its_release_answers(self) -> None:
        # NOW is 11:06:40.
        known = traffic.take([], OLD, NOW, some(300, begin=NOW + 40))
        known = traffic.take(known, NEW, NOW + 170.5, some(300, 30, begin=NOW + 240))
        found = traffic.with_traffic(self.LINES, known)
        assert [index for index, one in enumerate(found) if "traffic" in one] == [0, 3]
        assert found[0]["traffic"]["before"] is None
        assert found[3]["traffic"]["before"]["errors"] == 0
        assert found[3]["traffic"]["after"]["errors"] == 30
        assert found[3]["traffic"]["worse"] == ["errors"]
        assert all(has_shape(LEDGER_LINE, one) for one in found)
        assert "traffic" not in self.LINES[0]

    def test_a_release_that_served_before_anybody_looked(self) -> None:
        known = traffic.take([], OLD, NOW, some(300, begin=NOW + 86400))
        assert not any("traffic" in one for one in traffic.with_traffic(self.LINES, known))
