# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores wherever a server's directories lie, by every method, and with every value of every option."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.integration.harness.faults import proceed, set_breakpoint, wait_stopped
from tests.integration.harness.layouts import LAYOUTS
from tests.integration.harness.server import STATE_DIR, Server, assert_same, show, wait_for

TARGET = "/srv/backup/monday"
RESULT_KEYS = {
    *("backup_id", "source", "method", "datadir", "previous_datadir", "downtime_seconds", "duration_seconds", "phases"),
    *(
        "server_version",
        "gtid",
        "binlog_file",
        "binlog_position",
        "bytes",
        "files",
        "health",
        "rolled_back",
        "log_path",
    ),
}


def _arguments(server: Server) -> dict[str, str]:
    if not server.layout.instance:
        return {}
    return {"service": server.layout.service, "defaults_group_suffix": f".{server.layout.instance}"}


def _backup(server: Server, **options: object) -> None:
    args = {key: value for key, value in _arguments(server).items() if key != "service"}
    server.succeed("backup", target_dir=TARGET, **args, **options)


def _sets(server: Server) -> list[str]:
    """Return the sets that lie beside the datadir or inside of it."""
    found = server.run(
        "ls -d /var/lib/mysql*.* /srv/data/mysql.* /var/lib/mysql/.mariabackup/* 2>/dev/null", check=False
    )
    return found.stdout.split()


def _owners(server: Server) -> str:
    """Return owner and mode of each directory of the set; fail if anything in them is not the server's."""
    places = " ".join([server.datadir, *server.layout.elsewhere])
    # The check for an upgrade alters tables meanwhile, and find takes what it cannot look at any more for another user's.
    others = (
        f"find {places} -mindepth 1 -ignore_readdir_race -not -user mysql -not -name lost+found -not -path '*/.mariabackup*' "
        "-not -name 'debian-*.flag' -not -name '*_upgrade_info' -not -name '#sql*'"
    )
    assert server.out(others) == ""
    return server.out(f"stat -L -c '%n %U:%G %a' {places}")


def _number(server: Server) -> int:
    """Return the sequence number of the last transaction; 0 where the server writes no binary log."""
    return int(f"0{server.sql('SELECT @@gtid_binlog_pos').rpartition('-')[2]}")


def _assert_goes_on(server: Server, last: int) -> int:
    """Assert that GTIDs go on right above ``last``, write one, and return its number."""
    now = _number(server)
    # A server that starts empties its MEMORY tables when they are first read, and logs that.
    assert now == last == 0 or last < now <= last + 5
    server.sql("CREATE DATABASE passing; DROP DATABASE passing")
    return _number(server)


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "plain"])
def test_layouts(take: Callable[..., Server], layout: str) -> None:
    """Separate InnoDB, Aria and binary log directories, a mount point, a symbolic link, an instance: kept, then put back.

    Each directory gets the owner and the mode of the one that it replaces.
    """
    server = take("trixie", layout=LAYOUTS[layout])
    server.as_distributed()
    server.sql("CREATE DATABASE passing; DROP DATABASE passing")
    for place, mode in zip(server.layout.elsewhere, ("0700", "0711", "0750", "0755", "2750")):
        server.run(f"chgrp adm {place} && chmod {mode} {place}")
    owners = _owners(server)
    _backup(server)
    server.dataset("change")
    changed = server.snapshot()
    last = _number(server)
    kept = server.succeed("restore", target_dir=TARGET, existing_data="keep", **_arguments(server))
    last = _assert_goes_on(server, last)
    server.assert_seeded()
    assert _owners(server) == owners
    assert kept["previous_datadir"], show(kept)
    assert server.sql("SELECT @@read_only") == "0"
    service = _arguments(server)
    server.succeed("previous_datadir", state="restored", **service)
    last = _assert_goes_on(server, last)
    assert_same(changed, server.snapshot())
    server.restart_server()
    assert _number(server) >= last
    gone = server.succeed("previous_datadir", state="absent", **service)
    assert gone["removed"], show(gone)
    assert not _sets(server)
    server.succeed("restore", target_dir=TARGET, existing_data="delete", **_arguments(server))
    server.assert_seeded()
    assert _owners(server) == owners
    assert not _sets(server)


