# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts with busy clients, with a server that hangs, or on which the new data does not start."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from tests.integration.harness.faults import (
    clear_breakpoints,
    lose_connection,
    proceed,
    set_breakpoint,
    wait_stopped,
)
from tests.integration.harness.modules import Running
from tests.integration.harness.playbooks import Playbooks
from tests.integration.harness.restores import (
    TARGET,
    by_hand,
    copy_of,
    good_restore,
    refused,
    refused_early,
    state,
    untouched,
)
from tests.integration.harness.server import STATE_DIR, Server, assert_same, show, wait_for


def stopped_at(server: Server, point: str) -> Running:
    """Start a restore and return when it stands at ``point``; ``proceed`` lets it go on."""
    set_breakpoint(server, point)
    running = server.start_module("restore", target_dir=TARGET, existing_data="delete")
    wait_stopped(server, running)
    clear_breakpoints(server)
    return running


# Asks the server again and again, and notes each new answer: which data it serves.
_HAMMER = """
import json, signal, time
import pymysql
answers, running = [], True
def stop(number, frame):
    global running
    running = False
signal.signal(signal.SIGTERM, stop)
print("hammering", flush=True)
while running:
    try:
        connection = pymysql.connect(unix_socket="/run/mysqld/mysqld.sock", user="root", connect_timeout=5, read_timeout=5)
        with connection.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA LIKE 'dba%'")
            tables = cursor.fetchone()[0]
            cursor.execute("SELECT v FROM dba_empty.generation")
            answer = [str(tables), *[row[0] for row in cursor.fetchall()]]
        connection.close()
    except (pymysql.MySQLError, OSError) as error:
        code = error.args[0] if error.args else 0
        # No server, or one that goes down.
        answer = ["down"] if code in (0, 1053, 1927, 2002, 2003, 2006, 2013) else ["error", *map(str, error.args)]
    if not answers or answers[-1] != answer:
        answers.append(answer)
    time.sleep(0.003)
print(json.dumps(answers))
"""


@pytest.mark.layout("separate")
def test_client_that_hammers_the_socket_sees_the_old_data_then_the_new(server: Server) -> None:
    """A client that hammers the socket during the whole restore: it never gets a server on a mixed or empty datadir."""
    server.stop_server()
    if server.suite != "bullseye":
        server.run("systemctl enable --now mariadb.socket")
    server.run("systemctl start mariadb")
    server.sql(
        "CREATE TABLE dba_empty.generation (v VARCHAR(9)) ENGINE=Aria; INSERT INTO dba_empty.generation VALUES ('new')"
    )
    server.succeed("backup", target_dir=TARGET)
    tables = server.sql("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA LIKE 'dba%'")
    server.sql("UPDATE dba_empty.generation SET v = 'old'; CREATE TABLE dba_empty.more (a INT) ENGINE=InnoDB")
    before = state(server)
    count = "journalctl -u mariadb -o cat | grep -c '^Starting MariaDB\\|^Starting mariadb'"
    starts = int(server.out(count))
    client = server.start(["python3", "-c", _HAMMER])
    assert client.stdout is not None
    assert client.stdout.readline() == b"hammering\n"
    server.succeed("restore", target_dir=TARGET, existing_data="delete")
    server.run("pkill -TERM -f 'print..hammering'")
    answers = json.loads(client.communicate(timeout=30)[0])
    served = [answer for answer in answers if answer != ["down"]]
    assert served == [[str(int(tables) + 1), "old"], [tables, "new"]], answers
    assert int(server.out(count)) == starts + 1, "something woke the server in between"
    assert state(server) == before
    server.sql("DROP TABLE dba_empty.generation")
    server.assert_seeded()


@pytest.mark.suites("bullseye", "trixie")
def test_lost_ssh_connection_does_not_stop_the_restore(server: Server, playbooks: Callable[[], Playbooks]) -> None:
    """The connection is lost while the server is stopped, all processes of it are killed: the restore goes on to its end."""
    server.succeed("backup", target_dir=TARGET)
    server.dataset("change")
    set_breakpoint(server, "stop-after")
    tasks = [{"dba.mariabackup.restore": {"target_dir": TARGET, "existing_data": "delete"}}]
    books = playbooks()
    play = [{"hosts": server.name, "gather_facts": False, "tasks": tasks}]
    process = books.start(play)
    wait_stopped(server)
    assert not server.server_runs()
    lose_connection(server, process)
    clear_breakpoints(server)
    # Now the same task attaches to the job. Killed as well, it leaves the result to the next one.
    process = books.start(play)
    wait_for(
        lambda: f"{server.name}: restore stop" in books.output.read_text(encoding="utf-8"), "the second run attaches"
    )
    lose_connection(server, process)
    proceed(server)
    wait_for(lambda: not server.job_pids(), "the restore ends", 60)
    assert books.succeed(play).result("restore")["health"] == "ok"
    assert len(server.out(f"ls {STATE_DIR}/restores/*").split()) == 2, "one run and the link to it"
    server.assert_seeded()
    assert server.sql("SELECT @@global.read_only") == "0"
    audit = json.loads(server.host.get(f"{STATE_DIR}/audit.log").splitlines()[-1])
    assert audit["outcome"] == "restored"


