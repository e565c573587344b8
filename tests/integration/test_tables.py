# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partial backups, and single tables brought back from full and partial ones, on real servers."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.harness.backups import raw_backup
from tests.integration.harness.faults import (
    clear_breakpoints,
    kill_runner,
    proceed,
    set_breakpoint,
    wait_stopped,
)
from tests.integration.harness.layouts import LAYOUTS
from tests.integration.harness.server import STATE_DIR, Server, assert_same, show, wait_for

MONDAY = "/srv/backup/monday"
PART = "/srv/backup/part"
REPOSITORY = "/srv/repository"
ODD = "dba_odd näme.with quotes 'x' \"y\" \\ ; % $(z) * 表"
WHOLE_ODD = f"`{ODD}`.*"
BESTELLUNG = "dba_ümläut.bestellung für größe"


def _import(server: Server, *tables: str, target_dir: str = MONDAY, **options: Any) -> dict[str, Any]:
    return server.succeed("import_tables", target_dir=target_dir, tables=list(tables), **options)


def _assert_no_traces(server: Server) -> None:
    """Assert that no schema, directory, journal or process of an import is left."""
    left = server.out(
        f"ls -d /var/lib/mysql.import-* /var/lib/mysql/.mariabackup /var/lib/mysql/mariabackup_import_* {STATE_DIR}/imports/*"
        " 2>/dev/null; pgrep -fa '[s]cratch.cnf' || true"
    )
    assert left == "", left
    assert server.sql("SHOW DATABASES LIKE 'mariabackup%'") == ""


def _assert_data(server: Server, **ignore: Any) -> None:
    assert_same(server.seeded, server.snapshot(check=True), **ignore)


def _assert_tables(server: Server, *schemas: str) -> None:
    """Compare the InnoDB tables of these schemas with the data that every test starts with."""
    after = server.snapshot(check=True)
    assert not after["problems"]
    compared = 0
    for name, value in server.seeded["tables"].items():
        if value["engine"] == "InnoDB" and name.startswith(tuple(f"`{schema}`." for schema in schemas)):
            found = {key: what for key, what in after["tables"][name].items() if key != "counter"}
            assert found == {key: what for key, what in value.items() if key != "counter"}, name
            compared += 1
    assert compared > 35
    assert not [name for name in after["tables"] if "_previous_" in name]


def test_partial_backup(server: Server) -> None:
    """Schemas and tables by exact names: marked, refused by a restore, prepared with export, and its tables imported."""
    chosen: dict[str, Any] = {
        "databases": ["dba_latin1", "dba_ümläut", "dba_history"],
        "tables": ["dba_innodb.part_sub", "dba_innodb.fulltext_text", f"`{ODD}`.`select`"],
        "tables_exclude": ["dba_history.by_time", "dba_history.by_partition"],
    }
    planned = server.succeed("backup", check=True, target_dir=PART, **chosen)
    assert {name: sorted(names) for name, names in planned["selection"].items()} == {
        name: sorted(names) for name, names in chosen.items()
    }
    assert "partial" in planned["plan"][0]["action"]
    taken = server.succeed("backup", target_dir=PART, **chosen)
    assert taken["selection"] == planned["selection"]
    frms = server.out(f"cd {PART} && ls -d */*.frm").splitlines()
    assert len(frms) == 8
    assert not [name for name in server.listing(PART) if "by_time" in name or "by_partition" in name]
    assert sum("part_sub#P#" in name for name in server.listing(PART)) == 9
    info = server.succeed("backup_info", target_dir=PART, verify=True)
    assert (info["valid"], info["backup"]["partial"], info["backup"]["selection"]) == (True, True, taken["selection"])
    server.fail(
        "restore", "partial", "import_tables", check=server.suite == "trixie", target_dir=PART, existing_data="keep"
    )
    # What is left out alone makes it partial, too.
    server.succeed(
        "backup", target_dir="/srv/less", databases_exclude=["dba_types"], tables_exclude=["dba_innodb.part_sub"]
    )
    names = server.out("cd /srv/less && ls -d * dba_innodb/*")
    assert "dba_types" not in names
    assert "part_sub" not in names
    assert "dba_innodb/part_list.frm" in names
    # The same by hand, without a manifest: the tool's own mark is seen.
    server.run(["mariadb-backup", "--user=root", "--backup", "--target-dir=/srv/hand", "--databases=dba_latin1"])
    server.fail("restore", "partial", "import_tables", target_dir="/srv/hand", existing_data="keep")
    assert server.succeed("prepare", target_dir=PART, dest="/srv/ready", export=True)["prepared"]
    server.succeed("prepare", target_dir="/srv/hand", in_place=True, export=True)
    assert server.out("ls /srv/ready/dba_innodb/part_sub*.cfg | wc -l") == "9"
    before = server.checksums(PART)
    server.sql("DROP DATABASE dba_latin1; DELETE FROM dba_innodb.fulltext_text WHERE id > 3;"
               "DROP TABLE dba_innodb.part_sub; DROP TABLE `dba_ümläut`.`bestellung für größe`")  # fmt: skip
    _import(server, "dba_latin1.umlaute", target_dir="/srv/hand")
    _import(server, "dba_innodb.part_sub", BESTELLUNG, target_dir="/srv/ready")
    _import(server, "dba_innodb.fulltext_text", f"`{ODD}`.`select`", target_dir=PART, existing="replace")
    assert server.checksums(PART) == before, "an import changed the backup"
    _assert_data(server)
    _assert_no_traces(server)


