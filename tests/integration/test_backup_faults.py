# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input of the module backup: a clear error, the server as it was, nothing left that blocks the next run."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from tests.integration.harness.backups import SECRET, backup_account, server_goes_on
from tests.integration.harness.faults import TOOL, backup_half_way, frozen, wait_program
from tests.integration.harness.pool import Pool
from tests.integration.harness.server import Server, wait_for

TARGET = "/srv/backup/monday"


def refused(server: Server, *texts: str, **options: Any) -> dict[str, Any]:
    """Assert that a backup fails with phase, cause and action, in check mode too where it writes nothing yet."""
    options = {"target_dir": TARGET, **options}
    result = server.fail("backup", *texts, **options)
    assert result["cause"], result
    assert result["action"], result
    assert result["failed_phase"], result
    nothing_is_left(server)
    return result


def nothing_is_left(server: Server) -> None:
    """Assert that no backup, no half of one and no sidecar is there, and that the server goes on."""
    assert server.out("ls -A /srv/backup 2>/dev/null || true") == ""
    server_goes_on(server)


def test_target_that_holds_files_is_untouched_byte_for_byte(server: Server) -> None:
    """Target directory exists and holds files: refused before the tool starts, with the names; untouched byte for byte."""
    server.run(f"install -d -m 0751 {TARGET}/old && echo precious > {TARGET}/.hidden && echo 1 > {TARGET}/old/x")
    before = server.listing("/srv")
    result = server.fail("backup", TARGET, ".hidden", "old", "not empty", target_dir=TARGET)
    assert result["entries"] == [".hidden", "old"]
    assert result["failed_phase"] == "plan"
    assert "cmd" not in result, "the tool was started"
    assert server.listing("/srv") == before
    server_goes_on(server)


@pytest.mark.suites("trixie")
def test_target_that_is_no_usable_directory_is_refused(server: Server) -> None:
    """Target directory: a file, the datadir, a place inside of it, a relative path, or a read-only file system."""
    server.run("mkdir -p /srv/x && echo 1 > /srv/x/file")
    server.mount("ext4", "16M", "/mnt/readonly", owner=None)
    server.run("mount -o remount,ro /mnt/readonly")
    before = server.listing("/srv")
    for target in ("/srv/x/file", "/var/lib/mysql", "/var/lib/mysql/backup", "/srv/x/file/below", "/mnt/readonly/b"):
        result = server.fail("backup", target_dir=target)
        assert result["action"], target
        assert result["failed_phase"] == "plan", target
    assert server.listing("/srv") == before
    assert not server.exists("/var/lib/mysql/backup")
    server_goes_on(server)


def test_wrong_password(server: Server) -> None:
    """Wrong password: the server's refusal, what to correct, and no secret in it."""
    backup_account(server)
    result = refused(server, "backup", login_user="backup", login_password="wrong-" + SECRET)
    assert "denied" in result["msg"]
    assert SECRET not in str(result)


@pytest.mark.parametrize(
    ("granted", "missing"),
    [
        ("PROCESS, LOCK TABLES, BINLOG MONITOR", "RELOAD"),
        ("RELOAD, LOCK TABLES, BINLOG MONITOR", "PROCESS"),
        ("RELOAD, PROCESS, BINLOG MONITOR", ""),
    ],
    ids=["reload", "process", "none"],
)
def test_missing_privilege_is_named(server: Server, granted: str, missing: str) -> None:
    """Missing privilege: it is named, with the statement that grants it."""
    backup_account(server, granted)
    if missing:
        result = refused(server, missing, login_user="backup", login_password=SECRET)
        assert "GRANT" in result["action"]
    else:
        server.succeed("backup", target_dir=TARGET, login_user="backup", login_password=SECRET)


def test_tool_is_missing(server: Server) -> None:
    """Tool missing: the package to install is named."""
    server.hide("mariadb-backup", "mariabackup")
    refused(server, "mariadb-backup", "package")
    refused(server, "/opt/none", mariadb_backup="/opt/none")


@pytest.mark.suites("trixie")
def test_old_name_of_the_tool_is_found(server: Server) -> None:
    """The executable is found on the path, the new name first, then mariabackup."""
    server.hide("mariadb-backup", "mariabackup")
    server.run("cp /opt/mariabackup-tests/hidden/mariadb-backup /usr/bin/mariabackup")
    server.succeed("backup", target_dir=TARGET)
    server.run("rm /usr/bin/mariabackup")