@pytest.mark.suites("trixie")
def test_server_that_does_not_answer(server: Server) -> None:
    """A server that hangs cannot say who replicates from it: refused within the login's time, and left as it is."""
    server.succeed("backup", target_dir=TARGET)
    pid = server.server_pid()
    with untouched(server):
        server.run(["kill", "-STOP", str(pid)])
        refused_early(server, "could not be found out", connect_timeout=2)
        server.run(["kill", "-CONT", str(pid)])
    good_restore(server)


@pytest.mark.suites("trixie")
def test_datadir_that_is_not_empty_and_in_use(server: Server) -> None:
    """Datadir not empty, of a server that runs: refused with the entries found; another datadir than the service's too."""
    server.succeed("backup", target_dir=TARGET)
    with untouched(server):
        result = refused_early(server, "not empty", "aria_log_control", existing_data="fail")
        assert "existing_data" in result["action"]
        refused_early(server, "/srv/elsewhere", "/var/lib/mysql", datadir="/srv/elsewhere")
        # A shell in the datadir keeps it from being exchanged safely.
        server.start(["sh", "-c", "cd /var/lib/mysql/mysql; exec sleep 987"])
        wait_for(lambda: server.run("pgrep -fx 'sleep 987'", check=False).stdout, "a process in the datadir")
        refused_early(server, "sleep")
        server.run("pkill -fx 'sleep 987'")
    # One that leaves by itself is waited for, before the plan and when the server is stopped.
    server.start(["sh", "-c", "cd /var/lib/mysql/mysql; exec sleep 4"])
    wait_for(lambda: server.run("pgrep -fx 'sleep 4'", check=False).stdout, "a process in the datadir")
    running = stopped_at(server, "stop-before")
    assert not server.run("pgrep -fx 'sleep 4'", check=False).stdout
    server.start(["sh", "-c", "cd /var/lib/mysql/mysql; exec sleep 4"])
    wait_for(lambda: server.run("pgrep -fx 'sleep 4'", check=False).stdout, "a process in the datadir")
    proceed(server)
    result = running.result()
    assert not result.get("failed"), show(result)
    good_restore(server)


@pytest.mark.suites("trixie")
@pytest.mark.layout("mount")
def test_disk_that_fills_up_while_the_log_is_applied(server: Server) -> None:
    """A disk that fills up after the plan, on which no data could start: seen before the server is stopped; all staged goes."""
    server.succeed("backup", target_dir=TARGET)
    server.dataset("change")
    available = "df --output=avail -k /var/lib/mysql | tail -1"
    free = int(server.out(available))
    with untouched(server):
        running = stopped_at(server, "prepare-before")
        server.run(f"fallocate -l {int(server.out(available)) - 300}K /var/lib/mysql/lost+found/filler")
        proceed(server)
        result = running.result()
        assert result.get("failed"), show(result)
        assert result["failed_phase"] in ("prepare", "verify"), show(result)
        assert "filled up" in result["msg"] or "space" in result["msg"], show(result)
        server.run("rm /var/lib/mysql/lost+found/filler")
        left = free - int(server.out(available))
        assert left < 2000, f"{left} KiB were left behind"
    good_restore(server)


@pytest.mark.suites("trixie")
def test_overlay_that_cannot_rename(fresh: Callable[..., Server]) -> None:
    """A datadir of an overlay's lower layer cannot be renamed: refused in the plan, with the way out, which works."""
    server = fresh("trixie", redirect_dir=False)
    server.succeed("backup", target_dir=TARGET)
    # A directory that the host's image has, as a container image with a datadir in it.
    lower = "/var/local"
    server.stop_server()
    server.run(f"cp -a /var/lib/mysql/. {lower} && chown mysql:mysql {lower} && rm -rf /var/lib/mysql")
    server.run(f"ln -s {lower} /var/lib/mysql")
    server.start_server()
    with untouched(server):
        result = refused(server, "lower layer", lower)
        assert "cp -a" in result["action"]
    server.stop_server()
    server.run(f"cp -a {lower} {lower}.copy && rm -rf {lower} && mv {lower}.copy {lower}")
    server.start_server()
    good_restore(server)


@pytest.mark.suites("bullseye", "trixie")
def test_encrypted_tables_without_the_key_file(server: Server) -> None:
    """Encrypted tables without their key file, which the running server has read long ago: refused before it is stopped."""
    keys = "/etc/mysql/keys.txt"
    server.host.put("".join(f"{number};{'a' * 63}{number}\n" for number in (1, 2)), keys, 0o640, "root:mysql")
    server.configure(plugin_load_add="file_key_management", file_key_management_filename=keys)
    server.restart_server()
    server.dataset("load", "encrypted")
    whole = server.snapshot()
    server.succeed("backup", target_dir=TARGET, prepare=True)
    server.dataset("change")
    with untouched(server):
        server.run(f"mv {keys} {keys}.away")
        refused_early(server, keys)
        server.run(f"mv {keys}.away {keys}")
    server.succeed("restore", target_dir=TARGET, existing_data="delete")
    assert_same(whole, server.snapshot(check=True))