@pytest.mark.suites("trixie")
@pytest.mark.layout("separate")
def test_stale_redo_logs_never_survive(server: Server) -> None:
    """Old ib_logfile* in the datadir or in the log directory: they leave with the old data; alone, they are data as well."""
    _backup(server)
    stale = "/var/lib/mysql/ib_logfile0 /var/lib/mysql/ib_logfile1 /var/lib/mysql/ib_logfile101"
    stale += " /var/lib/mysql-redo/ib_logfile1 /var/lib/mysql-redo/ib_logfile101"
    find = f"find {server.datadir} {' '.join(server.layout.elsewhere)} -name 'ib_logfile*'"
    assert server.out(find) == "/var/lib/mysql-redo/ib_logfile0"
    server.stop_server()
    server.run(f"for f in {stale}; do echo stale > $f; done; chown mysql:mysql {stale}")
    server.succeed("restore", target_dir=TARGET, existing_data="delete")
    assert server.out(find) == "/var/lib/mysql-redo/ib_logfile0"
    server.assert_seeded()
    server.stop_server()
    for place in (server.datadir, *server.layout.elsewhere):
        server.run(f"find {place} -mindepth 1 -delete")
    server.run("cd /var/lib/mysql-redo && touch ib_logfile0 ib_logfile1 && chown mysql:mysql *")
    before = server.listing(server.datadir, *server.layout.elsewhere)
    server.fail("restore", "redo directory", "/var/lib/mysql-redo", "ib_logfile0, ib_logfile1", target_dir=TARGET)
    assert server.listing(server.datadir, *server.layout.elsewhere) == before
    server.succeed("restore", target_dir=TARGET, existing_data="delete")
    assert server.out(find) == "/var/lib/mysql-redo/ib_logfile0"
    server.assert_seeded()


@pytest.mark.suites("trixie")
@pytest.mark.layout("mount")
def test_a_later_backup_of_a_mount_point_leaves_the_kept_set_out(server: Server) -> None:
    """On a mount point the old set lies in <datadir>/.mariabackup; our own backups leave that directory out."""
    _backup(server)
    server.succeed("restore", target_dir=TARGET, existing_data="keep")
    server.succeed("backup", target_dir="/srv/backup/tuesday")
    names = server.out("ls -A /srv/backup/tuesday").split()
    assert ".mariabackup" not in names
    assert "lost+found" not in names


def test_result_has_every_key_of_the_contract(server: Server) -> None:
    """Results of restore: every key, and values that agree with the host; the metadata stays out of the datadir."""
    _backup(server)
    result = server.succeed("restore", target_dir=TARGET, existing_data="keep")
    assert set(result) >= RESULT_KEYS, RESULT_KEYS - set(result)
    assert result["source"] == TARGET
    assert result["datadir"] == "/var/lib/mysql"
    assert [phase["name"] for phase in result["phases"]] == [
        *("plan", "stage", "prepare", "verify", "stop", "swap", "start", "health", "commit")
    ]
    assert 0 < result["downtime_seconds"] < result["duration_seconds"]
    assert not [
        name for name in server.out("ls /var/lib/mysql").split() if name.startswith(("xtrabackup", "mariadb_ba"))
    ]
    assert "backup-my.cnf" not in server.out("ls /var/lib/mysql").split()
    planned = server.succeed("restore", check=True, target_dir=TARGET, existing_data="keep")
    (stop,) = [step for step in planned["plan"] if step["action"].startswith("hold and stop")]
    assert f"about {result['downtime_seconds']:.1f} s, as the last time" in stop["detail"]
    server.fail("restore", "is not empty", target_dir=TARGET)
    server.succeed("previous_datadir", state="restored")
    restored, refused, put_back = (json.loads(line) for line in server.host.get(f"{STATE_DIR}/audit.log").splitlines())
    for line, operation, outcome in (
        (restored, "restore", "restored"),
        (refused, "restore", "failed"),
        (put_back, "previous_datadir", "restored"),
    ):
        assert (line["operation"], line["outcome"]) == (operation, outcome)
        assert (line["datadir"], line["source"], line["who"]) == ("/var/lib/mysql", TARGET, "uid 0")
    assert restored["backup_id"] == put_back["backup_id"] == result["backup_id"]
    assert restored["run"] == put_back["run"]
    (told,) = server.succeed("restore_info", datadir="/var/lib/mysql")["restores"]
    assert (told["run"], told["outcome"], told["ended"]) == (put_back["run"], "put_back", put_back["time"])
    assert server.succeed("restore_info", datadir="/srv/none")["restores"] == []
    assert "is not empty" in refused["reason"]