def test_import_from_a_full_backup(server: Server) -> None:
    """Every kind of InnoDB table, and every odd name, from a raw and from a prepared backup: data and definitions are the same."""
    server.start(["mariadb", "-e", "BEGIN; DELETE FROM dba_innodb.rf_dynamic WHERE id > 50; SELECT SLEEP(60)"])
    find = "SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX WHERE trx_rows_modified > 0"
    session = wait_for(lambda: server.sql(find), "an open transaction", pause=0.2)
    raw_backup(server, MONDAY)
    server.sql(f"KILL {session}")
    server.dataset("change")
    server.sql("ALTER TABLE dba_innodb.no_primary_key DROP COLUMN added; CREATE DATABASE dba_latin1")
    planned = server.succeed(
        "import_tables", check=True, target_dir=MONDAY, tables=["dba_innodb.*"], existing="replace"
    )
    assert {entry["state"] for entry in planned["tables"]} == {"planned"}
    _assert_no_traces(server)
    result = _import(server, "dba_innodb.*", WHOLE_ODD, BESTELLUNG, existing="replace")
    assert len(result["tables"]) > 30
    assert all(entry["previous"] is None for entry in result["tables"])
    keys = {(key["table"], key["name"], key["orphans"]) for key in result["foreign_keys"]}
    assert {("dba_innodb.fk_child", "fk_pair", 0), (BESTELLUNG, "fk_über_schema", 0)} <= keys
    server.run(f"mariadb-backup --prepare --target-dir={MONDAY} 2>/dev/null")
    server.sql("DROP DATABASE dba_latin1; SET foreign_key_checks=0; DROP TABLE dba_innodb.fk_parent;"
               "CREATE TABLE dba_empty.new (a INT) ENGINE=InnoDB")  # fmt: skip
    result = _import(server, "dba_latin1.*", "dba_innodb.fk_parent")
    assert [entry["action"] for entry in result["tables"]] == ["create", "create"]
    _import(server, "dba_types.numbers", "dba_types.strings", "dba_types.temporals", "dba_types.addresses",
            "dba_history.application_period", "dba_history.by_time", "dba_history.by_partition", existing="replace")  # fmt: skip
    _assert_tables(server, "dba_innodb", "dba_latin1", "dba_ümläut", ODD, "dba_types", "dba_history")
    _assert_no_traces(server)