# Starts that fail

_SUM = "SELECT COUNT(*) > 0 FROM dba_innodb.rf_dynamic WHERE LENGTH(CONCAT_WS('', v)) >= 0"
# Page 3 is the root of the clustered index.
_DAMAGE = "printf damaged | dd of={} bs=1 seek=$((3 * 16384 + 200)) conv=notrunc status=none"


def test_new_data_on_which_the_server_aborts(server: Server) -> None:
    """The server does not start on the new data, whose accounts are missing: swapped back, with the server's own words."""
    by_hand(server)
    server.run(f"cp -a {TARGET} /srv/backup/good && rm {TARGET}/mysql/global_priv.*")
    server.dataset("change")
    with untouched(server, same_process=False):
        result = refused(server, "does not start", "swapped back", phase="start")
        assert result["rolled_back"] is True
        assert "privilege" in show(result), "the server's own words are missing"
    good_restore(server, target_dir="/srv/backup/good")


@pytest.mark.suites("bullseye", "trixie")
def test_new_data_that_the_health_check_refuses(server: Server) -> None:
    """Pages that are damaged, of a table that the server reads as it starts and of another; a schema that is not there."""
    # An empty directory that is no schema gets into a backup as one, and is no reason to refuse the data.
    server.run("install -d -o mysql -g mysql /var/lib/mysql/my-old.d")
    by_hand(server)
    server.run(f"mariadb-backup --prepare --target-dir={TARGET} && rmdir /var/lib/mysql/my-old.d")
    server.dataset("change")
    # The directory of this schema is in a code that only the server can read.
    directory = server.out("cd /var/lib/mysql && ls -d dba_@*ml*ut").strip()
    assert "@" in re.sub("@[0-9a-f]{4}", "", directory)
    with untouched(server, same_process=False):
        for table, options, text in (
            ("mysql/gtid_slave_pos", {}, "fatal message"),
            ("dba_innodb/rf_dynamic", {"verify_queries": [{"query": _SUM, "expect": "1"}]}, "rf_dynamic"),
        ):
            damaged = copy_of(server, "damaged")
            server.run(_DAMAGE.format(f"{damaged}/{table}.ibd"))
            result = refused(
                server, "swapped back", text, phase="health", target_dir=damaged, failed_data="delete", **options
            )
            assert result["rolled_back"] is True, show(result)
        running = stopped_at(server, "health-before")
        server.run(f"rm -rf /var/lib/mysql/{directory}")
        proceed(server)
        result = running.result()
        assert result["failed_phase"] == "health", show(result)
        assert f"lacks the schemas {directory}" in result["msg"], show(result)
        assert result["rolled_back"] is True, show(result)
    server.succeed("restore", target_dir=TARGET, existing_data="delete")
    server.run("rm -r /var/lib/mysql/my-old.d")
    server.assert_seeded()


def test_crash_between_start_and_health_check(server: Server) -> None:
    """A crash right after the start: swapped back; that systemd starts the server again by itself does not get in the way."""
    server.succeed("backup", target_dir=TARGET)
    server.dataset("change")
    with untouched(server, same_process=False):
        running = stopped_at(server, "start-after")
        pid = server.server_pid()
        server.run(["kill", "-KILL", str(pid)])
        wait_for(lambda: server.server_pid() != pid, "the crash")
        proceed(server)
        result = running.result()
        assert result.get("failed"), show(result)
        assert result["failed_phase"] == "health", show(result)
        assert "swapped back" in result["msg"], show(result)
        assert result["rolled_back"] is True
    good_restore(server)


@pytest.mark.suites("bullseye", "trixie")
def test_option_with_which_no_data_starts(server: Server) -> None:
    """An option file that breaks the start of any data: the old data is in place again, and both failures are said."""
    server.succeed("backup", target_dir=TARGET)
    server.dataset("change")
    changed, before = server.snapshot(), state(server)
    # The port is the SSH server's: seen only when a server opens it, and the old one has opened its own before.
    server.configure(port="22")
    result = refused(server, "does not start", "way back", phase="start", failed_data="delete")
    assert "bind" in show(result).lower(), show(result)
    assert not server.server_runs()
    server.configure()
    # The administrator mends the option file and starts the server.
    server.run("systemctl reset-failed mariadb; systemctl start mariadb")
    assert_same(changed, server.snapshot(check=True))
    assert server.sql("SELECT @@global.read_only") == "0"
    # The next run first finishes the way back, and puts the failed set away as its own failed_data says.
    good_restore(server, failed_data="delete")
    assert state(server) == before