def test_ownership_and_modes_are_those_of_the_previous_datadir(server: Server) -> None:
    """Fix ownership: before the swap, recursively, from the previous datadir."""
    before = _owners(server)
    _backup(server)
    server.succeed("restore", target_dir=TARGET, existing_data="delete")
    assert _owners(server) == before


@pytest.mark.suites("trixie")
@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("copier", ["builtin", "mariadb-backup"])
def test_move_consumes_the_backup(server: Server, copier: str, prepared: bool) -> None:
    """--move-back consumes it: method: move, prepared or not."""
    _backup(server, prepare=prepared)
    server.dataset("change")
    result = server.succeed("restore", target_dir=TARGET, existing_data="delete", method="move", copier=copier)
    assert result["method"] == "move"
    server.assert_seeded()
    assert server.run(f"find {TARGET} -name '*.ibd' | head -1", check=False).stdout == ""


@pytest.mark.suites("trixie")
def test_move_gives_the_backup_back_when_the_restore_fails(server: Server) -> None:
    """A restore by move that goes back returns what it moved."""
    _backup(server, prepare=True)
    before = server.checksums(TARGET)
    queries = [{"query": "SELECT 1", "expect": "2"}]
    server.fail(
        "restore", "swapped back", target_dir=TARGET, existing_data="delete", method="move", verify_queries=queries
    )
    server.assert_seeded()
    assert server.server_runs()
    failed = [path for path in _sets(server) if ".failed-" in path]
    assert failed or server.checksums(TARGET) == before


@pytest.mark.suites("trixie")
def test_reflinks_share_the_blocks_of_the_backup(server: Server) -> None:
    """method: auto is a reflink where one file system holds the backup and the datadir, and can."""
    server.mount("xfs", "900M", "/srv/one", owner=None)
    server.stop_server()
    server.run("cp -a /var/lib/mysql /srv/one/mysql && rm -rf /var/lib/mysql && ln -s /srv/one/mysql /var/lib/mysql")
    server.start_server()
    server.succeed("backup", target_dir="/srv/one/backup")
    free = int(server.out("stat -f -c %f /srv/one"))
    planned = server.run_module("restore", check=True, target_dir="/srv/one/backup", existing_data="keep")
    result = server.succeed("restore", target_dir="/srv/one/backup", existing_data="keep")
    assert result["method"] == "reflink", show(planned)
    taken = (free - int(server.out("stat -f -c %f /srv/one"))) * 4096
    assert taken < result["bytes"] / 2, f"{taken} bytes were taken for {result['bytes']}"
    server.assert_seeded()


@pytest.mark.suites("trixie")
def test_existing_data_fail_names_what_it_found_hidden_files_too(server: Server) -> None:
    """Ensure that the datadir is empty: refused with the entries found, hidden ones too; nothing is touched."""
    _backup(server)
    server.stop_server()
    server.run("rm -rf /var/lib/mysql && install -d -o mysql -g mysql /var/lib/mysql && touch /var/lib/mysql/.hidden")
    before = server.listing("/var/lib/mysql")
    result = server.fail("restore", ".hidden", target_dir=TARGET)
    assert result["failed_phase"] == "plan"
    assert server.listing("/var/lib/mysql") == before
    server.run("rm /var/lib/mysql/.hidden && mkdir /var/lib/mysql/lost+found")
    server.succeed("restore", target_dir=TARGET)
    server.assert_seeded()


@pytest.mark.suites("trixie")
def test_a_missing_datadir_is_made(server: Server) -> None:
    """A datadir that does not exist is made, with the service's user as its owner."""
    _backup(server)
    server.stop_server()
    server.run("rm -rf /var/lib/mysql")
    server.succeed("restore", target_dir=TARGET)
    assert server.out("stat -c '%U:%G' /var/lib/mysql") == "mysql:mysql"
    server.assert_seeded()