@pytest.mark.suites("trixie")
def test_tool_of_another_major_version(server: Server, pool: Pool) -> None:
    """Tool of another major version than the server (the real one of 10.11): refused, both versions named."""
    other = pool.take("bookworm", start=False)
    shutil.copy(other.path("/usr/bin/mariadb-backup"), server.path("/usr/local/bin/mariadb-backup-10.11"))
    # Debian has renamed this library; the rest is still there.
    library = other.out(["sh", "-c", "ls /usr/lib/*/libaio.so.1"])
    shutil.copy(other.path(library), server.path("/usr/local/lib/libaio.so.1"))
    server.run("ldconfig")
    refused(server, "10.11", "11.8", mariadb_backup="/usr/local/bin/mariadb-backup-10.11")
    server.run("rm /usr/local/bin/mariadb-backup-10.11 /usr/local/lib/libaio.so.1; ldconfig")


def test_tool_that_is_older_than_the_server(server: Server) -> None:
    """Tool older than the server, of the same series: refused. It is the real program with its number lowered."""
    version = server.sql("SELECT SUBSTRING_INDEX(VERSION(), '-', 1)")
    series, dot, patch = version.rpartition(".")
    older = series + dot + str(int(patch) - 1).rjust(len(patch), "0")
    server.run(f"sed 's/{version}-MariaDB/{older}-MariaDB/g' /usr/bin/mariadb-backup > /usr/local/bin/older")
    server.run("chmod 0755 /usr/local/bin/older")
    assert older in server.out("/usr/local/bin/older --version 2>&1")
    refused(server, older, version, "older", mariadb_backup="/usr/local/bin/older")
    server.run("rm /usr/local/bin/older")


@pytest.mark.parametrize(
    ("group", "option", "value"),
    [
        ("mariadb-backup", "stream", "mbstream"),
        ("mariabackup", "databases", "dba_engines"),
        ("xtrabackup", "tables_exclude", "^dba"),
        ("client", "compress", ""),
    ],
)
@pytest.mark.suites("bullseye", "trixie")
def test_option_files_that_change_what_a_backup_is(server: Server, group: str, option: str, value: str) -> None:
    """A [mariadb-backup] group that asks for a stream or a partial backup: refused, the option named."""
    server.configure(group, "/etc/mysql/conf.d/backup.cnf", **{option: value})
    result = refused(server, option)
    assert result["failed_phase"] == "plan"


@pytest.mark.suites("trixie")
def test_disk_that_is_too_small_is_refused_before_the_tool_starts(server: Server) -> None:
    """Disk full: seen in the plan when the backup cannot fit, with both numbers."""
    server.mount("ext4", "40M", "/mnt/small", owner=None)
    before = server.listing("/mnt/small")
    result = server.fail("backup", "room", target_dir="/mnt/small/backup")
    assert result["failed_phase"] == "plan"
    assert result["bytes_needed"] > result["bytes_free"]
    assert server.listing("/mnt/small") == before
    server_goes_on(server)


def test_disk_that_fills_up_during_the_backup(server: Server) -> None:
    """Disk full during the backup: said so, the half backup is gone, the server goes on, the next run works."""
    server.mount("ext4", "320M", "/mnt/small", owner=None)
    running = server.start_module("backup", target_dir="/mnt/small/backup")
    # Held as soon as it is there: what is left of the disk is then less than it needs, however fast it is.
    with frozen(server, wait_program(server, TOOL)):
        free = int(server.out("df --output=avail -k /mnt/small | tail -1"))
        server.run(f"fallocate -l {free - 20480}K /mnt/small/filler")
    result = running.result()
    assert result.get("failed"), result
    assert "full" in result["msg"], result["msg"]
    assert result["action"]
    assert sorted(set(server.out("ls -A /mnt/small").split()) - {"lost+found"}) == ["filler"]
    server_goes_on(server)
    server.run("rm /mnt/small/filler")
    server.succeed("backup", target_dir="/mnt/small/backup")


def test_server_that_is_stopped_in_the_middle(server: Server) -> None:
    """Server stopped in the middle of a backup: a clear error, nothing left, and the next run works."""
    with backup_half_way(server, TARGET) as running:
        server.stop_server()
    result = running.result()
    assert result.get("failed"), result
    assert "server" in result["msg"]
    assert result["action"]
    server.start_server()
    nothing_is_left(server)
    server.succeed("backup", target_dir=TARGET)


def test_server_that_does_not_run(server: Server) -> None:
    """Server down from the beginning: said in words, nothing left."""
    server.stop_server()
    result = server.fail("backup", target_dir=TARGET)
    assert result["action"]
    server.start_server()
    nothing_is_left(server)