@pytest.mark.suites("trixie")
def test_what_cannot_be_imported(server: Server) -> None:
    """Refused before anything is changed, with the reason: wrong names, views, engines, definitions, triggers, lone children."""
    server.sql("SET foreign_key_checks=0; CREATE TABLE dba_empty.lone (a INT, KEY (a), CONSTRAINT lone"
               " FOREIGN KEY (a) REFERENCES dba_empty.mum (a)) ENGINE=InnoDB")  # fmt: skip
    server.succeed("backup", target_dir=MONDAY)
    server.fail("backup", "does not have the table dba_innodb.gone", target_dir="/srv/x", tables=["dba_innodb.gone"])
    server.fail("backup", "which is not schema.table", target_dir="/srv/x", tables=["dba_innodb"])
    server.sql("DROP TABLE dba_empty.lone; ALTER TABLE dba_innodb.part_list COMMENT 'other'")
    before = server.snapshot()
    # Everything that speaks against it at once; what only a scratch server can tell comes after that.
    for tables, texts in (
        (["dba_innodb"], ["is not schema.table"]),
        (
            ["dba_innodb.gone", "gone.*", "dba_code.simple_view", "dba_engines.myisam_fixed", "dba_engines.aria_page",
             "dba_engines.csv_table", "mysql.innodb_table_stats", "dba_types.vectors"],
            ["does not hold the table dba_innodb.gone", "no InnoDB table of the schema gone", "is a view", "engine MyISAM",
             "engine Aria", "engine CSV", "belongs to the server itself", "VECTOR index"],
        ),
        (["dba_code.item"], ["has triggers"]),
        (["dba_innodb.seq_invoice"], ["is a sequence"]),
        (
            ["dba_innodb.part_list", "dba_empty.lone"],
            ["The definition of dba_innodb.part_list differs", "refers by lone to dba_empty.mum, which the server does not have"],
        ),
    ):  # fmt: skip
        result = server.fail("import_tables", *texts, target_dir=MONDAY, tables=tables, existing="keep")
        assert "touched" in result["msg"] or "hanged" in result["msg"] or "Write" in result["msg"], show(result)
    server.fail("import_tables", "has dba_innodb.part_hash already", target_dir=MONDAY, tables=["dba_innodb.part_hash"])
    server.fail(
        "import_tables", "has dba_innodb.auto_gap already", check=True, target_dir=MONDAY, tables=["dba_innodb.*"]
    )
    server.sql("CHANGE MASTER TO MASTER_HOST = '192.0.2.1', MASTER_USER = 'x'")
    for check in (True, False):
        server.fail("import_tables", "replicates from a primary", check=check, target_dir=MONDAY, existing="replace",
                    tables=["dba_innodb.part_hash"])  # fmt: skip
    _import(server, "dba_innodb.part_hash", existing="replace", topology="allow")
    server.sql("RESET SLAVE ALL")
    assert_same(before, server.snapshot())
    _assert_no_traces(server)


@pytest.mark.suites("trixie")
def test_old_tables_are_kept_and_orphans_are_counted(server: Server) -> None:
    """existing: keep leaves the old table beside the new one; rows whose parent is gone are counted; nothing is replicated."""
    server.configure(log_bin="mysqld-bin")
    server.restart_server()
    server.succeed("backup", target_dir=MONDAY)
    server.sql("SET foreign_key_checks=0; DELETE FROM dba_innodb.fk_parent; DELETE FROM dba_innodb.fk_child LIMIT 5")
    position = server.sql("SELECT @@gtid_binlog_pos")
    planned = server.succeed("import_tables", check=True, diff_mode=True, target_dir=MONDAY, existing="keep",
                             tables=["dba_innodb.fk_child"])  # fmt: skip
    assert planned["diff"]["before"] == "dba_innodb.fk_child: exists\n"
    assert {step["phase"] for step in planned["plan"]} == {"stage", "prepare", "export", "import", "swap", "finish"}
    result = _import(server, "dba_innodb.fk_child", existing="keep")
    (table,) = result["tables"]
    kept = table["previous"].split(".")[1]
    assert kept.startswith("fk_child_previous_")
    counts = server.sql(
        f"SELECT (SELECT COUNT(*) FROM dba_innodb.fk_child), (SELECT COUNT(*) FROM dba_innodb.{kept})"
    ).split()
    assert int(counts[0]) == int(counts[1]) + 5
    assert "FOREIGN KEY" not in server.sql(f"SHOW CREATE TABLE dba_innodb.{kept}")
    orphans = {(key["table"], key["name"]): key["orphans"] for key in result["foreign_keys"]}
    assert orphans["dba_innodb.fk_child", "fk_pair"] > 0
    assert any("refer by fk_pair" in str(text) for text in result["warnings"])
    # Parent and child together, and the parent's other children follow the new parent.
    result = _import(server, "dba_innodb.fk_child", "dba_innodb.fk_parent", existing="replace")
    assert not any(key["orphans"] for key in result["foreign_keys"])
    assert server.sql("SELECT @@gtid_binlog_pos") == position
    server.sql(f"DROP TABLE dba_innodb.{kept}")
    _assert_data(server)
    # Somebody uses the table: given up in time, and nothing is left.
    server.start(["mariadb", "-e", "SELECT COUNT(*), SLEEP(30) FROM dba_innodb.fk_child LIMIT 1"])
    using = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE = 'User sleep'"
    wait_for(lambda: server.sql(using) == "1", "a reader", pause=0.2)
    result = server.fail("import_tables", "lock wait timeout", target_dir=MONDAY, tables=["dba_innodb.fk_child"],
                         existing="replace", lock_wait_timeout=1)  # fmt: skip
    assert (result["failed_phase"], result["tables"]) == ("swap", [])
    _assert_no_traces(server)