@pytest.mark.suites("bookworm")
@pytest.mark.layout("separate")
def test_delete_first_deletes_only_after_the_whole_backup_was_verified(server: Server) -> None:
    """delete_first: the source is verified completely first; a damaged one leaves the old data in service."""
    _backup(server)
    server.run(f"cp -a {TARGET} /srv/backup/damaged && cp {TARGET}.manifest.json /srv/backup/damaged.manifest.json")
    server.run("printf x | dd of=/srv/backup/damaged/ibdata1 bs=1 seek=70000 conv=notrunc status=none")
    server.dataset("change")
    changed = server.snapshot()
    server.fail("restore", "ibdata1", target_dir="/srv/backup/damaged", existing_data="delete_first")
    assert server.server_runs()
    assert_same(changed, server.snapshot())
    result = server.succeed("restore", target_dir=TARGET, existing_data="delete_first")
    assert result["previous_datadir"] is None
    server.assert_seeded()
    assert not _sets(server)


@pytest.mark.suites("trixie")
@pytest.mark.parametrize("value", ["keep", "delete"])
def test_failed_data(server: Server, value: str) -> None:
    """failed_data: the new data that did not come up is kept under its own name, or deleted."""
    _backup(server)
    queries = [{"query": "SELECT 1", "expect": "2"}]
    result = server.fail(
        "restore",
        "swapped back",
        target_dir=TARGET,
        existing_data="delete",
        failed_data=value,
        verify_queries=queries,
    )
    assert result["rolled_back"] is True
    assert [".failed-" in path for path in _sets(server)] == ([True] if value == "keep" else [])
    server.assert_seeded()


@pytest.mark.suites("trixie")
@pytest.mark.layout("binlog")
def test_present_data_stays_where_the_old_cannot_be_given_its_gtids(server: Server) -> None:
    """The GTID state of kept data cannot be written: the present data is served on, and a later try succeeds."""
    _backup(server)
    server.dataset("change")
    changed = server.snapshot()
    kept = server.succeed("restore", target_dir=TARGET, existing_data="keep")["previous_datadir"]
    server.run(f"cd {kept} && rm mysqld-bin.state && mkdir mysqld-bin.state")
    server.fail("previous_datadir", "mysqld-bin.state", "stays in service", state="restored")
    server.assert_seeded()
    assert server.sql("SELECT @@read_only") == "0"
    server.run(f"rmdir {kept}/mysqld-bin.state")
    server.succeed("previous_datadir", state="restored")
    assert_same(changed, server.snapshot())


@pytest.mark.suites("trixie")
@pytest.mark.layout("binlog-outside")
def test_binary_logs_leave(server: Server) -> None:
    """binary_logs: leave keeps the old binary logs where they are; in the datadir that cannot be."""
    server.sql("CREATE TABLE dba_engines.late (id INT) ENGINE=InnoDB")
    _backup(server)
    server.sql("INSERT INTO dba_engines.late VALUES (1)")
    old = set(server.out("ls /var/lib/mysql-binlog").split())
    server.succeed("restore", target_dir=TARGET, existing_data="delete", binary_logs="leave")
    assert old <= set(server.out("ls /var/lib/mysql-binlog").split())


@pytest.mark.suites("trixie")
@pytest.mark.layout("binlog")
def test_binary_logs_in_the_datadir_cannot_be_left(server: Server) -> None:
    """binary_logs: leave is refused where they lie in the datadir."""
    _backup(server)
    server.fail(
        "restore",
        "exchanged as a whole",
        target_dir=TARGET,
        existing_data="delete",
        binary_logs="leave",
        topology="allow",
    )


