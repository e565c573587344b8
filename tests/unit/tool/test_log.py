# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs of real runs of 10.5.23, 10.11.19 and 11.8.6, the paths shortened, long lists of files left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.tool.log import (
    LogReport,
    explain,
    grantable,
    hide_secrets,
    read_log,
    tool_message,
)

DATA = Path(__file__).parent / "data"
VERSIONS = ("10.5", "10.11", "11.8")


def report(version: str, name: str) -> LogReport:
    with open(DATA / version / f"{name}.log", encoding="utf-8", errors="replace") as stream:
        return read_log(stream)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["backup", "prepare", "prepare_again"])
def test_success(version: str, name: str) -> None:
    found = report(version, name)
    assert found.completed
    assert not found.missing_privileges
    assert found.access_denied is None


def test_end_of_log() -> None:
    assert report("10.11", "prepare").end_of_log_lsn == 272949518
    assert report("11.8", "prepare").end_of_log_lsn == 272851196
    assert report("10.5", "prepare").end_of_log_lsn is None


CAUSES = {
    "wrong_password": "refuses the login: Access denied for user 'u2'@'localhost'",
    "no_privileges": "lacks a privilege: RELOAD, PROCESS.",
    "no_binlog_monitor": "lacks a privilege: BINLOG MONITOR.",
    "no_server": "server cannot be reached",
    "not_empty": "holds files",
    "unknown_option": "does not know an option",
    "prepare_truncated": "redo log in the backup is damaged",
    "prepare_no_config": "not a complete backup",
    "prepare_no_directory": "not a complete backup",
    "prepare_no_key": "Encrypted data cannot be read",
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", sorted(CAUSES))
def test_failures_are_explained(version: str, name: str) -> None:
    found = report(version, name)
    assert not found.completed
    finding = explain(found, "backup")
    assert CAUSES[name] in finding.cause
    assert finding.action.endswith(".")
    assert finding.cause.isprintable()


def test_a_server_that_writes_faster_than_its_log_is_copied() -> None:
    finding = explain(report("10.11", "log_overrun"), "backup")
    assert "overwrote its redo log" in finding.cause
    assert "not 788911763" in finding.cause
    assert "innodb_log_file_size" in finding.action


def test_a_table_that_cannot_be_locked() -> None:
    finding = explain(
        read_log(
            [
                "[00] FATAL ERROR: 2026-11-25 14:30:25 failed to execute query BACKUP LOCK `shop`.`ar`ia`: You have an error in"
                " your SQL syntax; check the manual that corresponds to your MariaDB server version for the right syntax to use"
                " near 'ia`' at line 1"
            ]
        ),
        "backup",
    )
    assert "backquote in its name" in finding.cause
    assert "`shop`.`ar`ia`" in finding.cause
    assert "ENGINE=InnoDB" in finding.action


@pytest.mark.parametrize("version", ["10.11", "11.8"])
def test_missing_redo_log(version: str) -> None:
    assert "has no redo log" in explain(report(version, "prepare_no_redo"), "prepare").cause


def test_the_tool_lies_about_a_missing_redo_log_and_another_series() -> None:
    """The reason why success is never taken from the log alone."""
    assert report("10.5", "prepare_no_redo").completed
    assert report("10.11", "prepare_by_11.8").completed


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("mariadb-backup: Error writing file '/b/t.ibd' (errno: 28 \"No space left on device\")", "disk is full"),
        ("2026-01-01 10:00:00 0 [ERROR] InnoDB: Operating system error number 24 in a file operation.", "InnoDB: Oper"),
        ('[01] 2026-01-01 10:00:00 Error: cannot open ./t/x.frm: (errno: 24 "Too many open files")', "descriptors"),
        (
            "2026-01-01 10:00:00 0 [ERROR] InnoDB: Unsupported redo log format. The redo log was created with 10.4.",
            "format",
        ),
        ("[00] FATAL ERROR: 2026-01-01 10:00:00 failed to execute query BACKUP LOCK: Server has gone away", "broke"),
        (
            "[00] 2026-01-01 10:00:00 Was only able to copy log from 100 to 200, not 300; try increasing innodb_log_file_size",
            "overwrote its redo log",
        ),
    ],
)
def test_known_causes(line: str, says: str) -> None:
    assert says in explain(read_log([line, "[00] 2026-01-01 10:00:01 the end"]), "backup").cause


def test_disk_full_wins_over_what_follows_from_it() -> None:
    lines = ["x: File exists (errno: 17)", "y: No space left on device", "z: Permission denied"]
    assert "disk is full" in explain(read_log(lines), "backup").cause


def test_file_names_are_no_errors() -> None:
    lines = [
        "[01] 2026-01-01 10:00:00 Copying ./sys/No space left on device.frm to /b/sys/No space left on device.frm",
        "[01] 2026-01-01 10:00:00         ...done",
        "[00] 2026-01-01 10:00:00 completed OK!",
    ]
    found = read_log(lines)
    assert found.completed
    assert found.finding is None


def test_success_must_be_the_last_word() -> None:
    found = read_log(["[00] 2026-01-01 10:00:00 completed OK!", "something more"])
    assert not found.completed
    assert read_log([]).completed is False
    assert "did not finish" in explain(read_log([]), "prepare").cause


def test_the_tail_is_short() -> None:
    assert len(read_log(str(number) for number in range(1000)).tail) == 20


def test_password_hashes_are_hidden() -> None:
    for version in VERSIONS:
        assert not any("ABCDEF" in line for line in report(version, "no_privileges").tail)
    line = "GRANT USAGE ON *.* TO `u`@`%` IDENTIFIED VIA ed25519 USING 'abc' OR mysql_native_password USING '*def'"
    assert "abc" not in hide_secrets(line)
    assert "def" not in hide_secrets(line)
    assert hide_secrets("nothing IDENTIFIED here") == "nothing IDENTIFIED here"


def test_messages_without_their_beginning() -> None:
    assert tool_message("[00] 2026-01-01  9:00:00 text") == "text"
    assert tool_message("[00] FATAL ERROR: 2026-01-01 10:00:00 text") == "text"
    assert tool_message("2026-01-01 10:00:00 0 [ERROR] InnoDB: text") == "InnoDB: text"
    assert tool_message("text") == "text"


def test_grantable() -> None:
    assert grantable(["SUPER, BINLOG MONITOR", "PROCESS", "PROCESS"]) == "BINLOG MONITOR, PROCESS"
