# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""New data that does not come up: the old data is swapped back, serves, and goes on with its own GTIDs."""

from __future__ import annotations

import pytest

from tests.integration.harness.restores import TARGET, untouched
from tests.integration.harness.server import Server, assert_same, show, wait_for

# Two transactions.
WRITE = "CREATE DATABASE IF NOT EXISTS after_all; CREATE OR REPLACE TABLE after_all.t (a INT) ENGINE=InnoDB"


def _backup(server: Server) -> None:
    server.succeed("backup", target_dir=TARGET, prepare=True)
    server.dataset("change")


def _goes_on(server: Server, gtid: str) -> int:
    """Assert that the server numbers its transactions on from ``gtid``; return the last number."""
    domain, identity, number = gtid.split("-")
    start = server.sql("SELECT @@gtid_binlog_pos").split("-")
    # A server that starts logs the emptying of each MEMORY table.
    assert start[:2] == [domain, identity]
    assert int(number) <= int(start[2]) <= int(number) + 4
    server.sql(WRITE)
    assert server.sql("SELECT @@gtid_binlog_pos") == f"{domain}-{identity}-{int(start[2]) + 2}"
    return int(start[2]) + 2


CRASH = """#!/bin/sh
# The restored data lacks the schema of the old: the real server is ended as by a crash of its own.
[ -d /var/lib/mysql/only_old ] || { sleep 0.2; kill -SEGV "$1"; sleep 0.2; }
exit 0
"""


@pytest.mark.suites("bookworm")
@pytest.mark.layout("binlog-outside")
def test_crash_right_after_the_start(server: Server) -> None:
    """The server crashes on the new data: the old data serves and goes on with its own GTIDs and binary logs."""
    server.sql("CREATE DATABASE only_old")
    _backup(server)
    server.sql("DROP DATABASE only_old; CREATE DATABASE only_old; CREATE TABLE only_old.t (a INT) ENGINE=InnoDB")
    server.run(f"rm -rf {TARGET}/only_old {TARGET}.manifest.json")
    server.host.put(CRASH, "/usr/local/bin/crash", 0o755)
    server.run("mkdir -p /etc/systemd/system/mariadb.service.d")
    server.host.put("[Service]\nExecStartPost=/usr/local/bin/crash $MAINPID\n",
                    "/etc/systemd/system/mariadb.service.d/crash.conf")  # fmt: skip
    server.run("systemctl daemon-reload")
    gtid, logs = server.sql("SELECT @@gtid_binlog_pos"), server.sql("SHOW BINARY LOGS").split()[0::2]
    with untouched(server, same_process=False):
        result = server.fail("restore", "swapped back", target_dir=TARGET, existing_data="keep", failed_data="delete")
        assert result["failed_phase"] in ("start", "health"), show(result)
        assert result["rolled_back"] is True
    _goes_on(server, gtid)
    now = server.sql("SHOW BINARY LOGS").split()[0::2]
    assert now[: len(logs)] == logs
    server.run("rm /usr/local/bin/crash /etc/systemd/system/mariadb.service.d/crash.conf; systemctl daemon-reload")
    good_restore_of_changed(server)


def good_restore_of_changed(server: Server) -> None:
    """Restore, where the backup was changed by hand and only the seeded data is known."""
    server.succeed("restore", target_dir=TARGET, existing_data="delete")
    assert server.sql("SELECT @@global.read_only") == "0"
    assert_same(server.seeded, server.snapshot(check=True))


@pytest.mark.parametrize("check", ["normal", "strict"])
def test_accounts_of_the_backup_refuse_the_login(server: Server, check: str) -> None:
    """No account of the backup lets this host in: a warning, and open all the same; with strict, swapped back."""
    passwords = "ALTER USER root@localhost IDENTIFIED BY 'of the backup'"
    own = "ALTER USER root@localhost IDENTIFIED VIA mysql_native_password USING 'invalid' OR unix_socket"
    server.sql(
        f"{own}; CREATE USER other@localhost IDENTIFIED BY 'x'; GRANT ALL ON *.* TO other@localhost WITH GRANT OPTION"
    )
    server.sql(passwords)
    login = {"login_user": "root", "login_password": "of the backup", "login_unix_socket": "/run/mysqld/mysqld.sock"}
    server.succeed("backup", target_dir=TARGET, prepare=True, **login)
    server.run(["mariadb", "--password=of the backup", "-e", own])
    server.dataset("change")
    options = {"target_dir": TARGET, "existing_data": "keep", "health_check": check, "failed_data": "delete"}
    if check == "strict":
        with untouched(server, same_process=False):
            result = server.fail("restore", "swapped back", **options)
            assert result["failed_phase"] == "health", show(result)
            assert result["rolled_back"] is True
        return
    result = server.succeed("restore", **options)
    assert result["health"] == "unverified_login"
    assert "no account could log in" in str(result["warnings"]), show(result)
    wait_for(server.server_runs, "the server is up")
    assert (
        server.out(["mariadb", "--password=of the backup", "-BNe", "SELECT @@read_only, @@event_scheduler"]) == "0\tOFF"
    )
    server.run(["mariadb", "--password=of the backup", "-e", own])
    server.sql("DROP USER other@localhost")
    server.assert_seeded()