@pytest.mark.layout("binlog")
@pytest.mark.parametrize("value", ["new_history", "backup", "leave"])
def test_gtid_state(server: Server, value: str) -> None:
    """gtid_state: above everything that was used; at the backup's position; or left to the server."""
    server.sql("CREATE TABLE dba_engines.t (id INT) ENGINE=InnoDB; INSERT INTO dba_engines.t VALUES (1)")
    server.succeed("backup", target_dir=TARGET)
    backup = server.sql("SELECT @@gtid_binlog_pos")
    server.sql("INSERT INTO dba_engines.t VALUES (2); INSERT INTO dba_engines.t VALUES (3)")
    last = int(server.sql("SELECT @@gtid_binlog_pos").split("-")[2])
    server.succeed("restore", target_dir=TARGET, existing_data="delete", gtid_state=value)
    server.sql("INSERT INTO dba_engines.t VALUES (4)")
    now = int(server.sql("SELECT @@gtid_binlog_pos").split("-")[2])
    expected = {"new_history": last + 2, "backup": int(backup.split("-")[2]) + 1, "leave": 1}
    assert now == expected[value]


@pytest.mark.suites("trixie")
def test_carry_over_takes_named_files_and_keys_along(server: Server) -> None:
    """Files in the datadir that are not data are carried over; what else is there is named."""
    server.run(
        "cd /var/lib/mysql && mkdir tls notes.d && openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=db -days 2 "
        "-keyout tls/key.pem -out tls/cert.pem 2>/dev/null && touch notes.d/a mine.txt stray.txt && chown -R mysql: tls"
    )
    server.configure(ssl_cert="/var/lib/mysql/tls/cert.pem", ssl_key="/var/lib/mysql/tls/key.pem")
    server.restart_server()
    _backup(server)
    result = server.succeed("restore", target_dir=TARGET, existing_data="delete", carry_over=["mine.txt"])
    assert server.exists("/var/lib/mysql/tls/key.pem")
    assert server.exists("/var/lib/mysql/mine.txt")
    assert not server.exists("/var/lib/mysql/stray.txt")
    assert "stray.txt" in str(result.get("warnings")), show(result)
    assert server.sql("SHOW STATUS LIKE 'Ssl_server_not_after'").strip() != ""


@pytest.mark.suites("trixie")
def test_start_false_leaves_the_server_stopped_and_released(server: Server) -> None:
    """start: false: the restore ends after the swap, with the service released and stopped."""
    _backup(server)
    result = server.succeed("restore", target_dir=TARGET, existing_data="delete", start=False)
    assert result["health"] == "not_started"
    assert not server.server_runs()
    server.start_server()
    assert server.sql("SELECT @@read_only") == "0"
    server.assert_seeded()


@pytest.mark.suites("trixie")
def test_service_manager_none_leaves_stopping_and_starting_to_the_caller(server: Server) -> None:
    """service_manager: none: refused while a server uses the directories, and without start: false; else the data is in place."""
    _backup(server)
    server.dataset("change")
    options = {"target_dir": TARGET, "existing_data": "delete", "service_manager": "none"}
    pid = server.server_pid()
    for check in (True, False):
        result = server.run_module("restore", check=check, start=False, **options)
        assert result.get("failed_phase") == "plan", show(result)
        assert "use the server's directories" in result["msg"], show(result)
        assert str(pid) in result["msg"], show(result)
    assert server.server_pid() == pid
    server.stop_server()
    server.fail("restore", "start: false", **options)
    result = server.succeed("restore", start=False, **options)
    assert result["health"] == "not_started"
    assert not server.server_runs()
    server.start_server()
    assert server.sql("SELECT @@read_only") == "0"
    server.assert_seeded()


@pytest.mark.suites("trixie")
def test_run_id_does_a_restore_once(server: Server) -> None:
    """run_id: a restore that was committed under that name is not done again; its result is returned."""
    _backup(server)
    first = server.succeed("restore", target_dir=TARGET, existing_data="delete", run_id="monday")
    server.dataset("change")
    changed = server.snapshot()
    again = server.succeed("restore", target_dir=TARGET, existing_data="delete", run_id="monday")
    assert again["changed"] is False
    assert again["backup_id"] == first["backup_id"]
    assert_same(changed, server.snapshot())
    assert server.run_module("restore", check=True, target_dir=TARGET, run_id="monday")["changed"] is False


