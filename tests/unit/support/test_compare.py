# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparison of two snapshots: each kind of difference is said once, and what a restart changes is not one."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.support.compare import Snapshot, diff, parse_row, quoted, sorted_columns


def table(**changes: Any) -> dict[str, Any]:
    return {
        "engine": "InnoDB",
        "create": "CREATE TABLE `t` (\n  `a` int(11)\n) ENGINE=InnoDB",
        "counter": 8,
        "highest": "7",
        "rows": "3",
        "checksum": "123",
        **changes,
    }


def taken() -> Snapshot:
    return {
        "server": {"version": "10.11.19"},
        "schemas": {"`s`": "CREATE DATABASE `s`", "`s2`": "CREATE DATABASE `s2`"},
        "tables": {"`s`.`t`": table(), "`s`.`m`": table(engine="MyISAM"), "`s2`.`t`": table()},
        "views": {"`s`.`v`": ["CREATE VIEW `v`", "utf8mb4"]},
        "sequences": {"`s`.`q`": {"create": "CREATE SEQUENCE `q`", "state": ["5", "1"]}},
        "triggers": {"`s`.`r`": ["CREATE TRIGGER `r`"]},
        "routines": {"procedure `s`.`p`": ["", "CREATE PROCEDURE `p`"]},
        "events": {},
        "accounts": {"`app`@`%`": {"grants": ["GRANT USAGE ON *.* TO `app`@`%`"], "user": ["CREATE USER `app`@`%`"]}},
        "plugins": ["archive ha_archive.so"],
        "servers": [],
        "errors": {},
        "problems": [],
    }


def test_same_is_no_difference() -> None:
    assert diff(taken(), taken()) == []


def test_the_server_itself_is_not_compared() -> None:
    after = taken()
    after["server"] = {"version": "11.8.6"}
    assert diff(taken(), after) == []


@pytest.mark.parametrize(
    ("section", "name", "words"),
    [
        ("schemas", "`s`", "schema `s`"),
        ("tables", "`s`.`t`", "table `s`.`t`"),
        ("views", "`s`.`v`", "view `s`.`v`"),
        ("sequences", "`s`.`q`", "sequence `s`.`q`"),
        ("triggers", "`s`.`r`", "trigger `s`.`r`"),
        ("routines", "procedure `s`.`p`", "procedure `s`.`p`"),
        ("accounts", "`app`@`%`", "account `app`@`%`"),
    ],
)
def test_missing_and_new(section: str, name: str, words: str) -> None:
    less = taken()
    del less[section][name]
    assert diff(taken(), less) == [f"{words} is missing"]
    assert diff(less, taken()) == [f"{words} is new"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"checksum": "9"}, "table `s`.`t`: data: checksum 123 became 9"),
        ({"rows": "2", "checksum": "9"}, "table `s`.`t`: data: rows 3 became 2, checksum 123 became 9"),
        ({"hash": "3:1:1"}, "table `s`.`t`: data: hash None became 3:1:1"),
        (
            {"create": "CREATE TABLE `t` (\n  `a` bigint(20)\n) ENGINE=InnoDB"},
            "table `s`.`t`: definition: '`a` int(11)' became '`a` bigint(20)'",
        ),
        ({"counter": 7}, "table `s`.`t`: AUTO_INCREMENT 7 is not above the highest number in it, 7"),
    ],
)
def test_a_table_that_differs(changes: dict[str, Any], words: str) -> None:
    after = taken()
    after["tables"]["`s`.`t`"].update(changes)
    assert diff(taken(), after) == [words]


@pytest.mark.parametrize("counter", [8, 100, None])
def test_innodb_may_forget_numbers_that_it_had_reserved(counter: int | None) -> None:
    before = taken()
    before["tables"]["`s`.`t`"]["counter"] = 128
    after = taken()
    after["tables"]["`s`.`t`"]["counter"] = counter
    assert diff(before, after) == []


def test_other_engines_keep_their_counter() -> None:
    after = taken()
    after["tables"]["`s`.`m`"]["counter"] = 9
    assert diff(taken(), after) == ["table `s`.`m`: AUTO_INCREMENT 8 became 9"]


def test_the_part_of_an_object_that_differs_is_named() -> None:
    after = taken()
    after["sequences"]["`s`.`q`"]["state"] = ["6", "1"]
    after["accounts"]["`app`@`%`"]["grants"] = ["GRANT SELECT ON *.* TO `app`@`%`"]
    assert diff(taken(), after) == [
        "sequence `s`.`q`: state: '5' became '6'",
        "account `app`@`%`: grants: 'GRANT USAGE ON *.* TO `app`@`%`' became 'GRANT SELECT ON *.* TO `app`@`%`'",
    ]


def test_ignored_accounts_and_schemas() -> None:
    after = taken()
    del after["accounts"]["`app`@`%`"]
    del after["schemas"]["`s`"]
    del after["tables"]["`s`.`t`"]
    del after["routines"]["procedure `s`.`p`"]
    after["tables"]["`s2`.`t`"]["checksum"] = "9"
    assert diff(taken(), after, ignore_accounts=["app"], ignore_schemas=["s"]) == [
        "table `s2`.`t`: data: checksum 123 became 9"
    ]


def test_problems_and_errors_count_when_they_are_new() -> None:
    broken = taken()
    broken["problems"] = ["`s`.`t`: error: Corrupt"]
    broken["errors"] = {'["view", "s", "v"]': "ERROR 1356"}
    assert diff(taken(), broken) == [
        "problems: `s`.`t`: error: Corrupt is new",
        'cannot read ["view", "s", "v"]: ERROR 1356',
    ]
    assert diff(broken, copy.deepcopy(broken)) == []
    assert diff(broken, taken()) == []


def test_plugins_and_servers() -> None:
    after = taken()
    after["plugins"], after["servers"] = [], ["remote"]
    assert diff(taken(), after) == ["plugins: archive ha_archive.so is missing", "servers: remote is new"]


def test_names_are_quoted() -> None:
    assert quoted("a`b") == "`a``b`"


def test_values_that_the_client_has_escaped() -> None:
    assert parse_row("two\\nlines\tback\\\\nslash\t\\0\t") == ["two\nlines", "back\\nslash", "\0", ""]


def test_columns_of_a_grant_are_sorted_and_nothing_else() -> None:
    assert (
        sorted_columns("GRANT SELECT (`b`, `a`), UPDATE (`c`) ON `x (2, 1)`.`t` TO `u`@`%`")
        == "GRANT SELECT (`a`, `b`), UPDATE (`c`) ON `x (2, 1)`.`t` TO `u`@`%`"
    )