POINTS = ("import-staged", "import-judged", "import-exported", "import-each", "import-proven", "import-swap", "import-swapped",
          "import-freed", "import-keyed")  # fmt: skip


@pytest.mark.suites("trixie")
def test_kill_anywhere(server: Server) -> None:
    """kill -9 at every step: the data is the old or the new, and the same task again ends with the new and nothing else."""
    server.succeed("backup", target_dir=MONDAY)
    options: dict[str, Any] = {"target_dir": MONDAY, "existing": "replace"}
    options["tables"] = ["dba_innodb.fk_parent", "dba_innodb.fk_child", "dba_innodb.part_range", "dba_latin1.umlaute"]
    # Without virtual columns, so that CHECKSUM TABLE tells them apart; all of the data is compared at the end.
    state = f"CHECKSUM TABLE {', '.join(options['tables'])}; SHOW CREATE TABLE dba_innodb.fk_child"
    whole = server.sql(state)
    for point in POINTS:
        server.sql("DELETE FROM dba_innodb.part_range LIMIT 3; SET foreign_key_checks=0; DELETE FROM dba_innodb.fk_parent LIMIT 2;"
                   "DROP DATABASE dba_latin1")  # fmt: skip
        old = server.sql(state)
        assert old != whole
        set_breakpoint(server, point)
        running = server.start_module("import_tables", **options)
        wait_stopped(server, running)
        clear_breakpoints(server)
        kill_runner(server)
        assert running.result().get("failed"), point
        assert server.out("pgrep -fa '[s]cratch.cnf' || true") == "", point
        if POINTS.index(point) < POINTS.index("import-swapped"):
            assert server.sql(state) == old, point
        result = server.succeed("import_tables", **options)
        assert {entry["state"] for entry in result["tables"]} == {"imported"}, point
        assert len(result["tables"]) == 4, point
        assert server.sql(state) == whole, point
        _assert_no_traces(server)
    _assert_data(server)


@pytest.mark.suites("trixie")
def test_partial_backups_of_a_repository(server: Server) -> None:
    """A partial backup is never the newest one: not for a restore, not for max_age and size_drift, not for what is kept."""
    part = server.succeed("backup", repository=REPOSITORY, tables=["dba_innodb.part_hash"])["id"]
    server.fail(
        "restore", "There is no backup", "which only backup_id names", repository=REPOSITORY, existing_data="keep"
    )
    server.fail("backup_info", "no whole backup", repository=REPOSITORY, max_age="1h")
    whole = server.succeed("backup", repository=REPOSITORY, skip_if_newer_than=3600)["id"]
    assert whole != part
    assert (
        server.succeed("backup", repository=REPOSITORY, tables=["dba_innodb.part_hash"], skip_if_newer_than=3600)["id"]
        == part
    )
    newer = server.succeed("backup", repository=REPOSITORY, tables=["dba_innodb.part_hash"], prepare=True)["id"]
    listed = server.succeed("backup_info", repository=REPOSITORY, max_age="1h", size_drift=10)
    assert [entry["partial"] for entry in listed["backups"]] == [True, False, True]
    assert listed["backups"][0]["selection"] == {"tables": ["dba_innodb.part_hash"]}
    pruned = server.succeed("prune", repository=REPOSITORY, keep_last=1)
    assert pruned["removed"] == [part]
    assert pruned["decisions"][2]["reasons"] == ["the last one of its selection"]
    path = f"{REPOSITORY}/{server.out('hostname')}/{newer}"
    assert "No server can be restored from it" in server.host.get(f"{path}/RESTORE.txt")
    server.fail("restore", "import_tables", repository=REPOSITORY, backup_id=newer, existing_data="keep")
    server.sql("DROP TABLE dba_innodb.part_hash")
    options: dict[str, Any] = {"repository": REPOSITORY, "tables": ["dba_innodb.part_hash"]}
    planned = server.succeed("import_tables", check=True, **options)
    assert planned["backup_id"] == whole
    assert server.succeed("import_tables", backup_id=newer, **options)["backup_id"] == newer
    _assert_data(server)