@pytest.mark.suites("trixie")
def test_if_not_restored_leaves_what_a_restore_has_put_there(server: Server) -> None:
    """The very backup in the very datadir is left alone; another backup, a way back and a copied datadir are not taken for it."""
    _backup(server)
    again = {"target_dir": TARGET, "existing_data": "keep", "if_not_restored": True}
    assert "already_restored" not in server.succeed("restore", check=True, **again)
    first = server.succeed("restore", **again)
    assert first["changed"] is True
    server.restart_server()
    server.dataset("change")
    changed, files = server.snapshot(), server.listing("/var/lib/mariabackup/restores")
    for check in (True, False):
        second = server.succeed("restore", check=check, **again)
        assert (second["changed"], second["already_restored"]) == (False, True), show(second)
        missing = set(first) - set(second) - {"duration_seconds", "phases", "log_path", "warnings"}
        assert not missing, show(second)
        assert second["previous_datadir"] == first["previous_datadir"]
    assert server.listing("/var/lib/mariabackup/restores") == files
    assert_same(changed, server.snapshot())
    assert server.succeed("restore", check=True, target_dir=TARGET, existing_data="keep")["changed"] is True

    # Another backup of the same server, and then the first one again.
    server.succeed("backup", target_dir="/srv/backup/other")
    server.succeed("restore", **{**again, "target_dir": "/srv/backup/other"})
    assert_same(changed, server.snapshot())
    assert server.succeed("restore", check=True, **again)["changed"] is True
    # Back to the set that the first restore had put there.
    server.succeed("previous_datadir", state="restored")
    back = server.succeed("restore", check=True, **again)
    assert back["already_restored"] is True
    assert back["previous_datadir"] == first["previous_datadir"]
    # The same files, brought there by hand.
    server.stop_server()
    server.run(
        "cp -a /var/lib/mysql /var/lib/mysql.by-hand && rm -r /var/lib/mysql && mv /var/lib/mysql.by-hand /var/lib/mysql"
    )
    server.start_server()
    assert server.succeed("restore", **again)["changed"] is True
    server.assert_seeded()


@pytest.mark.suites("trixie")
def test_owner_and_group(server: Server) -> None:
    """owner and group win over the previous datadir's."""
    _backup(server)
    server.succeed("restore", target_dir=TARGET, existing_data="delete", owner="mysql", group="root", start=False)
    assert server.out("stat -c '%U:%G' /var/lib/mysql/ibdata1") == "mysql:root"
    server.start_server()
    server.assert_seeded()


@pytest.mark.suites("trixie")
def test_post_restore_sql_runs_before_the_server_is_opened(server: Server) -> None:
    """post_restore_sql: the statements are done; one that fails swaps the old data back."""
    _backup(server)
    server.succeed(
        "restore",
        target_dir=TARGET,
        existing_data="delete",
        post_restore_sql=[
            "CREATE DATABASE masked",
            "CREATE TABLE masked.ro ENGINE=InnoDB SELECT @@global.read_only AS v",
        ],
    )
    assert server.sql("SELECT v FROM masked.ro") == "1"
    server.fail(
        "restore", "swapped back", target_dir=TARGET, existing_data="delete", post_restore_sql=["SELECT FROM nowhere"]
    )
    assert server.sql("SELECT v FROM masked.ro") == "1"


def test_the_server_is_read_only_until_the_commit(server: Server) -> None:
    """Until the commit nobody can write to the new data, and its events and replication rest."""
    server.sql("CREATE USER writer@localhost IDENTIFIED BY 'w'; GRANT ALL ON dba_engines.* TO writer@localhost")
    server.configure(event_scheduler="ON")
    server.restart_server()
    _backup(server)
    set_breakpoint(server, "health-after")
    running = server.start_module("restore", target_dir=TARGET, existing_data="delete")
    wait_stopped(server, running)
    refused = server.run(["mariadb", "-uwriter", "-pw", "-e", "CREATE TABLE dba_engines.w (a INT)"], check=False)
    assert "read-only" in refused.stderr
    assert server.sql("SELECT @@event_scheduler") == "OFF"
    proceed(server)
    assert not running.result().get("failed")
    assert server.sql("SELECT @@read_only, @@event_scheduler").split() == ["0", "ON"]
    server.run(["mariadb", "-uwriter", "-pw", "-e", "CREATE TABLE dba_engines.w (a INT)"])


