"""Redis: the application has its data there, and nothing of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.attacks.conftest import Actor, Process

REFUSED = """
CONFIG SET requirepass mine|CONFIG GET *|CONFIG REWRITE|CONFIG RESETSTAT|ACL SETUSER default on nopass ~* +@all
ACL SETUSER samestack nopass|ACL LIST|ACL GETUSER samestack|ACL DELUSER samestack|ACL LOAD|ACL SAVE|ACL LOG
DEBUG SLEEP 0|DEBUG SET-ACTIVE-EXPIRE 1|DEBUG SEGFAULT|SHUTDOWN NOSAVE|REPLICAOF 127.0.0.1 1|SLAVEOF 127.0.0.1 1
MODULE LIST|MODULE LOAD /tmp/mine.so|CLIENT KILL TYPE normal|CLIENT PAUSE 10|CLIENT NO-EVICT on|SAVE|BGSAVE
BGREWRITEAOF|LATENCY RESET|SLOWLOG GET|ROLE|SYNC|PSYNC ? -1|FAILOVER|MIGRATE 127.0.0.1 1 key 0 10|SWAPDB 0 1
CLUSTER RESET|MONITOR|EVAL return(redis.call('CONFIG','GET','*')) 0|EVAL return(redis.call('ACL','LIST')) 0
AUTH samestack guess|AUTH default
"""
NEEDED = """
PING|SELECT 9|SET key 1|GET key|INCR key|EXPIRE key 9|LPUSH list 2 1|SORT list|RPOPLPUSH list other
BRPOP other 1|ZADD set 1 a|HSET hash a 1|XADD stream * a 1|PUBLISH channel word|SCAN 0|KEYS *|INFO server|DBSIZE
EVAL return(redis.call('GET','key')) 0|SCRIPT LOAD return(1)|CLIENT SETNAME tests|CLIENT LIST|CLIENT ID|TTL key
OBJECT ENCODING key|TYPE key|FLUSHDB
"""
PROGRAM = """
import json, os, redis
from urllib.parse import urlsplit
answers = {{}}
for command in {commands!r}.strip().replace("\\n", "|").split("|"):
    # A connection each: some commands close it.
    try:
        connection = redis.Redis.from_url({url}).connection_pool.get_connection("x")
        connection.send_command(*command.split(" "))
        answers[command] = repr(connection.read_response())
    except redis.RedisError as error:
        answers[command] = f"refused: {{error}}"
    except OSError as error:
        answers[command] = f"refused: {{error}}"
print(json.dumps(answers))
"""
OWN = "os.environ['REDIS_URL']"
NAMELESS = "'redis://' + urlsplit(os.environ['REDIS_URL']).netloc.rpartition('@')[2]"


def asked(process: Process, commands: str, url: str = OWN) -> dict[str, str]:
    found: dict[str, str] = process.python(PROGRAM.format(commands=commands, url=url))
    assert found
    return found


def words(answers: dict[str, str], *, refused: bool) -> dict[str, str]:
    return {name: text for name, text in answers.items() if text.startswith("refused") == refused}


def test_the_application_rules_nothing_of_the_server(process: Process) -> None:
    assert words(asked(process, REFUSED), refused=False) == {}


def test_nobody_comes_in_without_a_name(process: Process) -> None:
    assert words(asked(process, "PING|INFO|KEYS *|CONFIG GET *|ACL WHOAMI", NAMELESS), refused=False) == {}


def test_the_application_can_do_its_work(process: Process) -> None:
    assert words(asked(process, NEEDED), refused=True) == {}


@pytest.mark.parametrize(
    "script",
    [
        "cat /etc/samestack/redis-password",
        "cat /etc/redis/users.acl",
        "ls /var/lib/redis",
        "mv /etc/redis/redis.conf /etc/redis/old",
        "touch /etc/redis/mine.conf",
    ],
)
def test_its_files_are_the_servers_own(app: Actor, script: str) -> None:
    # In the group of the socket, which the application's processes are in
    attempt = app.machine.host.run(
        f"cd / && setpriv --reuid {app.account} --regid redis --clear-groups sh -c '{script}'"
    )
    assert attempt.rc != 0, attempt.stdout