@pytest.mark.suites("trixie")
@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"extra_args": ["--stream=mbstream"]}, "--stream"),
        ({"extra_args": ["--target-dir=/srv/other"]}, "--target-dir"),
        ({"extra_args": ["--password=geheim"]}, "--password"),
        ({"extra_args": ["-p"]}, "-p"),
        ({"extra_args": ["--databases=dba_engines"]}, "--databases"),
        ({"extra_args": ["--no-such-option=1"]}, "no-such-option"),
        ({"parallel": 0}, "parallel"),
        ({"parallel": -3}, "parallel"),
        ({"throttle": -1}, "throttle"),
        ({"checksum": "md5"}, "checksum"),
        ({"type": "incremental"}, "type"),
        ({"skip_if_newer_than": "yesterday"}, "skip_if_newer_than"),
        ({"defaults_file": "/etc/none.cnf"}, "/etc/none.cnf"),
        ({"prepare": True, "use_memory": "lots"}, "use_memory"),
        ({"no_such_option": 1}, "no_such_option"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_unknown_or_conflicting_option_values(server: Server, options: dict[str, Any], text: str) -> None:
    """Unknown or conflicting option values: refused with the option's name; nothing is left, no secret is repeated."""
    result = server.fail("backup", text, target_dir=TARGET, **options)
    shown = {name: value for name, value in result.items() if name != "invocation"}
    assert "geheim" not in str(shown)
    nothing_is_left(server)


@pytest.mark.suites("trixie")
def test_two_backups_at_once(server: Server) -> None:
    """A backup beside a backup: the second is refused at once and names the first; the first ends well."""
    with backup_half_way(server, TARGET) as first:
        server.fail("backup", "backup", "working", target_dir="/srv/backup/other")
    assert not first.result().get("failed"), first.result()
    assert not server.exists("/srv/backup/other")


@pytest.mark.suites("trixie")
def test_restore_during_a_backup(server: Server) -> None:
    """A restore during a backup: refused and the backup is named; both work afterwards."""
    server.succeed("backup", target_dir=TARGET)
    with backup_half_way(server, "/srv/backup/tuesday") as running:
        server.fail("restore", "backup", target_dir=TARGET, existing_data="delete")
    assert not running.result().get("failed"), running.result()
    server.succeed("restore", target_dir=TARGET, existing_data="delete")
    server.assert_seeded()


@pytest.mark.parametrize("options", [{"target_dir": TARGET}, {"repository": "/srv/repository", "format": "stream"}],
                         ids=["directory", "stream"])  # fmt: skip
def test_the_tool_leaves_out_an_imported_table(server: Server, options: dict[str, str]) -> None:
    """A tablespace imported since the last checkpoint: the tool says completed OK! and has not its data. Found, named, nothing kept."""
    server.sql("CREATE DATABASE shop; CREATE TABLE shop.t (id INT) ENGINE=InnoDB; INSERT INTO shop.t VALUES (1), (2)")
    server.sql("SET GLOBAL innodb_fast_shutdown = 0")
    server.stop_server()
    server.run("cp -p /var/lib/mysql/shop/t.ibd /var/tmp/")
    server.start_server()
    server.sql(
        "CREATE DATABASE imported; CREATE TABLE imported.t LIKE shop.t; ALTER TABLE imported.t DISCARD TABLESPACE"
    )
    server.run("cp -p /var/tmp/t.ibd /var/lib/mysql/imported/")
    server.sql("ALTER TABLE imported.t IMPORT TABLESPACE; RENAME TABLE shop.t TO shop.old, imported.t TO shop.t")
    result = server.fail("backup", "left out", "shop/t.ibd", "checkpoint", **options)
    assert result["entries"] == ["shop/t.ibd"]
    assert server.out("ls /srv/backup /srv/repository/* 2>/dev/null || true").split() in ([], ["/srv/backup:"])
    server.sql("SET GLOBAL innodb_max_dirty_pages_pct_lwm = 0, innodb_max_dirty_pages_pct = 0")
    wait_for(
        lambda: server.sql("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'").endswith("\t0"),
        "all pages are written",
    )
    server.succeed("backup", **options)
    server.sql("DROP DATABASE shop; DROP DATABASE imported")
    source = {name: value for name, value in options.items() if name != "format"}
    server.succeed("restore", existing_data="delete", **source)
    assert server.sql("SELECT SUM(id) FROM shop.t") == "3"