@pytest.mark.suites("trixie")
def test_expectations_hold_or_the_old_data_comes_back(server: Server) -> None:
    """expect_schemas and verify_queries: asked before the server is opened."""
    _backup(server)
    queries = [{"query": "SELECT COUNT(*) > 0 FROM mysql.global_priv", "expect": "1"}]
    good = server.succeed(
        "restore", target_dir=TARGET, existing_data="delete", expect_schemas=["dba_empty"], verify_queries=queries
    )
    assert good["health"] == "ok"
    server.fail("restore", "nowhere", target_dir=TARGET, existing_data="delete", expect_schemas=["nowhere"])
    server.assert_seeded()


@pytest.mark.suites("trixie")
def test_without_rollback_a_person_decides(server: Server) -> None:
    """rollback_on_failure: false leaves the new data in place, undecided; both ways on work."""
    _backup(server)
    server.dataset("change")
    changed = server.snapshot()
    wrong = {"verify_queries": [{"query": "SELECT 1", "expect": "2"}], "rollback_on_failure": False}
    for state in ("restored", "accepted"):
        server.fail("restore", "previous_datadir", target_dir=TARGET, existing_data="keep", **wrong)
        server.fail("restore", "previous_datadir", target_dir=TARGET, existing_data="keep")
        server.succeed("previous_datadir", state=state)
        assert server.sql("SELECT @@read_only") == "0"
        if state == "restored":
            assert_same(changed, server.snapshot())
        else:
            server.assert_seeded()


def test_check_mode_plans_and_writes_nothing(server: Server) -> None:
    """Check mode: the plan, the same refusals, nothing written; diff mode shows what changes hands."""
    _backup(server)
    places = ("/var/lib/mysql", "/srv/backup", STATE_DIR, "/etc/systemd", "/run/systemd/system")
    before = server.listing(*places)
    result = server.run_module("restore", check=True, diff_mode=True, target_dir=TARGET, existing_data="keep")
    assert result["changed"] is True
    assert result["plan"][0]["phase"] == "stage"
    assert "MiB are free" in result["plan"][0]["action"]
    assert TARGET in result["diff"]["after"]
    refused = server.run_module("restore", check=True, target_dir=TARGET)
    assert "not empty" in refused["msg"], show(refused)
    assert server.listing(*places) == before


@pytest.mark.suites("trixie")
def test_manifest_require_and_verify_checksums(server: Server) -> None:
    """manifest: require refuses a backup made by hand; verify_checksums finds a flipped byte before anything is touched."""
    server.run(f"mkdir -p /srv/backup && mariadb-backup --backup --user=root --target-dir={TARGET} >/dev/null 2>&1")
    server.fail("restore", "no manifest", target_dir=TARGET, existing_data="delete", manifest="require")
    server.succeed("restore", target_dir=TARGET, existing_data="delete", bandwidth_limit="500M", parallel=2)
    server.assert_seeded()
    server.run(f"rm -rf {TARGET}")
    _backup(server)
    server.run(f"printf x | dd of={TARGET}/mysql/global_priv.MAD bs=1 seek=8200 conv=notrunc status=none")
    pid = server.server_pid()
    result = server.fail("restore", "global_priv.MAD", target_dir=TARGET, existing_data="delete")
    assert result["failed_phase"] == "stage"
    assert server.server_pid() == pid


@pytest.mark.suites("trixie")
def test_losing_the_connection_does_not_stop_a_restore(server: Server) -> None:
    """The job belongs to the host: the same task again attaches to it and gets its result."""
    _backup(server)
    server.dataset("change")
    set_breakpoint(server, "stage-after")
    running = server.start_module("restore", target_dir=TARGET, existing_data="delete")
    wait_stopped(server, running)
    running.disconnect()
    again = server.start_module("restore", target_dir=TARGET, existing_data="delete")
    proceed(server)
    result = again.result()
    assert not result.get("failed"), show(result)
    server.assert_seeded()
    assert len(server.out(f"ls {STATE_DIR}/restores/var-lib-mysql | grep -v current").split()) == 1
    wait_for(lambda: not server.job_pids(), "the end of the job")
