# Copyright: (c) 2026, dba.mariabackup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backup account: privileges by version, and the statements that lead from what SHOW printed to what is wanted.

The texts of SHOW CREATE USER and SHOW GRANTS are those of servers 10.5.23, 10.11.19 and 11.8.6.
"""

from __future__ import annotations

import pytest

from ansible_collections.dba.mariabackup.plugins.module_utils.server.account import (
    Account,
    authentication_is_right,
    global_privileges,
    is_privilege,
    native_hash,
    privileges_for,
    statements,
)

# native_hash("x")
HASH = "*B69027D44F6E5EDC07F1AEAD1477967B16F28227"
RIGHT = f"CREATE USER `mb`@`localhost` IDENTIFIED BY PASSWORD '{HASH}' PASSWORD EXPIRE NEVER"
BASE = ("RELOAD", "PROCESS", "BINLOG MONITOR")
ACCOUNT = Account("mb", "localhost", "x", BASE)
GRANT = f"GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO `mb`@`localhost` IDENTIFIED BY PASSWORD '{HASH}'"


def test_hash_is_the_servers() -> None:
    assert native_hash("x") == HASH


@pytest.mark.parametrize("version", [(10, 5, 23), (10, 11, 19), (11, 8, 6), (12, 3, 1)])
def test_a_plain_backup_needs_three_privileges(version: tuple[int, int, int]) -> None:
    assert privileges_for(version) == BASE


def test_privileges_of_the_options() -> None:
    assert privileges_for((11, 8, 6), slave_info=True) == (*BASE, "SLAVE MONITOR")
    assert privileges_for((11, 8, 6), galera_info=True) == (*BASE, "SLAVE MONITOR")
    both = (*BASE, "SLAVE MONITOR", "REPLICATION SLAVE ADMIN")
    assert privileges_for((11, 8, 6), safe_slave_backup=True) == both
    assert privileges_for((11, 8, 6), slave_info=True, extra=["replica  monitor", "super"])[3:] == (
        "SLAVE MONITOR",
        "SUPER",
    )
    assert privileges_for((10, 5, 8), slave_info=True) == (*BASE, "REPLICATION SLAVE ADMIN")
    assert privileges_for((10, 4, 34)) == ("RELOAD", "PROCESS", "LOCK TABLES", "REPLICATION CLIENT")


@pytest.mark.parametrize("text", ["SUPER", "binlog monitor"])
def test_names_of_privileges(text: str) -> None:
    assert is_privilege(text)


@pytest.mark.parametrize("text", ["", "ALL; DROP", "SELECT (a)", "x ON *.*", "A  B", "SUPER\n"])
def test_what_is_no_name_of_a_privilege(text: str) -> None:
    assert not is_privilege(text)


@pytest.mark.parametrize(
    "shown",
    [
        RIGHT,
        f"CREATE USER `m``b`@`%` IDENTIFIED BY PASSWORD '{HASH}' PASSWORD EXPIRE NEVER",
        f"CREATE USER `mb`@`localhost` IDENTIFIED VIA mysql_native_password USING '{HASH}' PASSWORD EXPIRE NEVER",
    ],
)
def test_right_authentication(shown: str) -> None:
    assert authentication_is_right(ACCOUNT, shown)


@pytest.mark.parametrize(
    "shown",
    [
        "CREATE USER `mb`@`localhost`",
        RIGHT.replace(HASH, native_hash("other")),
        RIGHT.replace(" PASSWORD EXPIRE NEVER", ""),
        RIGHT.replace(" PASSWORD EXPIRE NEVER", " ACCOUNT LOCK PASSWORD EXPIRE NEVER"),
        f"CREATE USER `mb`@`localhost` IDENTIFIED BY PASSWORD '{HASH}' REQUIRE SSL WITH MAX_USER_CONNECTIONS 3 ACCOUNT LOCK"
        " PASSWORD EXPIRE INTERVAL 3 DAY",
        f"CREATE USER `mb`@`localhost` IDENTIFIED VIA mysql_native_password USING '{HASH}' OR unix_socket"
        " PASSWORD EXPIRE NEVER",
        "",
    ],
)
def test_wrong_authentication(shown: str) -> None:
    assert not authentication_is_right(ACCOUNT, shown)
    first, second = statements(ACCOUNT, shown, [GRANT])
    assert first.sql.startswith("CREATE OR REPLACE USER %s@%s IDENTIFIED VIA mysql_native_password USING %s")
    assert first.args == ("mb", "localhost", HASH)
    assert second.sql == "GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO %s@%s"


def test_nothing_to_do() -> None:
    assert statements(ACCOUNT, RIGHT, [GRANT]) == []


def test_a_new_account() -> None:
    shown = [statement.shown for statement in statements(ACCOUNT, None, [])]
    assert shown == [
        "CREATE USER 'mb'@'localhost' IDENTIFIED BY <secret> PASSWORD EXPIRE NEVER",
        "GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO 'mb'@'localhost'",
    ]


def test_only_the_difference_is_granted_and_revoked() -> None:
    has = GRANT.replace("RELOAD, PROCESS,", "PROCESS, SUPER,")
    assert [statement.sql for statement in statements(ACCOUNT, RIGHT, [has])] == [
        "REVOKE SUPER ON *.* FROM %s@%s",
        "GRANT RELOAD ON *.* TO %s@%s",
    ]
    nothing = GRANT.replace("RELOAD, PROCESS, BINLOG MONITOR", "USAGE")
    assert [statement.sql for statement in statements(ACCOUNT, RIGHT, [nothing])] == [
        "GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO %s@%s"
    ]


@pytest.mark.parametrize(
    "more",
    [
        "GRANT SELECT ON `mysql`.* TO `mb`@`localhost`",
        "GRANT EXECUTE ON PROCEDURE `sys`.`table_exists` TO `mb`@`localhost`",
        "GRANT `rr` TO `mb`@`localhost`",
        "GRANT PROXY ON 'root'@'localhost' TO 'mb'@'localhost'",
        "SET DEFAULT ROLE `rr` FOR `mb`@`localhost`",
        f"GRANT PROCESS ON *.* TO `mb`@`localhost` IDENTIFIED BY PASSWORD '{HASH}' WITH GRANT OPTION",
    ],
)
def test_more_than_global_privileges_replaces_the_account(more: str) -> None:
    assert global_privileges([GRANT, more]) is None
    assert statements(ACCOUNT, RIGHT, [GRANT, more])[0].sql.startswith("CREATE OR REPLACE USER")


def test_the_password_itself_only_where_the_server_wants_it() -> None:
    quiet = statements(ACCOUNT, None, [])
    assert not any(statement.secret for statement in quiet)
    account = Account("mb", "localhost", "geheim", BASE)
    first, second = statements(account, None, [], in_clear=True)
    assert first.secret
    assert first.args[2] == "geheim"
    assert not second.secret
    assert "geheim" not in "".join([first.sql, first.shown, second.sql, second.shown, repr(account)])


def test_odd_names_are_quoted_for_people() -> None:
    account = Account("o'neill", "%", "x", BASE)
    assert "'o''neill'@'%'" in statements(account, None, [])[0].shown