@pytest.mark.suites("trixie")
@pytest.mark.parametrize("layout", ["separate", "mount", "instance"])
def test_import_where_directories_lie_elsewhere(take: Callable[..., Server], layout: str) -> None:
    """Directories of their own, a datadir that is a mount point, one of two servers: the copy is beside the datadir."""
    server = take("trixie", layout=LAYOUTS[layout])
    who = {"defaults_group_suffix": ".x"} if layout == "instance" else {}
    login = {"login_user": "root", "login_unix_socket": server.layout.socket} if layout == "instance" else {}
    server.succeed("backup", target_dir=MONDAY, **who, **login)
    server.sql("DELETE FROM dba_innodb.part_sub LIMIT 3; DROP TABLE dba_innodb.fulltext_text")
    _import(server, "dba_innodb.part_sub", "dba_innodb.fulltext_text", existing="replace", **who)
    _assert_data(server)
    assert server.out(f"ls -d {server.datadir}.import-* {server.datadir}/.mariabackup 2>/dev/null || true") == ""


@pytest.mark.suites("trixie")
def test_import_of_an_encrypted_table(server: Server) -> None:
    """Tables, and a log, that are encrypted with a key file: imported as they are, with the same keys."""
    keys = "/etc/mysql/keys.txt"
    server.host.put("".join(f"{number};{str(number) * 64}\n" for number in (1, 2)), keys, 0o640, "root:mysql")
    server.configure(plugin_load_add="file_key_management", file_key_management_filename=keys, innodb_encrypt_log="ON")
    server.restart_server()
    server.dataset("load", "encrypted")
    before = server.snapshot()
    server.succeed("backup", target_dir=MONDAY)
    tables = server.sql("SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) FROM information_schema.TABLES WHERE ENGINE = 'InnoDB'"
                        " AND TABLE_SCHEMA = 'dba_encrypted'").split("\n")  # fmt: skip
    server.sql("DROP DATABASE dba_encrypted")
    _import(server, *tables)
    after = server.snapshot(check=True)
    names = [
        name
        for name, value in before["tables"].items()
        if name.startswith("`dba_encrypted`") and value["engine"] == "InnoDB"
    ]
    assert len(names) == len(tables)
    assert {name: after["tables"][name] for name in names} == {name: before["tables"][name] for name in names}


@pytest.mark.suites("trixie")
@pytest.mark.parametrize("victim", ["scratch", "runner"])
def test_programs_that_are_killed(server: Server, victim: str) -> None:
    """The scratch server is killed, or the job is asked to stop: it says so, nothing is left, and nothing was changed."""
    server.succeed("backup", target_dir=MONDAY)
    options: dict[str, Any] = {"target_dir": MONDAY, "existing": "replace", "tables": ["dba_innodb.part_hash"]}
    set_breakpoint(server, "import-judged" if victim == "scratch" else "import-proven")
    running = server.start_module("import_tables", **options)
    wait_stopped(server, running)
    clear_breakpoints(server)
    if victim == "scratch":
        server.run("pkill -KILL -f '[s]cratch.cnf'")
    else:
        kill_runner(server, signal.SIGTERM)
    proceed(server)
    result = running.result()
    assert victim == "runner" or "prepared copy has ended, return code -9" in result["msg"], show(result)
    assert result["failed"]
    assert result["tables"] == []
    _assert_no_traces(server)
    _import(server, "dba_innodb.part_hash", existing="replace")
    _assert_data(server)
